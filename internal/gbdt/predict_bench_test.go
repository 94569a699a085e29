package gbdt

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// full makes a model of full trees over standard normal values, with a tenth of them missing.
func full(r *rand.Rand, trees, depth, features int) *Model {
	m := &Model{Base: -4.6}
	for j := range features {
		m.Names = append(m.Names, fmt.Sprintf("f%d", j))
	}
	for range trees {
		t := make(Tree, 0, 2<<depth)
		for i := range 2<<depth - 1 {
			n := Node{Feature: Leaf, Value: float32(r.NormFloat64() / 10), Cover: float32(1 + r.IntN(1000))}
			if i < 1<<depth-1 {
				n = Node{Feature: r.Int32N(int32(features)), Left: int32(2*i + 1), Right: int32(2*i + 2), Missing: r.IntN(2) == 0,
					Split: float32(r.NormFloat64() / 2), Cover: n.Cover}
			}
			t = append(t, n)
		}
		m.Trees = append(m.Trees, t)
	}
	return m
}

func randomRows(r *rand.Rand, rows, features int) [][]float64 {
	out := make([][]float64, rows)
	for i := range out {
		out[i] = make([]float64, features)
		for j := range out[i] {
			if out[i][j] = r.NormFloat64(); r.IntN(10) == 0 {
				out[i][j] = math.NaN()
			}
		}
	}
	return out
}

func benchForest(b *testing.B) (*Forest, [][]float64) {
	r := rand.New(rand.NewPCG(1, 2))
	f, err := full(r, 200, 6, 60).Forest()
	if err != nil {
		b.Fatal(err)
	}
	return f, randomRows(r, 4096, 60)
}

func BenchmarkMargin(b *testing.B) {
	f, rows := benchForest(b)
	b.ReportAllocs()
	i, sum := 0, 0.0
	for b.Loop() {
		sum += f.Margin(rows[i%len(rows)])
		i++
	}
	if sum == 0 {
		b.Fatal("nothing was computed")
	}
}

func BenchmarkExplain(b *testing.B) {
	f, rows := benchForest(b)
	out := make([]float64, 60)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f.Explain(rows[i%len(rows)], out)
		i++
	}
}

func BenchmarkBatch(b *testing.B) {
	f, rows := benchForest(b)
	frame, out := frameOf(f.Names(), rows), make([]float64, len(rows))
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Batch(frame, out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
}

func BenchmarkRead(b *testing.B) {
	var file bytes.Buffer
	if err := full(rand.New(rand.NewPCG(1, 2)), 200, 6, 60).Write(&file); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(file.Len()))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(file.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
}
