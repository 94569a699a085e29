package cost_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/infra/cost"
	"github.com/fastshop/pipeline/infra/sizing"
)

func TestFaultsOfAShape(t *testing.T) {
	tests := []struct {
		name   string
		change func(*cost.Shape)
		want   string
	}{
		{"no rate", func(s *cost.Shape) { s.TransactionsPerSecond = 0 }, "transactions per second is 0; use 1 to 100000"},
		{"batch too large", func(s *cost.Shape) { s.BatchSize = 501 }, "batch size is 501; use 1 to 500"},
		{"batch too heavy", func(s *cost.Shape) { s.BatchSize, s.RecordBytes = 500, 9000 },
			"a batch of 500 times 9000 bytes is more than 4 MiB; make it smaller"},
		{"retention too short", func(s *cost.Shape) { s.RetentionHours = 23 }, "retention in hours is 23; use 24 to 8760"},
		{"stream mode", func(s *cost.Shape) { s.StreamMode = "elastic" }, `stream mode is "elastic"; use provisioned or on-demand`},
		{"on-demand shards", func(s *cost.Shape) { s.StreamMode, s.Shards = cost.OnDemand, 2 }, "an on-demand stream has no 2 shards; leave them 0"},
		{"egress", func(s *cost.Shape) { s.Egress = "pigeon" }, `egress is "pigeon"; use nat or endpoints`},
		{"gateways", func(s *cost.Shape) { s.NATGateways = 3 }, "3 NAT gateways; use 1 to the number of zones, 2"},
		{"endpoints", func(s *cost.Shape) { s.Egress, s.InterfaceEndpoints = cost.Endpoints, 0 }, "0 interface endpoints; use 1 to 50"},
		{"standby", func(s *cost.Shape) { s.AvailabilityZones, s.NATGateways = 1, 1 }, "a standby needs a second zone; use 2 zones or no MultiAZ"},
		{"class", func(s *cost.Shape) { s.DatabaseClass = "db.x1" }, `no price is known for database class "db.x1"; see DatabaseClasses`},
		{"storage", func(s *cost.Shape) { s.DatabaseStorageGB = 19 }, "database storage is 19 GB; use 20 to 70368, or 0 to derive it"},
		{"engine", func(s *cost.Shape) { s.CacheEngine = "memcached" }, `cache engine is "memcached"; use redis or valkey`},
		{"node", func(s *cost.Shape) { s.CacheNodeType = "cache.x1" }, `no price is known for cache node "cache.x1"; see CacheNodes`},
		{"share", func(s *cost.Shape) { s.NewCustomers = math.NaN() }, "share of new customers is NaN; use 0 to 1"},
		{"logs", func(s *cost.Shape) { s.LogGBPerMillionTransactions = -1 }, "log GB per million transactions is -1; use 0 to 1000"},
		{"too few shards", func(s *cost.Shape) { s.Shards = 1 }, "1 shards would have to carry 154 % of what they can; use more, or 0 for the formula"},
		{"too long in the database", func(s *cost.Shape) { s.DatabaseDays = 2000 },
			"2000 days in the database are 345,600 GB, RDS ends at 70,368; keep fewer days"},
		{"node too small", func(s *cost.Shape) { s.CacheNodeType = "cache.t4g.small" },
			"the windows need 722 GB, that is 655 shards of cache.t4g.small, a cluster ends at 500; use a larger node"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			shape := cost.ForRate(1000)
			test.change(&shape)
			_, err := cost.Monthly(shape)
			if !errors.Is(err, cost.ErrShape) {
				t.Fatalf("got %v, want ErrShape", err)
			}
			if want := "price shape: shape out of range: " + test.want; err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestFaultsAreReportedTogether(t *testing.T) {
	_, err := cost.Monthly(cost.Shape{Egress: cost.NAT, StreamMode: cost.Provisioned, CacheEngine: cost.Redis})
	if err == nil {
		t.Fatal("an empty shape has a price")
	}
	for _, want := range []string{"transactions per second", "record size", "batch size", "retention", "memory of ingest", "memory of process",
		"availability zones", "days in the database", "log retention", "NAT gateways", "database class", "cache node"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s:\n%v", want, err)
		}
	}
}

func TestQuotaOfShards(t *testing.T) {
	shape := cost.ForRate(100_000)
	shape.RecordBytes = 1 << 20
	_, err := cost.Monthly(shape)
	if !errors.Is(err, cost.ErrShape) || !errors.Is(err, sizing.ErrQuota) {
		t.Errorf("got %v, want ErrShape and sizing.ErrQuota", err)
	}
}

// shapes draws shapes that can be priced.
func shapes(t *rapid.T) cost.Shape {
	shape := cost.ForRate(rapid.IntRange(1, 10_000).Draw(t, "rate"))
	shape.RecordBytes = rapid.IntRange(1, 4000).Draw(t, "record bytes")
	shape.BatchSize = rapid.IntRange(1, 500).Draw(t, "batch size")
	shape.RetentionHours = rapid.IntRange(24, 8760).Draw(t, "retention")
	shape.StreamMode = rapid.SampledFrom([]cost.StreamMode{cost.Provisioned, cost.OnDemand}).Draw(t, "mode")
	shape.EnhancedFanOut = rapid.Bool().Draw(t, "fan-out")
	shape.AvailabilityZones = rapid.IntRange(2, 6).Draw(t, "zones")
	shape.Egress = rapid.SampledFrom([]cost.Egress{cost.NAT, cost.Endpoints}).Draw(t, "egress")
	shape.MultiAZ = rapid.Bool().Draw(t, "multi-AZ")
	shape.DatabaseDays = rapid.IntRange(1, 35).Draw(t, "days")
	shape.DatabaseClass = rapid.SampledFrom(cost.DatabaseClasses()).Draw(t, "class").Name
	shape.CacheNodeType = "cache.r7g.16xlarge"
	shape.CacheEngine = rapid.SampledFrom([]cost.Engine{cost.Redis, cost.Valkey}).Draw(t, "engine")
	shape.CacheReplicas = rapid.IntRange(0, 5).Draw(t, "replicas")
	shape.Tracing = rapid.Bool().Draw(t, "tracing")
	return shape
}

func drawn(t *rapid.T, shape cost.Shape) cost.Bill {
	got, err := cost.Monthly(shape)
	if err != nil {
		t.Fatalf("price %+v: %v", shape, err)
	}
	return got
}

func TestTotalIsTheSumOfItsLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := drawn(t, shapes(t))
		sum := 0.0
		for _, line := range got.Lines {
			if !(line.USD >= 0) || line.Basis == "" {
				t.Fatalf("line %+v", line)
			}
			sum += line.USD
		}
		if sum != got.Total || len(got.Lines) != 9 {
			t.Fatalf("%d lines sum up to %v, total is %v", len(got.Lines), sum, got.Total)
		}
	})
}

// noLineFalls fails if a part costs less than before, but for the last digits.
func noLineFalls(t *rapid.T, before, after cost.Bill) {
	for i, line := range before.Lines {
		if now := after.Lines[i]; now.USD < line.USD*(1-1e-12) {
			t.Fatalf("%s falls from %v to %v", line.Part, line.USD, now.USD)
		}
	}
}

func TestNoLineFallsWithTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := shapes(t)
		before := drawn(t, shape)
		shape.TransactionsPerSecond += rapid.IntRange(0, 1000).Draw(t, "more")
		noLineFalls(t, before, drawn(t, shape))
	})
}

func TestNoLineFallsWithRetention(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := shapes(t)
		before := drawn(t, shape)
		shape.RetentionHours = min(8760, shape.RetentionHours+rapid.IntRange(0, 8000).Draw(t, "longer"))
		shape.DatabaseDays += rapid.IntRange(0, 1).Draw(t, "days longer")
		shape.LogRetentionDays += rapid.IntRange(0, 1000).Draw(t, "logs longer")
		noLineFalls(t, before, drawn(t, shape))
	})
}

func TestShapesForEveryRate(t *testing.T) {
	for _, rate := range []int{1, 10, 11, 200, 201, 2000, 2001, 10_000} {
		if got := bill(t, cost.ForRate(rate)); got.Total <= 0 {
			t.Errorf("%d per second cost %v", rate, got.Total)
		}
	}
	if trial := bill(t, cost.ForRate(1)).Total; trial > 1000 {
		t.Errorf("one transaction per second costs %v", trial)
	}
}
