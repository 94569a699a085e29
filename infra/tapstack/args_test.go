package tapstack_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/infra/tapstack"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	want := tapstack.TapStackArgs{
		EnvironmentSuffix: "dev",
		Egress:            "nat", AvailabilityZones: 2, VpcCidr: "10.40.0.0/16",
		TransactionsPerSecond: 100, RecordBytes: 1536, StreamMode: "provisioned", StreamRetentionHours: 168,
		DatabaseClass: "db.t4g.medium", DatabaseVersion: "17", DatabaseStorageGiB: 50, DatabaseMaxStorageGiB: 200,
		DatabaseBackupDays: 7, DatabaseBackupWindow: "03:00-04:00", DatabaseMaintenanceWindow: "sun:05:00-sun:06:00",
		CacheEngine: "redis", CacheShape: "cluster", CacheNodeType: "cache.t4g.small", CacheShards: 1, CacheReplicas: 1,
		CacheSnapshotWindow: "02:00-03:00", CacheMaintenanceWindow: "sun:06:00-sun:07:00",
		KeyRecoveryDays: 7,
		CodeArchive:     "../bin/fastshop-lambda.zip", IngestMemoryMiB: 512, ProcessMemoryMiB: 1024, AdminMemoryMiB: 512,
		IngestConcurrency: 50, BatchSize: 500,
		LogRetentionDays: 365,
	}
	got := tapstack.TapStackArgs{EnvironmentSuffix: "dev"}.WithDefaults()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, got.WithDefaults()); diff != "" {
		t.Errorf("defaults change what is set (-want +got):\n%s", diff)
	}
}

// The most that the storage may grow to follows from its start.
func TestDefaultOfMaxStorageFollowsStorage(t *testing.T) {
	t.Parallel()
	if got := (tapstack.TapStackArgs{DatabaseStorageGiB: 300}).WithDefaults().DatabaseMaxStorageGiB; got != 1200 {
		t.Errorf("300 GiB may grow to %d, want 1200", got)
	}
	if got := (tapstack.TapStackArgs{DatabaseStorageGiB: 20_000}).WithDefaults().DatabaseMaxStorageGiB; got != 65_536 {
		t.Errorf("20,000 GiB may grow to %d, want all that RDS has, 65536", got)
	}
}

func TestProduction(t *testing.T) {
	t.Parallel()
	for suffix, want := range map[string]bool{
		"prod": true, "production": true, "prod-eu": true, "prod-2": true,
		"dev": false, "pr-1234": false, "preprod": false, "product": false, "prod2": false, "non-prod": false, "": false,
	} {
		if got := (tapstack.TapStackArgs{EnvironmentSuffix: suffix}).Production(); got != want {
			t.Errorf("suffix %q is production: %v, want %v", suffix, got, want)
		}
	}
}
