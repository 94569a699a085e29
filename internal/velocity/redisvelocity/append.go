package redisvelocity

import (
	"context"
	"strconv"

	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/redis/rueidis"
)

// push appends what of says, or else the blocks, of a batch to the logs that there are. It returns the numbers of the
// shares that have no log.
func (w *Windows) push(ctx context.Context, c client, b *velocity.Batch, x *exchange, of func(*velocity.Share) []byte) (missing []int, err error) {
	if of == nil {
		of = func(s *velocity.Share) []byte { return s.Block }
	}
	w.start(b, x)
	x.commands = x.commands[:0]
	var shares []int
	for i := range b.Len() {
		if block := of(b.Share(i)); len(block) > 0 {
			x.commands = append(x.commands, c.B().Rpushx().Key(x.keys[i]).Element(rueidis.BinaryString(block)).Build())
			shares = append(shares, i)
			w.appended.Add(int64(len(block)))
		}
	}
	results := c.DoMulti(ctx, x.commands...)
	if err := failure(results); err != nil {
		b.Spoil()
		x.commands = nil // the client may yet write to it
		return nil, err
	}
	for k, i := range shares {
		n, err := results[k].AsInt64()
		switch {
		case err != nil:
			return nil, errReply
		case n == 0:
			missing = append(missing, i)
		default:
			b.Appended(b.Share(i), of(b.Share(i)), uint32(n-1))
		}
	}
	return missing, nil
}

// make makes the logs of some shares with their blocks.
func (w *Windows) make(ctx context.Context, c client, b *velocity.Batch, x *exchange, shares []int) error {
	for _, whole := range []bool{false, true} {
		x.commands = x.commands[:0]
		for _, i := range shares {
			h, err := newHead(w.o.Random, 0)
			if err != nil {
				return err
			}
			block := rueidis.BinaryString(b.Share(i).Block)
			x.commands = append(x.commands, w.scripts.open.command(c, whole, x.keys[i], block, w.millis(b.Share(i).Kind), h.String(), strconv.Itoa(0)))
		}
		results := c.DoMulti(ctx, x.commands...)
		if err := failure(results); err != nil {
			b.Spoil()
			x.commands = nil
			return err
		}
		var unknown []int
		for k, i := range shares {
			if unknownScript(results[k].Error()) {
				unknown = append(unknown, i)
			}
		}
		if shares = unknown; len(shares) == 0 {
			break
		}
	}
	return nil
}
