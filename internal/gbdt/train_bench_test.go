package gbdt

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// shopLike is rows as a shop has them: amounts, counts, shares, flags, some missing, few frauds.
func shopLike(rows, columns int, seed uint64) Set {
	random := rand.New(rand.NewPCG(seed, 1))
	set := Set{Frame: &Frame{Columns: make([][]float32, columns)}, Labels: make([]bool, rows)}
	score := make([]float64, rows)
	for j := range columns {
		set.Frame.Names = append(set.Frame.Names, fmt.Sprint("f", j))
		column := make([]float32, rows)
		for i := range column {
			x := random.NormFloat64()
			switch j % 4 {
			case 0:
				column[i] = float32(math.Round(100*math.Exp(1.5*x+3)) / 100)
			case 1:
				column[i] = float32(math.Floor(math.Exp(x + 1)))
			case 2:
				column[i] = float32(x)
				if random.Float64() < 0.2 {
					column[i], x = float32(math.NaN()), -0.5
				}
			default:
				column[i] = 0
				if x > 1 {
					column[i] = 1
				}
			}
			if j < 8 {
				score[i] += x * x * float64(j%3+1) / 6
			}
		}
		set.Frame.Columns[j] = column
	}
	for i := range set.Labels {
		set.Labels[i] = random.Float64() < 1/(1+math.Exp(9-2*score[i]))
	}
	return set
}

// BenchmarkTrain trains on as many rows and features as a week of the public benchmark has.
func BenchmarkTrain(b *testing.B) {
	set := shopLike(67_240, 45, 1)
	for _, bins := range []int{256, 4096, 0} {
		for _, depth := range []int{3, 6} {
			b.Run(fmt.Sprintf("bins=%d/depth=%d", bins, depth), func(b *testing.B) {
				b.ReportAllocs()
				s := DefaultSettings()
				s.Bins, s.Depth = bins, depth
				for b.Loop() {
					if _, err := Train(context.Background(), set, nil, s, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
