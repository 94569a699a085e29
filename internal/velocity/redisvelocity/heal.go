package redisvelocity

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// ErrLostAgain is wrapped by the error of a heal during which more was lost, or whose lease ran out.
var ErrLostAgain = errors.New("redisvelocity: lost again while healing")

// TryHeal brings back what is lost, if something is and no other process is at it: it calls heal with the moment from
// which on things are missing (zero: everything), which must Restore them, and tells all processes when it has returned
// without error. It reports whether it did. Its error is heal's, one that wraps ErrLostAgain, or one of a call.
func (w *Windows) TryHeal(ctx context.Context, heal func(ctx context.Context, since time.Time) error) (healed bool, err error) {
	var values []string
	token, err := w.token()
	if err != nil {
		return false, err
	}
	err = w.call(ctx, w.o.BatchTimeout, func(ctx context.Context, c client) (err error) {
		values, err = w.lockLost(ctx, c, token)
		return err
	})
	if err != nil || values == nil {
		return false, err
	}
	defer w.unlock(ctx, token)
	taken, since, err := w.takeLost(ctx, values, token)
	if err != nil || len(taken) == 0 {
		return false, err
	}
	if err := w.lease(ctx, token, func(ctx context.Context) error { return heal(ctx, since) }); err != nil {
		return false, err
	}
	now := strconv.FormatInt(w.o.Now().UnixMilli(), 10)
	if err := w.swapAll(ctx, taken, func(held string) (string, string) { return held, now }); err != nil {
		return false, err
	}
	return true, w.call(ctx, w.o.BatchTimeout, func(ctx context.Context, c client) error { return w.marks.look(ctx, w, c) })
}

func (w *Windows) token() (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(w.o.Random, b[:]); err != nil {
		return "", fmt.Errorf("draw token: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// lockLost takes the healer's lock if something is lost. It returns the markers, or nil.
func (w *Windows) lockLost(ctx context.Context, c client, token string) ([]string, error) {
	if err := w.marks.look(ctx, w, c); err != nil {
		return nil, err
	}
	if !w.Health().Lost {
		return nil, nil
	}
	err := c.Do(ctx, c.B().Set().Key(w.marks.lock).Value(token).Nx().Px(healLease).Build()).Error()
	if rueidis.IsRedisNil(err) {
		return nil, nil // another one is at it
	}
	if err != nil {
		return nil, fmt.Errorf("take healer's lock: %w", err)
	}
	return w.marks.read(ctx, w, c) // again: it may just have been healed
}

// takeLost makes all lost markers say that they are being healed. It returns what they are now, by number, and the moment
// from which on things are missing.
func (w *Windows) takeLost(ctx context.Context, values []string, token string) (taken map[int]string, since time.Time, err error) {
	taken = map[int]string{}
	was := map[string]string{}
	for i, value := range values {
		at, lost := lostSince(value)
		if !lost {
			continue
		}
		if len(taken) == 0 || at.Before(since) {
			since = at
		}
		millis := int64(0)
		if !at.IsZero() {
			millis = at.UnixMilli()
		}
		taken[i] = fmt.Sprintf("h%d:%s:%d", millis, token, i)
		was[taken[i]] = value
	}
	return taken, since, w.swapAll(ctx, taken, func(held string) (string, string) { return was[held], held })
}

// swapAll changes the markers in taken, each from one value to another.
func (w *Windows) swapAll(ctx context.Context, taken map[int]string, change func(held string) (from, to string)) error {
	ttl := strconv.FormatInt(w.life.Milliseconds(), 10)
	var keys []string
	var args [][]string
	for i, held := range taken {
		from, to := change(held)
		keys, args = append(keys, w.marks.keys[i]), append(args, []string{from, to, ttl})
	}
	var answers []string
	err := w.call(ctx, w.o.BatchTimeout, func(ctx context.Context, c client) (err error) {
		answers, err = w.each(ctx, c, &w.scripts.turn, keys, func(i int) []string { return args[i] })
		return err
	})
	if err != nil {
		return fmt.Errorf("change markers: %w", err)
	}
	if slices.ContainsFunc(answers, func(a string) bool { return a != "1" }) {
		return fmt.Errorf("change markers: %w", ErrLostAgain)
	}
	return nil
}

// lease runs do and keeps the lock meanwhile. Without the lock it ends do.
func (w *Windows) lease(ctx context.Context, token string, do func(context.Context) error) error {
	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		until := w.o.Now().Add(healLease)
		for {
			select {
			case <-inner.Done():
				return
			case <-time.After(healLease / 6):
			}
			var held int64
			err := w.call(inner, w.o.BatchTimeout, func(ctx context.Context, c client) (err error) {
				args := []string{token, strconv.FormatInt(healLease.Milliseconds(), 10)}
				held, err = w.scripts.renew.run(ctx, c, w.marks.lock, args...).AsInt64()
				return err
			})
			switch {
			case err == nil && held == 1:
				until = w.o.Now().Add(healLease)
			case err == nil, w.o.Now().After(until):
				stop(ErrLostAgain)
				return
			}
		}
	}()
	err := do(inner)
	if cause := context.Cause(inner); cause != nil {
		err = cause
	}
	stop(nil)
	<-kept
	return err
}

// unlock gives the lock back, also when ctx has ended.
func (w *Windows) unlock(ctx context.Context, token string) {
	err := w.call(context.WithoutCancel(ctx), w.o.BatchTimeout, func(ctx context.Context, c client) error {
		return w.scripts.swap.run(ctx, c, w.marks.lock, token, "", "0").Error()
	})
	if err != nil {
		w.o.Log.Warn("healer's lock not given back; it runs out by itself")
	}
}

// each runs a script for each of some keys and returns what it says as text.
func (w *Windows) each(ctx context.Context, c client, s *script, keys []string, args func(i int) []string) ([]string, error) {
	answers := make([]string, len(keys))
	todo := make([]int, len(keys))
	for i := range todo {
		todo[i] = i
	}
	for _, whole := range []bool{false, true} {
		commands := make([]rueidis.Completed, len(todo))
		for k, i := range todo {
			commands[k] = s.command(c, whole, keys[i], args(i)...)
		}
		results := c.DoMulti(ctx, commands...)
		if err := failure(results); err != nil {
			return nil, err
		}
		var unknown []int
		for k, i := range todo {
			if unknownScript(results[k].Error()) {
				unknown = append(unknown, i)
				continue
			}
			text, err := answer(results[k])
			if err != nil {
				return nil, err
			}
			answers[i] = text
		}
		if todo = unknown; len(todo) == 0 {
			return answers, nil
		}
	}
	return nil, errReply
}

func answer(r rueidis.RedisResult) (string, error) {
	if n, err := r.AsInt64(); err == nil {
		return strconv.FormatInt(n, 10), nil
	}
	text, err := r.ToString()
	if err != nil {
		return "", errReply
	}
	return text, nil
}
