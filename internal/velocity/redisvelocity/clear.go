package redisvelocity

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/rueidis"
)

// scanPage is how many keys one SCAN looks at.
const scanPage = 5000

// Clear removes every key under the server's prefix, on all nodes: the windows, their markers, and what older plans left.
// Nothing may use them meanwhile. The prefix is taken as it is, without the default, so that nobody clears by mistake what
// is in production; an empty one is refused.
func Clear(ctx context.Context, s Server) error {
	if s.Prefix == "" || strings.ContainsAny(s.Prefix, `*?[]\`) {
		return fmt.Errorf("clear windows: %w: a prefix without wildcards is needed", ErrURL)
	}
	o := Options{Server: s, ConnectTimeout: restoreTimeout, BatchTimeout: restoreTimeout}
	o.Shape = orElse(o.Shape, Single)
	c, err := rueidis.NewClient(o.client())
	if err != nil {
		return fmt.Errorf("clear windows: %w", err)
	}
	defer c.Close()
	for _, node := range c.Nodes() {
		if err := clearNode(ctx, c, node, s.Prefix+"*"); err != nil {
			return fmt.Errorf("clear windows: %w", err)
		}
	}
	return nil
}

// clearNode removes what one node finds. A replica finds the same as its master, which is to be asked to remove it; so
// removing goes by way of the whole.
func clearNode(ctx context.Context, whole, node client, pattern string) error {
	for cursor := uint64(0); ; {
		page, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(pattern).Count(scanPage).Build()).AsScanEntry()
		if err != nil {
			return err
		}
		remove := make([]rueidis.Completed, len(page.Elements))
		for i, key := range page.Elements {
			remove[i] = whole.B().Unlink().Key(key).Build()
		}
		if err := failure(whole.DoMulti(ctx, remove...)); err != nil {
			return err
		}
		if cursor = page.Cursor; cursor == 0 {
			return nil
		}
	}
}
