package redisvelocity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"

	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/redis/rueidis"
)

// exchange is the talk about one batch: for each of its shares what to ask next. Its memory is used again.
type exchange struct {
	keys     []string
	bytes    []byte // of keys
	talks    []talk
	commands []rueidis.Completed
	blocks   []string
	ttl      string // milliseconds
	now      uint32 // second
}

// talk is what is still to be done for one share.
type talk struct {
	step       step
	generation uint64
	at         uint32 // number of its block, 0: unknown
	from       uint32 // first block that was asked for
	refresh    bool
	whole      bool   // the server does not know the script yet
	head       string // of the log, as it was read
	size       uint32 // of the log
}

type step uint8

const (
	done  step = iota
	push       // append to the log that the mirror has, and read what others appended
	open       // append to a log of which nothing is known, make it if need be, read its beginning
	look       // only read
	fetch      // read on
	mend       // remove a log that makes no sense
)

var (
	errStuck = errors.New("log does not hold still")
	errReply = errors.New("reply of no known form")
)

// exchange appends the blocks of a batch and feeds it with what lies before them.
func (w *Windows) exchange(ctx context.Context, c client, b *velocity.Batch, x *exchange, count bool) error {
	w.start(b, x)
	for i := range b.Len() {
		s, t := b.Share(i), &x.talks[i]
		switch {
		case !count:
			t.step = look
		case s.Next == 0:
			t.step = open
		default:
			t.step, t.generation = push, s.Generation
			t.refresh = x.now-s.Refreshed >= uint32(refreshEvery.Seconds())
		}
	}
	for round := 0; ; round++ {
		x.commands = x.commands[:0]
		for i := range b.Len() {
			if err := w.ask(c, b.Share(i), &x.talks[i], x, x.keys[i]); err != nil {
				return err
			}
		}
		if len(x.commands) == 0 {
			return nil
		}
		results := c.DoMulti(ctx, x.commands...)
		if err := failure(results); err != nil {
			b.Spoil() // what was given up may still be on its way
			return err
		}
		suspect := false
		for i := range b.Len() {
			t := &x.talks[i]
			if t.step == done {
				continue
			}
			n, err := w.hear(b, i, x, results)
			if err != nil {
				return err
			}
			results = results[n:]
			suspect = suspect || b.Share(i).Lost
		}
		if suspect && round == 0 {
			w.marks.suspect(ctx, w, c)
		}
	}
}

// start makes keys and talks for all shares of a batch.
func (w *Windows) start(b *velocity.Batch, x *exchange) {
	n := b.Len()
	x.now = uint32(w.o.Now().Unix())
	x.ttl = strconv.FormatInt(w.ttl.Milliseconds(), 10)
	// The keys of the batch before may still be on their way if it was given up.
	x.bytes = make([]byte, 0, n*w.names.size())
	x.keys, x.talks = x.keys[:0], x.talks[:0]
	for i := range n {
		s := b.Share(i)
		from := len(x.bytes)
		x.bytes = w.names.append(x.bytes, s.Kind, &s.Token)
		x.keys = append(x.keys, rueidis.BinaryString(x.bytes[from:]))
		x.talks = append(x.talks, talk{})
	}
}

// failure is the first error that is not about one script or one empty reply.
func failure(results []rueidis.RedisResult) error {
	for i := range results {
		if err := results[i].Error(); err != nil && !rueidis.IsRedisNil(err) && !unknownScript(err) {
			return err
		}
	}
	return nil
}

// ask adds the commands of a share's next step.
func (w *Windows) ask(c client, s *velocity.Share, t *talk, x *exchange, key string) error {
	do := func(command rueidis.Completed) { x.commands = append(x.commands, command) }
	to := int64(t.from) + fetchBlocks - 1
	switch t.step {
	case open:
		h, err := newHead(w.o.Random, 0)
		if err != nil {
			return err
		}
		do(w.scripts.open.command(c, t.whole, key, rueidis.BinaryString(s.Block), x.ttl, h.String(), strconv.Itoa(fetchBlocks)))
		w.appended.Add(int64(len(s.Block)))
	case push:
		if t.from = s.Next; s.Foreign {
			do(c.B().Lrange().Key(key).Start(int64(t.from)).Stop(int64(t.from) + fetchBlocks - 1).Build())
		}
		do(c.B().Rpushx().Key(key).Element(rueidis.BinaryString(s.Block)).Build())
		do(c.B().Lindex().Key(key).Index(0).Build())
		if t.refresh {
			do(c.B().Pexpire().Key(key).Milliseconds(w.ttl.Milliseconds()).Build())
		}
		w.appended.Add(int64(len(s.Block)))
	case mend:
		do(w.scripts.remove.command(c, t.whole, key, t.head, strconv.Itoa(int(t.size))))
	case look:
		if t.generation = s.Generation; t.from == 0 {
			t.from = max(s.Next, 1)
			to = int64(t.from) + fetchBlocks - 1
		}
		fallthrough
	case fetch:
		if t.at > 0 && int64(t.at) <= to {
			to = int64(t.at) - 1
		}
		from := int64(t.from)
		if from == 1 {
			from = 0 // with the head, which says what the blocks behind it are of
		}
		do(c.B().Lrange().Key(key).Start(from).Stop(to).Build())
		do(c.B().Llen().Key(key).Build())
		do(c.B().Lindex().Key(key).Index(0).Build())
	}
	return nil
}

// hear takes a share's results, returns how many they were, and decides on the next step. The head is read after all
// else: if the log is still of the same generation, everything before was of it too.
func (w *Windows) hear(b *velocity.Batch, i int, x *exchange, results []rueidis.RedisResult) (used int, err error) {
	s, t := b.Share(i), &x.talks[i]
	var blocks []rueidis.RedisMessage
	switch t.step {
	case open:
		return 1, w.opened(b, s, t, x, results[0])
	case mend:
		if t.whole = unknownScript(results[0].Error()); !t.whole {
			*t = talk{step: open}
			if len(s.Block) == 0 {
				t.step = done
			}
		}
		return 1, nil
	case push:
		if s.Foreign {
			if blocks, err = results[0].ToArray(); err != nil {
				return 0, errReply
			}
			used++
		}
		n, err := results[used].AsInt64()
		if err != nil {
			return 0, errReply
		}
		text, err := readHead(results[used+1])
		if err != nil {
			return 0, err
		}
		if used += 2; t.refresh {
			used++
			b.Refresh(s, x.now)
		}
		return used, w.pushed(b, s, t, x, n, text, blocks)
	}
	if blocks, err = results[0].ToArray(); err != nil {
		return 0, errReply
	}
	n, err := results[1].AsInt64()
	if err != nil {
		return 0, errReply
	}
	if t.head, err = readHead(results[2]); err != nil {
		return 0, err
	}
	t.size = uint32(n)
	return 3, w.fetchedMore(b, s, t, x, blocks)
}

// readHead reads the head of a log, which is empty if there is no log.
func readHead(r rueidis.RedisResult) (string, error) {
	text, err := r.ToString()
	if err != nil && !rueidis.IsRedisNil(err) {
		return "", errReply
	}
	return text, nil
}

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
		return w.damaged(b, s, t)
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
	if int64(x.now)-int64(s.Refreshed) < int64((w.ttl - refreshEvery).Seconds()) {
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
		return w.damaged(b, s, t)
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
		return w.damaged(b, s, t)
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
func (w *Windows) damaged(b *velocity.Batch, s *velocity.Share, t *talk) error {
	w.o.Log.Warn("log of an entity is damaged, and begun anew", slog.String("kind", s.Kind.String()))
	s.Lost = true
	b.Forget(s)
	*t = talk{step: mend, head: t.head, size: t.size}
	return nil
}
