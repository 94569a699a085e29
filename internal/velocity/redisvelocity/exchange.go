package redisvelocity

import (
	"context"
	"strconv"

	"github.com/fastshop/pipeline/internal/payment"
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
			b.Spoil() // what was given up may still be on its way, and the client may yet write to the slice
			x.commands = nil
			return err
		}
		var short []string
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
			if b.Share(i).Lost {
				short = append(short, x.keys[i])
			}
		}
		if len(short) > 0 && round == 0 {
			w.marks.suspect(ctx, w, c, short)
		}
	}
}

// start makes keys and talks for all shares of a batch.
func (w *Windows) start(b *velocity.Batch, x *exchange) {
	n := b.Len()
	x.now = uint32(w.o.Now().Unix())
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

// millis is how long a log of a kind lives, in milliseconds as the server wants them.
func (w *Windows) millis(kind payment.Kind) string {
	return strconv.FormatInt(w.ttl[kind].Milliseconds(), 10)
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
		do(w.scripts.open.command(c, t.whole, key, rueidis.BinaryString(s.Block), w.millis(s.Kind), h.String(), strconv.Itoa(fetchBlocks)))
		w.appended.Add(int64(len(s.Block)))
	case push:
		if t.from = s.Next; s.Foreign {
			do(c.B().Lrange().Key(key).Start(int64(t.from)).Stop(int64(t.from) + fetchBlocks - 1).Build())
		}
		do(c.B().Rpushx().Key(key).Element(rueidis.BinaryString(s.Block)).Build())
		do(c.B().Lindex().Key(key).Index(0).Build())
		if t.refresh {
			do(c.B().Pexpire().Key(key).Milliseconds(w.ttl[s.Kind].Milliseconds()).Build())
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
