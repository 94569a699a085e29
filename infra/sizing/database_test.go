package sizing_test

import (
	"testing"

	"github.com/fastshop/pipeline/infra/sizing"
)

// Four for each function that runs, admin's one included, and ten for people.
func TestConnections(t *testing.T) {
	t.Parallel()
	for executions, want := range map[int]int{0: 14, 1: 18, 60: 254, 490: 1974} {
		if got := sizing.Connections(executions); got != want {
			t.Errorf("%d executions open %d connections, want %d", executions, got, want)
		}
	}
}

// RDS admits one connection for 9,531,392 bytes; 85 % of the memory count, and five are RDS's own.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	for class, want := range map[string]int{
		"db.t4g.micro": 90, "db.t4g.small": 186, "db.t4g.medium": 378, "db.t4g.large": 761, "db.c6gd.medium": 186,
		"db.m7g.large": 761, "db.m7g.xlarge": 1527, "db.r7g.large": 1527, "db.r7g.xlarge": 3059, "db.m7g.4xlarge": 4995,
		"db.r7g.16xlarge": 4995, "db.x2g.large": 3059, "db.z1d.large": 1527,
	} {
		got, known := sizing.MaxConnections(class)
		if !known || got != want {
			t.Errorf("%s takes %d connections (known: %v), want %d", class, got, known, want)
		}
	}
	for _, class := range []string{"", "db", "db.t4g", "rds.t4g.medium", "db..large", "db.q1.large", "db.r7g.huge", "db.r7g.0xlarge", "db.r7g.-1xlarge", "db.r7g.axlarge", "db.r7g.large.tpc1"} {
		if n, known := sizing.MaxConnections(class); known {
			t.Errorf("%q is said to take %d connections", class, n)
		}
	}
}
