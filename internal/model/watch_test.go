package model_test

import (
	"math"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/model"
)

func TestAWatchSeesTheLastDay(t *testing.T) {
	e := shop(6000, 5)
	m, err := model.Fit(t.Context(), e, recipe(), nil)
	if err != nil {
		t.Fatal(err)
	}
	now := noon
	w := model.NewWatch(m, func() time.Time { return now })
	see := func(e model.Examples, times float64) {
		for i := range 2000 {
			inputs := []float64{float64(e.Frame.Columns[0][i]) * times, float64(e.Frame.Columns[1][i]), float64(e.Frame.Columns[2][i])}
			points, err := m.Points(inputs)
			if err != nil {
				t.Fatal(err)
			}
			w.Seen(inputs, points)
		}
	}
	if d := w.Drift(); len(d) != 4 || d["tx.amount"] != 0 {
		t.Errorf("before anything was seen: %v", d)
	}
	see(shop(2000, 6), 1)
	for name, psi := range w.Drift() {
		if psi > 0.05 {
			t.Errorf("the same shop drifts by %v in %s", psi, name)
		}
	}
	now = now.Add(20 * time.Hour)
	see(shop(2000, 7), 4)
	if d := w.Drift(); d["tx.amount"] < 0.1 || d["tx.night"] > 0.05 || d[model.PointsVariable] < 0.05 {
		t.Errorf("with larger amounts: %v", d)
	}
	mixed := w.Drift()["tx.amount"]
	now = now.Add(10 * time.Hour) // the first ones are older than a day now
	if alone := w.Drift()["tx.amount"]; alone <= mixed {
		t.Errorf("without those of yesterday the drift is %v, was %v", alone, mixed)
	}
	now = now.Add(1000 * time.Hour)
	if d := w.Drift()["tx.amount"]; d != 0 || math.IsNaN(d) {
		t.Errorf("after a silent month: %v", d)
	}
	if model.NewWatch(small(t), time.Now) != nil {
		t.Error("a watch without a baseline")
	}
}
