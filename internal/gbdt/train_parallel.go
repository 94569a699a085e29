package gbdt

import (
	"sync"
	"sync/atomic"
)

// share calls work for 0 to n−1, with up to workers calls at once that bear different worker numbers. Which worker gets
// what is left to chance, so work must not depend on it.
func share(n, workers int, work func(worker, i int)) {
	workers = min(workers, n)
	if workers <= 1 {
		for i := range n {
			work(0, i)
		}
		return
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	run := func(worker int) {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			work(worker, i)
		}
	}
	for worker := 1; worker < workers; worker++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			run(worker)
		}()
	}
	run(0)
	wait.Wait()
}

// chunks calls work for pieces of 0 to n that do not overlap, at once.
func chunks(n, workers int, work func(from, to int)) {
	const size = 1 << 12
	share((n+size-1)/size, workers, func(_, i int) { work(i*size, min(n, (i+1)*size)) })
}
