package cost_test

import (
	"math"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/infra/cost"
)

// bill prices a shape that has to be good.
func bill(t *testing.T, shape cost.Shape) cost.Bill {
	t.Helper()
	got, err := cost.Monthly(shape)
	if err != nil {
		t.Fatalf("price %+v: %v", shape, err)
	}
	return got
}

// reference is the shape behind the figures of the platform reference: 1.5 KB, small functions, one in a request.
func reference(rate int) cost.Shape {
	shape := cost.ForRate(rate)
	shape.RecordBytes, shape.IngestMemoryMiB, shape.ProcessMemoryMiB = 1500, 256, 512
	return shape
}

// within fails unless got is at most 5 % from want, or half a dollar, since the reference rounds to whole dollars.
func within(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > max(0.05*want, 0.5) {
		t.Errorf("%s costs %.2f, the reference says %.0f", what, got, want)
	}
}

func TestReferenceFigures(t *testing.T) {
	tests := []struct {
		rate                                                int
		day, week, onDemand, fanOut, processor, ingest, nat float64
	}{
		{100, 26, 55, 84, 27, 4, 329, 66},
		{1000, 70, 113, 580, 84, 20, 3052, 66},
		{10_000, 609, 930, 5537, 753, 194, 30252, 66},
	}
	for _, test := range tests {
		shape := reference(test.rate)
		week := bill(t, shape)
		within(t, "the stream for a week", week.Of(cost.PartStream), test.week)
		within(t, "the processor", week.Of(cost.PartProcessor), test.processor)
		within(t, "ingest", week.Of(cost.PartIngest), test.ingest)

		shape.RetentionHours = 24
		within(t, "the stream for a day", bill(t, shape).Of(cost.PartStream), test.day)
		shape.RetentionHours, shape.EnhancedFanOut = 168, true
		within(t, "enhanced fan-out", bill(t, shape).Of(cost.PartStream)-week.Of(cost.PartStream), test.fanOut)

		// The reference charges 1,500 bytes where AWS rounds each record up to 2,048; the rest agrees.
		shape.EnhancedFanOut, shape.StreamMode = false, cost.OnDemand
		rounding := float64(test.rate) * 730 * 3600 * (2048 - 1500) / 1e9 * 0.08
		within(t, "the on-demand stream", bill(t, shape).Of(cost.PartStream)-rounding, test.onDemand)

		// NAT: the gateways alone, without what passes.
		data := float64(test.rate) * 730 * 3600 * 1500 / 1e9 * 0.045
		within(t, "two NAT gateways", week.Of(cost.PartEgress)-data, test.nat)
	}
}

func TestBillByHand(t *testing.T) {
	shape := cost.ForRate(1000)
	shape.BatchSize, shape.Customers, shape.Alarms = 100, 2_000_000, 10
	shape.DatabaseStorageGB, shape.CacheShards, shape.Tracing = 100, 2, false
	const transactions = 1000 * 730 * 3600 // 2,628 million
	const requests = transactions / 100
	const polls = 3 * 730 * 3600 // three shards
	logs := transactions/1e6*0.1 + (requests*750.0+polls*350.0)/1e9 + (3+2)*16*150*60*730/1e9
	want := []cost.Line{
		{Part: cost.PartStream, USD: 3*730*(0.015+0.020) + 2628*0.014},
		{Part: cost.PartProcessor, USD: polls/1e6*0.20 + (polls*0.020+transactions*0.001)*0.0000133334},
		{Part: cost.PartIngest, USD: requests/1e6*(1.00+0.20) + requests*0.114*0.5*0.0000133334},
		{Part: cost.PartDatabase, USD: 2*730*0.478 + 2*100*0.115 + 0.40},
		{Part: cost.PartCache, USD: 4 * 730 * 1.749},
		{Part: cost.PartKeys, USD: 2628*0.125 + 2628*0.02*0.625 + 1*(0.25+0.20) + 7 + (5+3+20)*730*12/1e4*0.03},
		{Part: cost.PartObservability, USD: logs*0.50 + logs*0.15*(365*24/730.0)*0.03 + 10*0.10 + 3},
		{Part: cost.PartEgress, USD: 2*730*0.045 + transactions*1536/1e9*0.045},
		{Part: cost.PartTransfer, USD: (requests*250.0+transactions*60.0)/1e9*0.09 + transactions*8500.0/1e9/2*0.01},
	}
	got := bill(t, shape)
	if len(got.Lines) != len(want) {
		t.Fatalf("%d lines, want %d", len(got.Lines), len(want))
	}
	total := 0.0
	for i, line := range got.Lines {
		if line.Part != want[i].Part || math.Abs(line.USD-want[i].USD) > 1e-6*want[i].USD {
			t.Errorf("%s costs %v, want %s at %v\n%s", line.Part, line.USD, want[i].Part, want[i].USD, line.Basis)
		}
		total += want[i].USD
	}
	if math.Abs(got.Total-total) > 1e-6*total {
		t.Errorf("total is %v, want %v", got.Total, total)
	}
	if got.Of("champagne") != 0 {
		t.Error("an unknown part costs something")
	}
}

func TestChoices(t *testing.T) {
	base := cost.ForRate(1000)
	base.BatchSize = 100
	before := bill(t, base)
	gigabytes := 1000 * 730 * 3600 * 1536 / 1e9
	tests := []struct {
		name   string
		change func(*cost.Shape)
		part   cost.Part
		usd    float64 // the difference
	}{
		{"endpoints", func(s *cost.Shape) { s.Egress = cost.Endpoints }, cost.PartEgress,
			4*2*730*0.01 + gigabytes*0.01 - 2*730*0.045 - gigabytes*0.045},
		{"valkey", func(s *cost.Shape) { s.CacheEngine = cost.Valkey }, cost.PartCache, -0.2 * 18 * 730 * 1.749},
		{"one zone", func(s *cost.Shape) { s.MultiAZ = false }, cost.PartDatabase, -730*0.478 - 6567*0.115},
		{"a week in the database", func(s *cost.Shape) { s.DatabaseDays = 7 }, cost.PartDatabase, -2 * (6567 - 1210) * 0.115},
		{"thirty days in the stream", func(s *cost.Shape) { s.RetentionHours = 720 }, cost.PartStream, (720 - 168) / 730.0 * gigabytes * 0.023},
		{"six shards", func(s *cost.Shape) { s.Shards = 6 }, cost.PartStream, 3 * 730 * 0.035},
		{"on-demand with fan-out", func(s *cost.Shape) { s.StreamMode, s.EnhancedFanOut = cost.OnDemand, true }, cost.PartStream,
			730*0.04 + 2628e6*2048/1e9*0.08 + gigabytes*0.05 + 144/730.0*gigabytes*0.10 - 3*730*0.035 - 2628*0.014},
		{"on-demand polls four shards", func(s *cost.Shape) { s.StreamMode = cost.OnDemand }, cost.PartProcessor,
			730*3.6/1e3*0.20 + 730*3600*0.020*0.0000133334},
		{"tracing off", func(s *cost.Shape) { s.Tracing = false }, cost.PartObservability,
			-5 * (2*2.628 + 0.05*(26.28+3*2.628-2*2.628))},
		{"one zone for everything", func(s *cost.Shape) { s.AvailabilityZones, s.NATGateways, s.MultiAZ = 1, 1, false }, cost.PartTransfer,
			-2628e6 * 8500 / 1e9 / 2 * 0.01},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			shape := base
			test.change(&shape)
			after := bill(t, shape)
			if got := after.Of(test.part) - before.Of(test.part); math.Abs(got-test.usd) > 1e-4*math.Abs(test.usd) {
				t.Errorf("%s changes by %v, want %v", test.part, got, test.usd)
			}
		})
	}
}

func TestTiers(t *testing.T) {
	shape := cost.ForRate(10_000)
	// 26,280 million requests: the first 300 million cost more than the rest, and logs pass three of four tiers.
	got := bill(t, shape)
	want := 300*1.00 + (26_280-300)*0.90 + 26_280*0.20 + 26_280e6*0.015*0.5*0.0000133334
	if math.Abs(got.Of(cost.PartIngest)-want) > 0.01 {
		t.Errorf("ingest costs %v, want %v", got.Of(cost.PartIngest), want)
	}
	// A request above 512 KB counts twice.
	shape.BatchSize = 500
	twice := bill(t, shape).Of(cost.PartIngest)
	if want := 2*52.56*1.00 + 52.56*0.20 + 52.56e6*0.514*0.5*0.0000133334; math.Abs(twice-want) > 0.01 {
		t.Errorf("ingest of large batches costs %v, want %v", twice, want)
	}
	// 60,000 GB of logs: 10 TB at 0.50, 20 at 0.25, 20 at 0.10, the rest at 0.05.
	shape.BatchSize, shape.Tracing, shape.Alarms, shape.LogRetentionDays = 1, false, 0, 1
	small := bill(t, shape).Of(cost.PartObservability)
	shape.LogGBPerMillionTransactions += 2
	added := 2 * 26_280.0
	first := 26_280*0.1 + (26_280e6*750+22*730*3600*350)/1e9 + (22+150)*16*150*60*730/1e9
	tiered := func(gb float64) float64 {
		return min(gb, 10240)*0.50 + max(0, min(gb-10240, 20480))*0.25 + max(0, min(gb-30720, 20480))*0.10 + max(0, gb-51200)*0.05
	}
	want = tiered(first+added) - tiered(first) + added*0.15*24/730*0.03
	if got := bill(t, shape).Of(cost.PartObservability) - small; math.Abs(got-want) > 1e-4*want {
		t.Errorf("more logs cost %v, want %v", got, want)
	}
}

func TestBasisSaysHow(t *testing.T) {
	got := bill(t, cost.ForRate(100))
	want := "stream, provisioned: 1,460 × $0.015 per shard-hour; " +
		"stream, provisioned: records of up to 25 KB: 263 × $0.014 per million records; " +
		"stream, provisioned: hours 25 to 168: 1,460 × $0.02 per shard-hour; provisioned, kept 168 h"
	if got.Lines[0].Basis != want {
		t.Errorf("got  %s\nwant %s", got.Lines[0].Basis, want)
	}
	shape := cost.ForRate(100)
	shape.CacheNodeType, shape.CacheShards = "cache.t4g.small", 1
	if basis := bill(t, shape).Lines[4].Basis; !strings.HasSuffix(basis, "1 shards of 2 nodes; holds 0.58 of 38 days of windows (72.2 GB)") {
		t.Errorf("cache that is too small: %s", basis)
	}
}

func TestEndpointsPayFrom(t *testing.T) {
	for _, test := range []struct {
		endpoints, zones, gateways int
		want                       float64
	}{
		{4, 2, 2, 0},
		{5, 2, 2, 0.01 * 730 / 0.035},
		{6, 2, 2, 0.03 * 730 / 0.035},
		{6, 3, 1, 0.135 * 730 / 0.035},
	} {
		if got := cost.EndpointsPayFrom(test.endpoints, test.zones, test.gateways); math.Abs(got-test.want) > 1e-6 {
			t.Errorf("%+v: got %v", test, got)
		}
	}
	// At the break-even the two bills agree.
	shape := cost.ForRate(1000)
	shape.RecordBytes = 1000 // 2,628 GB a month
	shape.InterfaceEndpoints = 9
	nat := bill(t, shape).Of(cost.PartEgress)
	shape.Egress = cost.Endpoints
	difference := bill(t, shape).Of(cost.PartEgress) - nat
	if want := (cost.EndpointsPayFrom(9, 2, 2) - 2628) * 0.035; math.Abs(difference-want) > 1e-6 {
		t.Errorf("endpoints cost %v more, want %v", difference, want)
	}
}
