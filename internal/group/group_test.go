package group_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/fastshop/pipeline/internal/group"
)

func TestGroupGathersWhatWaits(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{}, 100)
	var groups [][]int
	g := group.New(64, 10, func(n int) int { return n }, func(values []int) {
		groups = append(groups, append([]int(nil), values...))
		entered <- struct{}{}
		<-release
	})
	var callers sync.WaitGroup
	do := func(n int) {
		callers.Go(func() {
			if err := g.Do(t.Context(), n); err != nil {
				t.Errorf("do: %v", err)
			}
		})
	}
	do(1)
	<-entered // the group of 1 is being written; the rest waits
	gone, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- g.Do(gone, 7) }()
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left got %v", err)
	}
	for range 8 {
		do(3)
	}
	close(release)
	callers.Wait()
	g.Close()
	total := 0
	for _, ran := range groups {
		sum := 0
		for _, n := range ran {
			sum += n
		}
		if total += sum; sum > 12 { // the last one may exceed the limit of 10
			t.Errorf("group %v costs %d", ran, sum)
		}
	}
	if total != 1+8*3 {
		t.Errorf("ran %v", groups)
	}
	if err := g.Do(t.Context(), 1); !errors.Is(err, group.ErrClosed) {
		t.Errorf("do after close: %v, want ErrClosed", err)
	}
	g.Close()
}

func TestGroupCloseFinishesOrRefuses(t *testing.T) {
	for range 50 {
		var mu sync.Mutex
		ran := make(map[int]bool)
		g := group.New(4, 100, func(int) int { return 1 }, func(values []int) {
			mu.Lock()
			defer mu.Unlock()
			for _, v := range values {
				ran[v] = true
			}
		})
		answers := make([]error, 16)
		var callers sync.WaitGroup
		for i := range answers {
			callers.Go(func() { answers[i] = g.Do(t.Context(), i) })
		}
		g.Close()
		callers.Wait()
		for i, err := range answers {
			if ran[i] != (err == nil) {
				t.Fatalf("request %d ran: %v, answered %v", i, ran[i], err)
			}
		}
	}
}
