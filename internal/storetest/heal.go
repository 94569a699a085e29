package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
)

// people makes entries of a customer each.
func people(from, n int) []pipeline.Entry {
	entries := make([]pipeline.Entry, n)
	for i := range entries {
		entries[i] = entry(fmt.Sprintf("tx-%06d", from+i), from+i)
		entries[i].Transaction.Customer = token(1, from+i)
	}
	return entries
}

// ids names transactions in order.
func ids(rows []pipeline.Labeled) (ids []string) {
	for i := range rows {
		ids = append(ids, rows[i].ID)
	}
	return ids
}

// decidedWithoutWindows keeps in mind what was decided without windows until it is counted.
func decidedWithoutWindows(t *testing.T, u Subject) {
	s := u.open(t, Setting{})
	all := people(0, 6)
	for _, n := range []int{1, 2, 4, 5} {
		all[n].Decision.Degraded |= decision.FeaturesDegraded
	}
	all[0].Decision.Degraded |= decision.ModelGone
	all[4].Transaction.SealState, all[4].Transaction.Sealed, all[4].Transaction.MAC = payment.SealErased, nil, [32]byte{}
	commit(t, s, batch(all...))
	if _, err := s.Label(t.Context(), []review.Label{{TransactionID: all[2].Transaction.ID, Verdict: review.Fraud, Source: review.PixMED, KnownAt: day}}); err != nil {
		t.Fatal(err)
	}
	if n := u.Erase(t, s, all[5].Transaction.Customer); n != 1 {
		t.Fatalf("erased %d rows", n)
	}
	want := []string{all[1].Transaction.ID, all[2].Transaction.ID}
	rows, seqs, err := s.Uncounted(t.Context(), 10)
	if err != nil || !slices.Equal(ids(rows), want) || len(seqs) != 2 || rows[1].Label == nil || rows[0].Label != nil {
		t.Fatalf("uncounted are %v, %v; want %v", ids(rows), err, want)
	}
	if rows, _, err := s.Uncounted(t.Context(), 1); err != nil || !slices.Equal(ids(rows), want[:1]) {
		t.Errorf("the first uncounted is %v, %v", ids(rows), err)
	}
	for range 2 {
		if err := s.Counted(t.Context(), seqs[:1]); err != nil {
			t.Fatal(err)
		}
	}
	if rows, _, err := s.Uncounted(t.Context(), 10); err != nil || !slices.Equal(ids(rows), want[1:]) {
		t.Errorf("left uncounted are %v, %v", ids(rows), err)
	}
	u.Verify(t, s)
}

// replayCommitted replays by the time of commits.
func replayCommitted(t *testing.T, u Subject) {
	at := day
	s := u.open(t, Setting{Now: func() time.Time { return at }})
	var want []string
	for n := range 6 {
		commit(t, s, batch(people(10*n, 2)...))
		for _, e := range people(10*n, 2) {
			want = append(want, e.Transaction.ID)
		}
		at = at.Add(time.Minute)
	}
	for minutes, left := range map[int]int{-5: 12, 0: 12, 3: 6, 5: 2, 6: 0} {
		var got []string
		err := s.ReplayCommitted(t.Context(), day.Add(time.Duration(minutes)*time.Minute), func(l pipeline.Labeled) error {
			got = append(got, l.ID)
			return nil
		})
		if err != nil || !slices.Equal(got, want[12-left:]) {
			t.Errorf("since minute %d: %v, %v; want the last %d", minutes, got, err, left)
		}
	}
	enough := errors.New("enough")
	if err := s.ReplayCommitted(t.Context(), day, func(pipeline.Labeled) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("ended with %v", err)
	}
}

// replayLabeled labels what was committed before, once each in and out of the replayed range.
func replayLabeled(t *testing.T, u Subject) {
	at := day
	s := u.open(t, Setting{Now: func() time.Time { return at }})
	all := people(0, 5)
	label := func(n int, verdict review.Verdict) {
		t.Helper()
		if _, err := s.Label(t.Context(), []review.Label{{TransactionID: all[n].Transaction.ID, Verdict: verdict, Source: review.PixMED, KnownAt: at}}); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Minute)
	}
	commit(t, s, batch(all[:4]...))
	label(0, review.Fraud)
	commit(t, s, batch(all[4]))
	label(4, review.Fraud)
	label(2, review.Fraud)
	label(3, review.Fraud)
	label(2, review.Genuine)
	if n := u.Erase(t, s, all[3].Transaction.Customer); n != 1 {
		t.Fatalf("erased %d rows", n)
	}
	for minutes, want := range map[int][]int{0: {0, 1, 2, 4}, 1: {4, 2}, 2: {2}, 4: {2}, 5: nil} {
		var got []string
		err := s.ReplayCommitted(t.Context(), day.Add(time.Duration(minutes)*time.Minute), func(l pipeline.Labeled) error {
			if l.Label == nil && l.ID != all[1].Transaction.ID || l.ID == all[2].Transaction.ID && l.Label.Verdict != review.Genuine {
				t.Errorf("%s has label %+v", l.ID, l.Label)
			}
			got = append(got, l.ID)
			return nil
		})
		var wanted []string
		for _, n := range want {
			wanted = append(wanted, all[n].Transaction.ID)
		}
		if err != nil || !slices.Equal(got, wanted) {
			t.Errorf("since minute %d: %v, %v; want %v", minutes, got, err, wanted)
		}
	}
	enough := errors.New("enough")
	if err := s.ReplayCommitted(t.Context(), day.Add(4*time.Minute), func(pipeline.Labeled) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("ended with %v", err)
	}
}

// uncount marks rows of all kinds: known and unknown, and of a customer who is erased before or after.
func uncount(t *testing.T, u Subject) {
	s := u.open(t, Setting{})
	all := people(0, 4)
	commit(t, s, batch(all...))
	u.Erase(t, s, all[1].Transaction.Customer)
	id := func(n int) string { return all[n].Transaction.ID }
	if _, err := s.Label(t.Context(), []review.Label{{TransactionID: id(3), Verdict: review.Fraud, Source: review.PixMED, KnownAt: day}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Uncount(t.Context(), []string{id(3), "nobody", id(1), id(0), id(0), id(2)}); err != nil {
			t.Fatal(err)
		}
	}
	u.Erase(t, s, all[2].Transaction.Customer)
	rows, seqs, err := s.Uncounted(t.Context(), 10)
	if err != nil || !slices.Equal(ids(rows), []string{id(0), id(3)}) || rows[0].Label != nil || rows[1].Label == nil {
		t.Fatalf("uncounted are %v, %v", rows, err)
	}
	u.Verify(t, s)
	if err := s.Counted(t.Context(), seqs); err != nil {
		t.Fatal(err)
	}
	if rows, _, err := s.Uncounted(t.Context(), 10); err != nil || len(rows) != 0 {
		t.Errorf("left uncounted are %v, %v", ids(rows), err)
	}
	if err := s.Uncount(t.Context(), nil); err != nil {
		t.Errorf("nothing to mark: %v", err)
	}
	u.Verify(t, s)
}
