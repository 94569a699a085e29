package sqlitestore

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFilterForgetsNothing(t *testing.T) {
	f := newFilter()
	rapid.Check(t, func(r *rapid.T) {
		id := rapid.String().Draw(r, "id")
		f.add(id)
		if !f.mayHave(id) {
			r.Fatalf("%q was added", id)
		}
	})
	wrong := 0
	for n := range 10_000 {
		if f.mayHave("never added " + time.Duration(n).String()) {
			wrong++
		}
	}
	if wrong > 10 {
		t.Errorf("an almost empty filter is wrong about %d of 10,000 ids", wrong)
	}
}
