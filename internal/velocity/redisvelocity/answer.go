package redisvelocity

import (
	"errors"
	"fmt"
	"log/slog"
	"math"

	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/redis/rueidis"
)

var (
	errStuck = errors.New("log does not hold still")
	errReply = errors.New("reply of no known form")
)

// opened takes the answer of the script that opens a log.
func (w *Windows) opened(b *velocity.Batch, s *velocity.Share, t *talk, x *exchange, r rueidis.RedisResult) error {
	if unknownScript(r.Error()) {
		t.whole = true
		return nil
	}
	parts, err := r.ToArray()
	if err != nil || len(parts) != 2 {
		return errReply
	}
	n, err := parts[0].AsInt64()
	if err != nil {
		return errReply
	}
	log, err := parts[1].ToArray()
	if err != nil || len(log) == 0 {
		return errReply
	}
	if t.head, err = log[0].ToString(); err != nil {
		return errReply
	}
	t.size = uint32(n)
	h, ok := parseHead(t.head)
	if !ok {
		return w.damaged(b, s, t, velocity.ErrLog)
	}
	b.Refresh(s, x.now)
	t.generation, t.at, t.from = h.generation, uint32(n-1), 1
	b.Start(s, h.generation, h.base)
	return w.feed(b, s, t, x, log[1:], t.at)
}

// pushed takes the answer to an append to a log that the mirror has.
func (w *Windows) pushed(b *velocity.Batch, s *velocity.Share, t *talk, x *exchange, n int64, text string, blocks []rueidis.RedisMessage) error {
	h, _ := parseHead(text) // one that makes no sense is of another generation at least
	switch {
	case n == 0 || text == "": // it has gone; whether that is right depends on how long it was left alone
		w.gone(b, s, x)
		*t = talk{step: open}
		return nil
	case h.generation != t.generation: // the block need not be where it came to lie: it has to be looked for
		b.Start(s, h.generation, h.base)
		t.generation, t.at, t.step = h.generation, 0, fetch
		t.from = b.Behind(s, h.generation, math.MaxUint32)
		return nil
	case uint32(n-1) < s.Next: // writes have been lost
		w.gone(b, s, x)
		t.at, t.from, t.step = uint32(n-1), 1, fetch
		b.Start(s, h.generation, h.base)
		if t.at == 1 {
			return w.feed(b, s, t, x, nil, t.at)
		}
		return nil
	}
	t.at = uint32(n - 1)
	return w.feed(b, s, t, x, blocks, t.at)
}

// gone is for a log that is not what it was. It is only to be expected if nobody has told it to live on.
func (w *Windows) gone(b *velocity.Batch, s *velocity.Share, x *exchange) {
	b.Forget(s)
	if int64(x.now)-int64(s.Refreshed) < int64((w.ttl[s.Kind] - refreshEvery).Seconds()) {
		s.Lost = true
		w.vanished.Add(1)
	}
}

// fetchedMore takes more of a log.
func (w *Windows) fetchedMore(b *velocity.Batch, s *velocity.Share, t *talk, x *exchange, blocks []rueidis.RedisMessage) error {
	counting := len(s.Block) > 0
	h, ok := parseHead(t.head)
	if t.from == 1 && len(blocks) > 0 {
		first, err := blocks[0].ToString()
		if err != nil {
			return errReply
		}
		if first != t.head { // replaced in between: once more
			t.generation, t.at, t.step = h.generation, 0, fetch
			return nil
		}
		blocks = blocks[1:]
	}
	switch {
	case t.head == "" && counting: // gone while it was read: the block with it
		s.Lost = true
		w.vanished.Add(1)
		b.Forget(s)
		*t = talk{step: open}
		return nil
	case t.head == "":
		if s.Next > 0 {
			w.gone(b, s, x)
		}
		t.step = done
		return nil
	case !ok:
		return w.damaged(b, s, t, velocity.ErrLog)
	case h.generation != t.generation && t.from > 1:
		t.generation, t.at, t.from, t.step = h.generation, 0, 1, fetch
		b.Start(s, h.generation, h.base)
		return nil
	case h.generation != t.generation:
		t.generation, t.at = h.generation, 0
	}
	b.Start(s, h.generation, h.base)
	end := t.at
	if end == 0 {
		end = t.size
	}
	if !counting {
		t.at = t.size
	}
	t.step = fetch
	return w.feed(b, s, t, x, blocks, end)
}

// feed gives blocks to the mirror and decides whether there are more to fetch before number end.
func (w *Windows) feed(b *velocity.Batch, s *velocity.Share, t *talk, x *exchange, blocks []rueidis.RedisMessage, end uint32) error {
	x.blocks = x.blocks[:0]
	for i := range blocks {
		text, err := blocks[i].ToString()
		if err != nil {
			return errReply
		}
		x.blocks = append(x.blocks, text)
		w.fetched.Add(int64(len(text)))
	}
	if t.at == 0 && len(s.Block) > 0 {
		for i := len(x.blocks) - 1; i >= 0; i-- {
			if x.blocks[i] == rueidis.BinaryString(s.Block) {
				t.at = t.from + uint32(i)
				end = t.at
				x.blocks = x.blocks[:i]
				break
			}
		}
	}
	if err := b.Feed(s, t.generation, t.from, x.blocks); err != nil {
		return w.damaged(b, s, t, err)
	}
	before := t.from
	fetching := t.step == fetch
	if t.from = b.Behind(s, t.generation, end); t.from == 0 {
		t.step = done
		b.Locate(s, t.generation, t.at)
		return nil
	}
	if fetching && t.from == before && len(blocks) == 0 {
		return fmt.Errorf("read log: %w", errStuck)
	}
	t.step = fetch
	return nil
}

// damaged is for a log that makes no sense: it is lost, and another one is begun.
func (w *Windows) damaged(b *velocity.Batch, s *velocity.Share, t *talk, cause error) error {
	w.o.Log.Warn("log of an entity is damaged, and begun anew", slog.String("kind", s.Kind.String()), slog.Any("error", cause))
	s.Lost = true
	b.Forget(s)
	*t = talk{step: mend, head: t.head, size: t.size}
	return nil
}
