package console

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/decision"
)

// published is what the recount knows of one event.
type published struct {
	Event
	at    time.Time
	truth Truth
}

// A feed says at every moment what a recount of all events says.
func TestFeedEqualsRecount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock(noon)
		feed := NewFeed(c.Now)
		var all []published
		var after uint64
		skipped := uint64(0)
		steps := rapid.IntRange(1, 300).Draw(t, "steps")
		for n := range steps {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			default:
				e := Event{
					ID: time.Duration(n).String(), Centavos: rapid.Int64Range(0, 1e6).Draw(t, "centavos"),
					Outcome: decision.Outcome(rapid.IntRange(0, 4).Draw(t, "outcome")),
					Latency: time.Duration(rapid.Int64Range(0, 2e9).Draw(t, "latency")),
					Truth:   Truth(rapid.IntRange(0, 2).Draw(t, "truth")),
				}
				feed.Publish(e)
				all = append(all, published{e, c.Now(), e.Truth})
			case 0:
				c.advance(time.Duration(rapid.Int64Range(0, 90e9).Draw(t, "passes")))
			case 1:
				if i := len(all) - 1; i >= 0 && all[i].truth == Unknown {
					truth := Truth(rapid.IntRange(1, 2).Draw(t, "learned"))
					feed.Learn(all[i].ID, all[i].Outcome, truth)
					all[i].truth = truth
				}
			case 2:
				snap := feed.Snapshot(after, 3)
				recount(t, &snap, all, c.Now())
				if after > 0 {
					skipped += uint64(len(all)) - after - uint64(len(snap.Events))
				}
				checkEvents(t, snap.Events, all, after)
				after = snap.Seq
			}
		}
		snap := feed.Snapshot(after, 3)
		recount(t, &snap, all, c.Now())
		if after > 0 {
			skipped += uint64(len(all)) - after - uint64(len(snap.Events))
		}
		if got := feed.Skipped(); got != skipped {
			t.Fatalf("%d skipped, want %d", got, skipped)
		}
	})
}

// The second under way takes nothing from the oldest one that is shown.
func TestOldestSecondIsKept(t *testing.T) {
	c := newClock(noon)
	feed := NewFeed(c.Now)
	feed.Publish(Event{Outcome: decision.Approve})
	c.advance(seriesSeconds * time.Second)
	feed.Publish(Event{Outcome: decision.Decline})
	if snap := feed.Snapshot(0, 1); snap.Series[0] != (Second{Total: 1}) {
		t.Errorf("the oldest second is %+v", snap.Series[0])
	}
	c.advance(time.Second)
	if snap := feed.Snapshot(0, 1); snap.Series[0] != (Second{}) || snap.Series[seriesSeconds-1] != (Second{1, 1}) {
		t.Errorf("a second later: %+v and %+v", snap.Series[0], snap.Series[seriesSeconds-1])
	}
}

func recount(t *rapid.T, snap *Snapshot, all []published, now time.Time) {
	var want [outcomes]uint64
	var truth Detection
	var series [seriesSeconds]Second
	var latencies []time.Duration
	lastFive := 0
	for _, p := range all {
		want[p.Outcome]++
		back := int(now.Unix() - p.at.Unix())
		if back >= 1 && back <= seriesSeconds {
			s := &series[seriesSeconds-back]
			s.Total++
			if p.Outcome != decision.Approve {
				s.Held++
			}
			if back <= 5 {
				lastFive++
			}
		}
		if now.Unix()/slotSeconds-p.at.Unix()/slotSeconds < 6 {
			latencies = append(latencies, p.Latency)
		}
		truth = detect(truth, p)
	}
	got := snap.Detection
	if truth.CaughtCentavos = got.CaughtCentavos; truth != got { // the amounts have a test of their own
		t.Fatalf("detection %+v, want %+v", got, truth)
	}
	if snap.Outcomes != want || snap.Series != series || snap.Total() != uint64(len(all)) || snap.PerSecond != float64(lastFive)/5 {
		t.Fatalf("outcomes %v of %d, want %v of %d", snap.Outcomes, snap.Total(), want, len(all))
	}
	quantile(t, snap.P50, latencies, 0.50)
	quantile(t, snap.P99, latencies, 0.99)
}

func detect(d Detection, p published) Detection {
	stopped := p.Outcome > decision.Approve
	switch {
	case p.truth == Unknown:
	case p.Outcome == decision.Invalid:
		d.UnknownOutcomes++
	case p.truth == Fraud && stopped:
		d.Frauds++
		d.Caught++
	case p.truth == Fraud:
		d.Frauds++
	case stopped:
		d.Genuine++
		d.FalseAlarms++
	default:
		d.Genuine++
	}
	return d
}

func quantile(t *rapid.T, got time.Duration, list []time.Duration, q float64) {
	if len(list) == 0 {
		if got != 0 {
			t.Fatalf("quantile %v of nothing", got)
		}
		return
	}
	slices.Sort(list)
	exact := list[int(math.Ceil(q*float64(len(list))))-1]
	if got < exact || float64(got) > 1.126*float64(exact)+float64(2*time.Microsecond) {
		t.Fatalf("quantile %v of %d is %v, exactly %v", q, len(list), got, exact)
	}
}

func checkEvents(t *rapid.T, events []Event, all []published, after uint64) {
	kinds := [2]int{}
	last := uint64(len(all)) + 1
	for _, e := range events {
		if e.seq <= after || e.seq >= last || all[e.seq-1].ID != e.ID || all[e.seq-1].truth != e.Truth {
			t.Fatalf("event %d after %d is %+v", e.seq, after, e)
		}
		last = e.seq
		if e.Outcome == decision.Approve {
			kinds[0]++
		} else {
			kinds[1]++
		}
	}
	if kinds[0] > 3 || kinds[1] > 3 {
		t.Fatalf("%v events of a kind, want at most 3", kinds)
	}
}

func TestFeedForgetsOldEvents(t *testing.T) {
	feed := NewFeed(newClock(noon).Now)
	for range 1000 {
		feed.Publish(Event{Outcome: decision.Approve})
		feed.Publish(Event{Outcome: decision.Decline})
	}
	snap := feed.Snapshot(0, 1<<20)
	if len(snap.Events) != keepApproved+keepHeld || snap.Events[0].seq != 2000 {
		t.Errorf("%d events kept, newest %d", len(snap.Events), snap.Events[0].seq)
	}
	if feed.Skipped() != 0 {
		t.Error("a first look skips nothing")
	}
	if snap = feed.Snapshot(5000, 10); len(snap.Events) != 20 {
		t.Errorf("a viewer of an earlier process got %d events", len(snap.Events))
	}
}

func TestCaughtAmount(t *testing.T) {
	feed := NewFeed(newClock(noon).Now)
	feed.Publish(Event{ID: "a", Outcome: decision.Decline, Centavos: 100, Truth: Fraud})
	feed.Publish(Event{ID: "b", Outcome: decision.Review, Centavos: 20})
	feed.Publish(Event{ID: "c", Outcome: decision.Approve, Centavos: 3, Truth: Fraud})
	feed.Learn("b", decision.Review, Fraud)
	feed.Learn("gone", decision.Review, Fraud)
	feed.SetBacklog(7)
	snap := feed.Snapshot(0, 10)
	if want := (Detection{Frauds: 4, Caught: 3, CaughtCentavos: 120}); snap.Detection != want || snap.Backlog != 7 {
		t.Errorf("detection %+v, backlog %d", snap.Detection, snap.Backlog)
	}
	// An outcome that this version does not know is shown as invalid, never as approved.
	feed.Publish(Event{Outcome: 77, Truth: Fraud})
	if snap = feed.Snapshot(0, 1); snap.Outcomes[decision.Invalid] != 1 || snap.Detection.UnknownOutcomes != 1 {
		t.Errorf("an unknown outcome was counted as %v", snap.Outcomes)
	}
}

func TestFeedConcurrently(t *testing.T) {
	feed := NewFeed(time.Now)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				feed.Publish(Event{ID: "x", Outcome: decision.Approve})
			}
		})
		wg.Go(func() {
			for seq := uint64(0); seq < 4000; {
				seq = feed.Snapshot(seq, 5).Seq
				feed.Learn("y", decision.Approve, Genuine)
			}
		})
	}
	wg.Wait()
	if snap := feed.Snapshot(0, 1); snap.Total() != 8000 {
		t.Errorf("%d events counted, want 8000", snap.Total())
	}
}

func BenchmarkPublish(b *testing.B) {
	feed := NewFeed(time.Now)
	e := Event{ID: "x", Outcome: decision.Approve, Latency: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		feed.Publish(e)
	}
}

func BenchmarkUpdate(b *testing.B) {
	c := newClock(noon)
	s := &site{Config: Config{Feed: fill(c, noon)}, assets: loadAssets()}
	r := request("GET", "/")
	b.ReportAllocs()
	for b.Loop() {
		snap := s.Feed.Snapshot(0, newPerKind)
		if _, err := s.update(r, &snap); err != nil {
			b.Fatal(err)
		}
	}
}
