package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/velocity"
)

// watchedStore and watchedWindows are one process's way to what all share; before is called before each use.
type watchedStore struct {
	pipeline.Store
	before func(what string)
	fail   error // of Commit
}

func (w *watchedStore) Known(ctx context.Context, ids []string) (map[string]pipeline.Receipt, error) {
	w.before("known")
	return w.Store.Known(ctx, ids)
}

func (w *watchedStore) Commit(ctx context.Context, b pipeline.Batch) ([]pipeline.Receipt, error) {
	if w.before("commit"); w.fail != nil {
		return nil, w.fail
	}
	return w.Store.Commit(ctx, b)
}

type watchedWindows struct {
	*distant
	before func(what string)
	fail   error // of Retract
}

func (w *watchedWindows) Observe(ctx context.Context, events []velocity.Event) ([]velocity.Reading, error) {
	w.before("observe")
	return w.distant.Observe(ctx, events)
}

func (w *watchedWindows) Retract(ctx context.Context, events []velocity.Event) error {
	if w.before("retract"); w.fail != nil {
		return w.fail
	}
	return w.distant.Retract(ctx, events)
}

// fates are the two sides of a store that a healer asks.
type fates struct {
	pipeline.Store
	pipeline.Recounting
}

// till is a process that decides on the shop's store and windows.
type till struct {
	*pipeline.Decider
	store   *watchedStore
	windows *watchedWindows
	now     time.Time
}

func (s *shop) till(d *distant, before func(what string)) *till {
	p := &till{store: &watchedStore{Store: s.stored, before: before}, windows: &watchedWindows{distant: d, before: before}, now: noon}
	c, parts := s.config, s.config.Engine.Config
	parts.Windows = p.windows
	engine, err := score.New(parts)
	s.must(err)
	c.Engine, c.Windows, c.Store = engine, p.windows, p.store
	c.Healer = &pipeline.Healer{Store: s.stored, Fates: fates{p.store, s.stored}, Windows: p.windows, Horizon: 24 * time.Hour,
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return p.now }}
	p.Decider = pipeline.NewDecider(c)
	return p
}

func nothing(string) {}

// TestARepeatElsewhereStaysCounted has a commit fail in one process while another one decides the same payment, in every
// order of what the two do with store and windows. In the end the windows have the payment, once, also if the first process
// ends right away.
func TestARepeatElsewhereStaysCounted(t *testing.T) {
	for i := range 2 * (repeatSteps + 1) * (repeatSteps + 1) {
		survives, begins, commits := i%2 == 0, i/2/(repeatSteps+1), i/2%(repeatSteps+1)
		if begins <= commits {
			t.Run(fmt.Sprintf("begins at %d, commits at %d, the first lives on %v", begins, commits, survives), func(t *testing.T) {
				repeatElsewhere(t, begins, commits, survives)
			})
		}
	}
}

// repeatSteps are known, observe, commit, known, retract, known, of the one whose commit fails; then it has ended.
const repeatSteps = 6

func repeatElsewhere(t *testing.T, begins, commits int, survives bool) {
	s := newShop(t)
	d := s.far()
	heal := func(p *till) {
		t.Helper()
		if _, err := p.Healer.Heal(t.Context()); err != nil {
			t.Error(err)
		}
	}
	reached, release, ended := make(chan bool, 1), make(chan bool), make(chan bool)
	other := s.till(d, func(what string) {
		if what == "commit" {
			reached <- true
			<-release
		}
	})
	n := 0
	step := func(string) {
		at := n
		n++
		if at == begins {
			go func() {
				defer close(ended)
				if _, err := other.Decide(context.Background(), pay("a0", 1, 0, 0)); err != nil {
					t.Error(err)
				}
			}()
			<-reached
		}
		if at == commits {
			release <- true
			<-ended
			heal(other)
		}
	}
	one := s.till(d, step)
	one.store.fail = errAway
	_, _ = one.Decide(context.Background(), pay("a0", 1, 0, 0)) // fails, unless the other one was first
	for n <= repeatSteps {
		step("")
	}
	one.windows.before, one.store.before = nothing, nothing
	if survives {
		heal(one)
	}
	heal(other)
	if n := d.Memory.Stats().Events; n != 1 {
		t.Errorf("the windows have the payment %d times", n)
	}
}

// TestDoubtsAreSettledWhenTheyCan has a commit fail while store or windows do not answer: the payment is taken out of the
// windows when they do, and comes in again when it turns up in the store.
func TestDoubtsAreSettledWhenTheyCan(t *testing.T) {
	s := newShop(t)
	d := s.far()
	p := s.till(d, nothing)
	counts := func(when string, want int) {
		t.Helper()
		if n := d.Memory.Stats().Events; n != want {
			t.Errorf("%s the windows have %d payments, want %d", when, n, want)
		}
	}
	heal := func(want error) {
		t.Helper()
		if _, err := p.Healer.Heal(t.Context()); !errors.Is(err, want) {
			t.Errorf("heal: %v, want %v", err, want)
		}
	}
	p.store.fail, p.windows.fail = errAway, errors.New("no route")
	lost := pay("a0", 1, 0, 0)
	if _, err := p.Decide(t.Context(), lost); !errors.Is(err, errAway) {
		t.Fatal(err)
	}
	counts("while they cannot be reached", 1)
	heal(p.windows.fail)
	counts("still", 1)
	p.windows.fail = nil
	p.Healer.Tend(t.Context())
	counts("when they can be reached", 0)

	// The commit arrives after all: its connection was lost, not the commit.
	_, err := s.stored.Commit(t.Context(), pipeline.Batch{Chain: pipeline.SyncChain, Entries: []pipeline.Entry{s.approved(lost)}})
	s.must(err)
	heal(nil)
	counts("after a commit that came late", 1)

	if _, err := p.Decide(t.Context(), pay("a1", 1, 1, 0)); !errors.Is(err, errAway) {
		t.Fatal(err)
	}
	counts("after one more that failed", 1)
	asked := 0
	p.store.before = func(string) { asked++ }
	heal(nil)
	p.now = p.now.Add(time.Minute)
	heal(nil)
	if asked == 0 {
		t.Error("a failed commit is not looked for")
	}
	asked = 0
	heal(nil)
	if asked != 0 {
		t.Errorf("a commit that failed a minute ago is looked for %d times more", asked)
	}
	counts("in the end", 1)
}

// TestWhoGivesUpIsNotCounted ends a request after the windows have counted it and before there is a verdict.
func TestWhoGivesUpIsNotCounted(t *testing.T) {
	s := newShop(t)
	d := s.far()
	ctx, leave := context.WithCancel(t.Context())
	p := s.till(d, nothing)
	p.Engine.Windows = &leaving{p.windows, leave}
	if _, err := p.Decide(ctx, pay("a0", 1, 0, 0)); !errors.Is(err, context.Canceled) {
		t.Fatalf("decide: %v", err)
	}
	p.Healer.Tend(t.Context())
	if n := d.Memory.Stats().Events; n != 1 {
		t.Errorf("the windows have %d payments, want 1: another try may have counted it", n)
	}
	p.now = p.now.Add(time.Minute)
	p.Healer.Tend(t.Context())
	if n := d.Memory.Stats().Events; n != 0 {
		t.Errorf("after a minute the windows have %d payments of a caller who left", n)
	}
}

// leaving are windows during whose count the caller leaves.
type leaving struct {
	*watchedWindows
	leave func()
}

func (l *leaving) Observe(ctx context.Context, events []velocity.Event) ([]velocity.Reading, error) {
	if _, err := l.watchedWindows.Observe(ctx, events); err != nil {
		return nil, err
	}
	l.leave()
	return nil, ctx.Err()
}
