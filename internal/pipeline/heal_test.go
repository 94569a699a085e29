package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/velocity"
)

// distant are windows that are a network away: a batch is one call, and calls fail as they are told.
type distant struct {
	*faultyWindows
	begins     int
	begin      error // of Begin
	end        error // of End
	lost       bool
	since      time.Time
	incomplete bool
}

func (d *distant) Begin(_ context.Context, events []velocity.Event) (pipeline.Session, error) {
	seen := map[string]bool{}
	for i := range events {
		if seen[events[i].ID] {
			return nil, errors.New("an id comes twice")
		}
		seen[events[i].ID] = true
	}
	if d.begins++; d.begin != nil {
		return nil, d.begin
	}
	return session{d}, nil
}

type session struct{ *distant }

func (s session) Observe(ctx context.Context, events []velocity.Event) ([]velocity.Reading, error) {
	readings, err := s.Memory.Observe(ctx, events)
	for i := range readings {
		readings[i].Incomplete = s.incomplete
	}
	return readings, err
}

func (s session) End(context.Context) error { return s.end }

func (d *distant) TryHeal(ctx context.Context, restore func(context.Context, time.Time) error) error {
	if !d.lost {
		return nil
	}
	if err := restore(ctx, d.since); err != nil {
		return err
	}
	d.lost = false
	return nil
}

// far puts distant windows into the shop.
func (s *shop) far() *distant {
	d := &distant{faultyWindows: s.windows}
	s.config.Windows = d
	return d
}

func (s *shop) degraded(id string) bool {
	s.t.Helper()
	d, err := s.stored.Decision(context.Background(), id)
	s.must(err)
	return d.Decision.Degraded&decision.FeaturesDegraded != 0
}

func TestABatchAsksDistantWindowsOnce(t *testing.T) {
	s := newShop(t)
	d := s.far()
	for i := range 10 {
		s.append(pay(fmt.Sprint("a", i), 1, i, 0))
	}
	s.append(pay("a3", 1, 3, 0), erased("gone", 30))
	s.must(s.work(20))
	if d.begins != 1 {
		t.Errorf("begun %d times, want once", d.begins)
	}
	if s.outcome("a2") != decision.Approve || s.outcome("a3") != decision.Decline || s.degraded("a9") {
		t.Error("the batch was not decided as one by one")
	}
}

func TestDistantWindowsThatFailDegradeDecisions(t *testing.T) {
	s := newShop(t)
	d := s.far()
	d.begin = errors.New("no route")
	s.append(pay("a0", 1, 0, 0), pay("a1", 1, 1, 0))
	s.must(s.work(10))
	if s.outcome("a0") != decision.Challenge || !s.degraded("a0") || !s.degraded("a1") {
		t.Errorf("a0 is %v, degraded %v", s.outcome("a0"), s.degraded("a0"))
	}
	d.begin, d.end = nil, errors.New("no route")
	for i := range 5 {
		s.append(pay(fmt.Sprint("b", i), 2, i, 0))
	}
	s.must(s.work(10))
	if s.degraded("b2") || s.outcome("b3") != decision.Decline || !s.degraded("b3") {
		t.Error("what the windows were not told of is not marked, or too much is")
	}
	d.end, d.incomplete = nil, true
	s.append(pay("c0", 3, 0, 0))
	s.must(s.work(10))
	if !s.degraded("c0") || s.outcome("c0") != decision.Challenge {
		t.Error("incomplete windows do not show on the decision")
	}
	d.begin, d.incomplete = velocity.ErrEvent, false // one of them cannot be counted: each by itself
	s.append(pay("d0", 4, 0, 0))
	s.must(s.work(10))
	if s.degraded("d0") {
		t.Error("d0 was not asked for by itself")
	}
}

// history is a store's past as healing asks for it.
type history struct {
	pipeline.Store
	uncounted []pipeline.Labeled
	since     []time.Time
	fail      error
}

func (h *history) ReplayCommitted(ctx context.Context, since time.Time, fn func(pipeline.Labeled) error) error {
	h.since = append(h.since, since)
	if h.fail != nil {
		return h.fail
	}
	return h.Replay(ctx, time.Time{}, fn)
}

func (h *history) Uncounted(_ context.Context, limit int) ([]pipeline.Labeled, []int64, error) {
	n := min(limit, len(h.uncounted))
	return h.uncounted[:n], make([]int64, n), nil
}

func (h *history) Counted(_ context.Context, numbers []int64) error {
	h.uncounted = h.uncounted[len(numbers):]
	return nil
}

func TestHealing(t *testing.T) {
	s := newShop(t)
	for i := range 3 {
		s.append(pay(fmt.Sprint("a", i), 1, i, 0))
	}
	s.must(s.work(10))
	h := &history{Store: s.stored}
	plan, err := score.PlanFor(s.config.Engine.Rules)
	s.must(err)
	heal := func(d *distant) (int, error) {
		healer := pipeline.Healer{Store: h, Windows: d, Horizon: 24 * time.Hour, Log: slog.New(slog.DiscardHandler),
			Now: func() time.Time { return noon.Add(time.Hour) }}
		return healer.Heal(t.Context())
	}
	empty := func() *distant {
		memory, err := velocity.NewMemory(plan, velocity.Options{})
		s.must(err)
		return &distant{faultyWindows: &faultyWindows{Memory: memory}}
	}
	count := func(d *distant) int { return d.Memory.Stats().Events }

	all := empty()
	all.lost = true
	if n, err := heal(all); n != 3 || err != nil || count(all) != 3 || all.lost {
		t.Errorf("everything lost: restored %d, %v; %d are there", n, err, count(all))
	}
	part := empty()
	part.lost, part.since = true, noon
	if n, err := heal(part); n != 3 || err != nil || len(h.since) != 1 || !h.since[0].Equal(noon.Add(-time.Minute)) {
		t.Errorf("a part lost: restored %d, %v, since %v", n, err, h.since)
	}
	h.fail = errors.New("no store")
	part.lost = true
	if _, err := heal(part); !errors.Is(err, h.fail) || !part.lost {
		t.Errorf("without a store: %v", err)
	}
	whole := empty()
	for i := range 2500 {
		e := velocity.Event{ID: fmt.Sprint("u", i), At: noon, Amount: 1}
		e.Entities[1] = [17]byte{1, 1}
		h.uncounted = append(h.uncounted, pipeline.Labeled{ID: e.ID, At: e.At, Amount: 1, Entities: e.Entities, Outcome: decision.Decline})
	}
	if n, err := heal(whole); n != 2500 || err != nil || count(whole) != 2500 || len(h.uncounted) != 0 {
		t.Errorf("uncounted: restored %d, %v; %d are there", n, err, count(whole))
	}
	if n, err := heal(whole); n != 0 || err != nil {
		t.Errorf("nothing to heal: %d, %v", n, err)
	}
}

// interrupted is a store before whose commits something happens.
type interrupted struct {
	pipeline.Store
	before func()
}

func (i *interrupted) Commit(ctx context.Context, b pipeline.Batch) ([]pipeline.Receipt, error) {
	i.before()
	return i.Store.Commit(ctx, b)
}

// TestWhatIsCommittedAfterAHealIsRestored loses the windows while a batch, and then a verdict, is on its way from the
// engine to the store: a heal then finds nothing of it, and the windows must have it all the same in the end.
func TestWhatIsCommittedAfterAHealIsRestored(t *testing.T) {
	s := newShop(t)
	d := s.far()
	plan, err := score.PlanFor(s.config.Engine.Rules)
	s.must(err)
	healer := &pipeline.Healer{Store: &history{Store: s.stored}, Windows: d, Horizon: 24 * time.Hour,
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon.Add(time.Hour) }}
	heal := func() {
		_, err := healer.Heal(t.Context())
		s.must(err)
	}
	s.config.Healer = healer
	s.config.Store = &interrupted{s.stored, func() {
		d.Memory, err = velocity.NewMemory(plan, velocity.Options{})
		s.must(err)
		d.lost = true
		heal()
	}}
	s.append(pay("a0", 1, 0, 0), pay("a1", 1, 1, 0))
	s.must(s.work(10))
	heal()
	if n := d.Memory.Stats().Events; n != 2 {
		t.Errorf("the windows have %d events of a batch, want 2", n)
	}
	_, err = pipeline.NewDecider(s.config).Decide(t.Context(), pay("b0", 2, 2, 0))
	s.must(err)
	heal()
	if n := d.Memory.Stats().Events; n != 3 {
		t.Errorf("the windows have %d events, want 3: the verdict's, too", n)
	}
}

// TestALossThatAnotherHealsIsNoticedOnce counts a loss when it is found, however long it lasts.
func TestALossThatAnotherHealsIsNoticedOnce(t *testing.T) {
	s := newShop(t)
	d := &elsewhere{distant: s.far()}
	healer := &pipeline.Healer{Store: &history{Store: s.stored}, Windows: d, Horizon: time.Hour, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return noon }}
	for i, lost := range []bool{false, true, true, false, true} {
		d.missing = lost
		if _, err := healer.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []uint64{0, 1, 1, 1, 2}[i]; healer.Losses() != want {
			t.Errorf("look %d: %d losses, want %d", i, healer.Losses(), want)
		}
	}
}

// elsewhere are windows that another process heals.
type elsewhere struct {
	*distant
	missing bool
}

func (e *elsewhere) Lost() bool { return e.missing }

func TestTendDoesWhatIsDueAndNothingElse(t *testing.T) {
	s := newShop(t)
	s.append(pay("a0", 1, 0, 0))
	s.must(s.work(10))
	plan, err := score.PlanFor(s.config.Engine.Rules)
	s.must(err)
	memory, err := velocity.NewMemory(plan, velocity.Options{})
	s.must(err)
	d := &distant{faultyWindows: &faultyWindows{Memory: memory}}
	store := &history{Store: s.stored}
	h := pipeline.Healer{Store: store, Windows: d, Horizon: time.Hour, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon }}
	h.Tend(t.Context())
	if len(store.since) != 0 || memory.Stats().Events != 0 {
		t.Errorf("replayed since %v though nothing was due", store.since)
	}
	h.Again()
	store.fail = errors.New("no store")
	h.Tend(t.Context()) // which fails, and stays due
	store.fail = nil
	h.Tend(t.Context())
	h.Tend(t.Context())
	if len(store.since) != 2 || memory.Stats().Events != 1 {
		t.Errorf("replayed since %v, and %d events are there; want two tries, and the one that was stored", store.since, memory.Stats().Events)
	}
}
