package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
)

// label makes a label that becomes known some hours after the first day.
func label(id string, v review.Verdict, hours int) review.Label {
	return review.Label{
		TransactionID: id, Verdict: v, Source: review.Chargeback,
		KnownAt: day.Add(time.Duration(hours) * time.Hour), RecordedAt: day.Add(1000 * time.Hour),
	}
}

func putLabels(t *testing.T, s Store, labels ...review.Label) []*pipeline.Labeled {
	t.Helper()
	about, err := s.Label(t.Context(), labels)
	if err != nil || len(about) != len(labels) {
		t.Fatalf("label: %d answers to %d labels, %v", len(about), len(labels), err)
	}
	return about
}

func labels(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, batch(entry("a", 7), entry("b", 2)))
	first, later, earlier := label("a", review.Fraud, 5), label("a", review.Genuine, 9), label("a", review.Fraud, 1)
	for _, c := range []struct {
		put, want review.Label
		entries   int64
	}{
		{first, first, 1}, {first, first, 1}, {later, later, 2}, {earlier, later, 3}, {first, later, 3},
	} {
		about := putLabels(t, store, c.put)[0]
		if about == nil || about.ID != "a" || about.Label == nil {
			t.Fatalf("answer %+v", about)
		}
		if diff := cmp.Diff(c.want, *about.Label); diff != "" {
			t.Errorf("label that counts (-want +got):\n%s", diff)
		}
		if n := s.Verify(t, store)["labels"]; n != c.entries {
			t.Errorf("%d audit entries of labels, want %d", n, c.entries)
		}
	}
	corrected := later
	corrected.Verdict, corrected.RecordedAt = review.Fraud, later.RecordedAt.Add(time.Hour)
	if got := putLabels(t, store, corrected)[0].Label; got.Verdict != review.Fraud {
		t.Errorf("of two labels known at one moment the one recorded first counts: %+v", got)
	}
	for _, l := range replayed(t, store, time.Time{}) {
		if (l.ID == "a") != (l.Label != nil) {
			t.Errorf("replay gives %s the label %+v", l.ID, l.Label)
		}
	}
}

func labelUnknown(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, batch(entry("a", 1)))
	about := putLabels(t, store, label("x", review.Fraud, 1), label("a", review.Fraud, 1), label("y", review.Fraud, 1))
	if about[0] != nil || about[1] == nil || about[2] != nil {
		t.Errorf("answers %v, want one about a", about)
	}
	putLabels(t, store, label("x", review.Fraud, 1))
	putLabels(t, store)
	if n := s.Verify(t, store)["labels"]; n != 1 {
		t.Errorf("%d audit entries of labels, want 1", n)
	}
	if _, err := store.Label(t.Context(), []review.Label{{TransactionID: "a"}}); err == nil {
		t.Error("a label without a verdict was stored")
	}
}

func replayed(t *testing.T, s Store, since time.Time) (all []pipeline.Labeled) {
	t.Helper()
	err := s.Replay(t.Context(), since, func(l pipeline.Labeled) error {
		all = append(all, l)
		return nil
	})
	if err != nil {
		t.Fatalf("replay: %v", err)
	}
	return all
}

func replay(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	var want []pipeline.Labeled
	order := []int{5, 3, 9, 1, 12, 2, 14, 0}
	for _, n := range order {
		e := entry(fmt.Sprintf("tx-%d", n), n)
		commit(t, store, batch(e))
		want = append(want, pipeline.Labeled{
			ID: e.Transaction.ID, At: e.Transaction.OccurredAt, Amount: int64(100 * n), Entities: e.Transaction.Entities(),
			Outcome: decision.Outcomes()[n%4], Anomalous: n%7 == 0,
		})
	}
	for i := range want {
		if i%3 == 0 {
			l := label(want[i].ID, review.Fraud, i)
			putLabels(t, store, l)
			want[i].Label = &l
		}
	}
	for _, since := range []int{-1, 3, 9, 14, 100} {
		from := day.Add(time.Duration(since) * time.Second)
		var recent []pipeline.Labeled
		for _, w := range want {
			if !w.At.Before(from) {
				recent = append(recent, w)
			}
		}
		if diff := cmp.Diff(recent, replayed(t, store, from)); diff != "" {
			t.Errorf("since %d (-want +got):\n%s", since, diff)
		}
	}
}

func replayEnds(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	var entries []pipeline.Entry
	for n := range 5000 { // more than an implementation is likely to read at a time
		entries = append(entries, entry(fmt.Sprintf("tx-%d", n), n))
	}
	for chunk := range slices.Chunk(entries, 500) {
		commit(t, store, batch(chunk...))
	}
	enough := errors.New("enough")
	n := 0
	err := store.Replay(t.Context(), time.Time{}, func(l pipeline.Labeled) error {
		if want := entries[n].Transaction.ID; l.ID != want {
			t.Fatalf("row %d is %s, want %s", n, l.ID, want)
		}
		if n++; n == 4000 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 4000 {
		t.Errorf("replay of %d rows ended with %v", n, err)
	}
}
