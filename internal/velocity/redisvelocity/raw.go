package redisvelocity

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/redis/rueidis"
)

// Raw is what a batch asks of the server and nothing else: the same commands with keys and values of the same size, for
// logs that exist, sent by the bare client. It measures the limit that Begin is compared with. Its keys are beside those
// of the windows and last for ten minutes.
type Raw struct {
	w      *Windows
	keys   []string
	blocks []string
}

const rawLife = 10 * time.Minute

// Raw prepares the commands of a batch and makes the logs that they append to.
func (w *Windows) Raw(ctx context.Context, events []velocity.Event) (*Raw, error) {
	b, err := w.mirror.Open(events)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	r := &Raw{w: w}
	raw := newNames(w.o.Prefix, "raw-----")
	for i := range b.Len() {
		s := b.Share(i)
		r.keys = append(r.keys, string(raw.append(nil, s.Kind, &s.Token)))
		r.blocks = append(r.blocks, string(slices.Clone(s.Block)))
	}
	life := strconv.FormatInt(rawLife.Milliseconds(), 10)
	err = w.call(ctx, restoreTimeout, func(ctx context.Context, c client) error {
		var commands []rueidis.Completed
		for i, key := range r.keys {
			commands = append(commands, w.scripts.open.command(c, true, key, r.blocks[i], life, head{1, 0}.String(), "0"))
		}
		return failure(c.DoMulti(ctx, commands...))
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Len returns the number of calls, one per entity.
func (r *Raw) Len() int { return len(r.keys) }

// Send sends the commands once.
func (r *Raw) Send(ctx context.Context) error {
	c, err := r.w.link.get(ctx, &r.w.o)
	if err != nil {
		return err
	}
	commands := make([]rueidis.Completed, 0, 2*len(r.keys))
	for i, key := range r.keys {
		commands = append(commands, c.B().Rpushx().Key(key).Element(r.blocks[i]).Build(), c.B().Lindex().Key(key).Index(0).Build())
	}
	if err := failure(c.DoMulti(ctx, commands...)); err != nil {
		return fmt.Errorf("send commands: %w", err)
	}
	return nil
}
