package tapstack_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/infra/sizing"
	"github.com/fastshop/pipeline/infra/tapstack"
)

type argsChange = func(*tapstack.TapStackArgs)

// faulty is a change of valid arguments and the fault that it must cause.
type faulty struct {
	want   string
	change argsChange
}

// What each setting refuses, and in which words: an operator reads them, so they say what to change.
func TestFaultsOfOneSetting(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 129)
	for _, c := range []faulty{
		{`environmentSuffix: is missing: pulumi config set environmentSuffix dev`, func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix = "" }},
		{`environmentSuffix: "a23456789012345678901" has 21 characters: use at most 20`,
			func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix = "a23456789012345678901" }},
		{`environmentSuffix: "Dev": use lower-case letters, digits and single hyphens between them`,
			func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix = "Dev" }},
		{`environmentSuffix: "a--b": use lower-case letters, digits and single hyphens between them`,
			func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix = "a--b" }},
		{`environmentSuffix: "dev-": use lower-case letters, digits and single hyphens between them`,
			func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix = "dev-" }},
		{`environmentSuffix: "-dev": use lower-case letters, digits and single hyphens between them`,
			func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix = "-dev" }},
		{`environmentSuffix: "são": use lower-case letters, digits and single hyphens between them`,
			func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix = "são" }},
		{`environmentSuffix: "dev\n": use lower-case letters, digits and single hyphens between them`,
			func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix = "dev\n" }},
		{`tags: key "": use 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:`, tag("", "v")},
		{`tags: key "a?": use 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:`, tag("a?", "v")},
		{`tags: key "AWS:x": use 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:`, tag("AWS:x", "v")},
		{`tags: key "` + long + `": use 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:`, tag(long, "v")},
		{`tags: value of "team": use at most 256 letters, digits, spaces and _.:/=+-@`, tag("team", "a\tb")},
		{`tags: value of "text": use at most 256 letters, digits, spaces and _.:/=+-@`, tag("text", long+long)},
		{`tags: "Name" is set by the stack itself: choose another key`, tag("Name", "v")},
		{`tags: "managed-by" is set by the stack itself: choose another key`, tag("managed-by", "v")},
		{`tags: there are 41: AWS takes 50, and the stack needs a few itself: set at most 40`, tags(41)},
		{`alarmEmail: is no e-mail address: write it like alarms@example.com`, func(a *tapstack.TapStackArgs) { a.AlarmEmail = "somebody" }},
		{`codeArchive: cannot read "no.zip": run ` + "`make lambda`" + ` at the root of the project first, or set the path of the zip`,
			func(a *tapstack.TapStackArgs) { a.CodeArchive = "no.zip" }},
		{`codeArchive: "." is no zip file: run ` + "`make lambda`" + ` at the root of the project`, func(a *tapstack.TapStackArgs) { a.CodeArchive = "." }},
	} {
		if got := fault(argsOf(t, c.change).Validate()); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestFaultsOfTheNetwork(t *testing.T) {
	t.Parallel()
	for _, c := range []faulty{
		{`egress: "internet" is unknown: set one of [nat endpoints]`, func(a *tapstack.TapStackArgs) { a.Egress = "internet" }},
		{`availabilityZones: 1 is out of range: set 2 to 5 (database and cache need two; us-east-1 has five that take every instance type)`,
			func(a *tapstack.TapStackArgs) { a.AvailabilityZones = 1 }},
		{`availabilityZones: 6 is out of range: set 2 to 5 (database and cache need two; us-east-1 has five that take every instance type)`,
			func(a *tapstack.TapStackArgs) { a.AvailabilityZones = 6 }},
		{`vpcCidr: "10.0.0.0" is no IPv4 range: write it like 10.40.0.0/16`, func(a *tapstack.TapStackArgs) { a.VpcCidr = "10.0.0.0" }},
		{`vpcCidr: "fd00::/16" is no IPv4 range: write it like 10.40.0.0/16`, func(a *tapstack.TapStackArgs) { a.VpcCidr = "fd00::/16" }},
		{`vpcCidr: 10.40.1.0/16 has host bits set: write 10.40.0.0/16`, func(a *tapstack.TapStackArgs) { a.VpcCidr = "10.40.1.0/16" }},
		{`vpcCidr: /15: use /16 to /20, so that every subnet has room`, func(a *tapstack.TapStackArgs) { a.VpcCidr = "10.40.0.0/15" }},
		{`vpcCidr: /21: use /16 to /20, so that every subnet has room`, func(a *tapstack.TapStackArgs) { a.VpcCidr = "10.40.0.0/21" }},
		{`vpcCidr: 52.40.0.0/16 is a public range: use one within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16`,
			func(a *tapstack.TapStackArgs) { a.VpcCidr = "52.40.0.0/16" }},
		{`singleNatGateway: has no meaning with egress endpoints: unset it`, func(a *tapstack.TapStackArgs) { a.Egress, a.SingleNatGateway = "endpoints", true }},
	} {
		if got := fault(argsOf(t, c.change).Validate()); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestFaultsOfTheData(t *testing.T) {
	t.Parallel()
	for _, c := range []faulty{
		{`streamMode: "elastic" is unknown: set one of [provisioned on-demand]`, func(a *tapstack.TapStackArgs) { a.StreamMode = "elastic" }},
		{`shardCount: is set beside transactionsPerSecond: set one, the other follows`,
			func(a *tapstack.TapStackArgs) { a.ShardCount, a.TransactionsPerSecond = 2, 100 }},
		{`shardCount: an on-demand stream sizes itself: unset it, or set streamMode provisioned`,
			func(a *tapstack.TapStackArgs) { a.ShardCount, a.StreamMode = 2, "on-demand" }},
		{`databaseClass: "t4g.medium" is no instance class: write it like db.t4g.medium`, func(a *tapstack.TapStackArgs) { a.DatabaseClass = "t4g.medium" }},
		{`databaseClass: db.t4g.small has no Performance Insights: use db.t4g.medium or larger`,
			func(a *tapstack.TapStackArgs) { a.DatabaseClass = "db.t4g.small" }},
		{`databaseClass: db.t3.micro has no Performance Insights: use db.t4g.medium or larger`,
			func(a *tapstack.TapStackArgs) { a.DatabaseClass = "db.t3.micro" }},
		{`databaseVersion: "14" is unknown: set one of [15 16 17]`, func(a *tapstack.TapStackArgs) { a.DatabaseVersion = "14" }},
		{`databaseMaxStorageGiB: 109 is out of range: set 110 to 65536 GiB (a tenth above databaseStorageGiB at least)`,
			func(a *tapstack.TapStackArgs) { a.DatabaseStorageGiB, a.DatabaseMaxStorageGiB = 100, 109 }},
		{`databaseStorageGiB: 59579 is out of range: set 20 to 59578 GiB`, func(a *tapstack.TapStackArgs) { a.DatabaseStorageGiB = 59_579 }}, // no room to grow a tenth
		{`cacheEngine: "memcached" is unknown: set one of [redis valkey]`, func(a *tapstack.TapStackArgs) { a.CacheEngine = "memcached" }},
		{`cacheShape: "single" is unknown: set one of [cluster replicated]`, func(a *tapstack.TapStackArgs) { a.CacheShape = "single" }},
		{`cacheNodeType: "t4g.small" is no node type: write it like cache.t4g.small`, func(a *tapstack.TapStackArgs) { a.CacheNodeType = "t4g.small" }},
		{`cacheNodeType: cache.r6gd.xlarge keeps a part of the data on disk, which the windows are too busy for: use the type without d`,
			func(a *tapstack.TapStackArgs) { a.CacheNodeType = "cache.r6gd.xlarge" }},
		{`cacheShards: 31 shards with 2 replicas are 93 nodes: ElastiCache gives a cluster 90`,
			func(a *tapstack.TapStackArgs) { a.CacheShards, a.CacheReplicas = 31, 2 }},
		{`cacheShards: a replicated cache has one shard: unset it, or set cacheShape cluster`,
			func(a *tapstack.TapStackArgs) { a.CacheShards, a.CacheShape = 2, "replicated" }},
		{`logRetentionDays: 100 is no period of CloudWatch: set one of [1 3 5 7 14 30 60 90 120 150 180 365 400 545 731 1096 1827 2192 2557 2922 3288 3653]`,
			func(a *tapstack.TapStackArgs) { a.LogRetentionDays = 100 }},
	} {
		if got := fault(argsOf(t, c.change).Validate()); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// Ranges: both ends are taken, one beyond is not.
func TestRanges(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		key       string
		low, high int
		unit      string
		field     func(*tapstack.TapStackArgs) *int
	}{
		{"transactionsPerSecond", 1, 100_000, "", func(a *tapstack.TapStackArgs) *int { return &a.TransactionsPerSecond }},
		{"shardCount", 1, 1000, "", func(a *tapstack.TapStackArgs) *int { return &a.ShardCount }},
		{"recordBytes", 100, 1 << 20, " bytes", func(a *tapstack.TapStackArgs) *int { return &a.RecordBytes }},
		{"streamRetentionHours", 24, 8760, " hours", func(a *tapstack.TapStackArgs) *int { return &a.StreamRetentionHours }},
		{"databaseBackupDays", 7, 35, " days", func(a *tapstack.TapStackArgs) *int { return &a.DatabaseBackupDays }},
		{"keyRecoveryDays", 1, 35, " days", func(a *tapstack.TapStackArgs) *int { return &a.KeyRecoveryDays }},
		{"cacheReplicas", 1, 5, " (failover needs one)", func(a *tapstack.TapStackArgs) *int { return &a.CacheReplicas }},
		{"ingestMemoryMiB", 128, 10240, " MiB", func(a *tapstack.TapStackArgs) *int { return &a.IngestMemoryMiB }},
		{"processMemoryMiB", 128, 10240, " MiB", func(a *tapstack.TapStackArgs) *int { return &a.ProcessMemoryMiB }},
		{"adminMemoryMiB", 128, 10240, " MiB", func(a *tapstack.TapStackArgs) *int { return &a.AdminMemoryMiB }},
		{"ingestConcurrency", 1, 1000, ", or -1 to reserve none", func(a *tapstack.TapStackArgs) *int { return &a.IngestConcurrency }},
		{"processConcurrency", 1, 1000, ", or -1 to reserve none", func(a *tapstack.TapStackArgs) *int { return &a.ProcessConcurrency }},
		{"batchSize", 1, 10_000, " records", func(a *tapstack.TapStackArgs) *int { return &a.BatchSize }},
	} {
		under := r.low - 1
		if under == 0 { // which means the default
			under = -2
		}
		set := func(v int) error {
			return argsOf(t, func(a *tapstack.TapStackArgs) { a.DatabaseClass = "db.r7g.16xlarge"; *r.field(a) = v }).Validate()
		}
		for _, v := range []int{r.low, r.high} {
			if err := set(v); err != nil {
				t.Errorf("%d is refused: %v", v, err)
			}
		}
		for _, v := range []int{under, r.high + 1} {
			if got, want := fault(set(v)), fmt.Sprintf("%s: %d is out of range: set %d to %d%s", r.key, v, r.low, r.high, r.unit); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
	}
}

// What is at the edge of the rules and must pass.
func TestAccepted(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]argsChange{
		"the least":                     nil,
		"a digit as suffix":             func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix = "1" },
		"the longest suffix":            func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix = "a2345678-0123456-890" },
		"forty tags":                    tags(40),
		"a tag in Portuguese":           tag("responsável", "João da Silva"),
		"an empty tag":                  tag("note", ""),
		"five zones":                    func(a *tapstack.TapStackArgs) { a.AvailabilityZones = 5 },
		"the smallest network":          func(a *tapstack.TapStackArgs) { a.VpcCidr = "192.168.16.0/20" },
		"one NAT gateway":               func(a *tapstack.TapStackArgs) { a.SingleNatGateway = true },
		"endpoints":                     func(a *tapstack.TapStackArgs) { a.Egress = tapstack.EgressEndpoints },
		"an on-demand stream with rate": func(a *tapstack.TapStackArgs) { a.StreamMode, a.TransactionsPerSecond = tapstack.StreamOnDemand, 500 },
		"the smallest class":            func(a *tapstack.TapStackArgs) { a.DatabaseClass = "db.t4g.medium" },
		"the least storage":             func(a *tapstack.TapStackArgs) { a.DatabaseStorageGiB, a.DatabaseMaxStorageGiB = 20, 22 },
		"a node type without disk":      func(a *tapstack.TapStackArgs) { a.CacheNodeType = "cache.r6g.xlarge" },
		"ninety nodes":                  func(a *tapstack.TapStackArgs) { a.CacheShards, a.CacheReplicas = 45, 1 },
		"valkey, replicated": func(a *tapstack.TapStackArgs) {
			a.CacheEngine, a.CacheShape = tapstack.CacheValkey, tapstack.CacheReplicated
		},
		"no reserve": func(a *tapstack.TapStackArgs) {
			a.IngestConcurrency, a.ProcessConcurrency = tapstack.NoReserve, tapstack.NoReserve
		},
		"an address for alarms": func(a *tapstack.TapStackArgs) { a.AlarmEmail = "alarms@example.com" },
		"logs for ten years":    func(a *tapstack.TapStackArgs) { a.LogRetentionDays = 3653 },
	} {
		if err := argsOf(t, change).Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A database that turns functions away fails payments when there are most of them: four connections for each, and fourteen.
func TestConnectionsOfTheDatabase(t *testing.T) {
	t.Parallel()
	of := func(class string, ingest, process int) argsChange {
		return func(a *tapstack.TapStackArgs) {
			a.DatabaseClass, a.IngestConcurrency, a.ProcessConcurrency = class, ingest, process
		}
	}
	refused := func(class string, most, need int) string {
		return fmt.Sprintf("databaseClass: %s takes %d connections, the functions may open %d: take a larger class, or lower ingestConcurrency or processConcurrency", class, most, need)
	}
	for name, c := range map[string]faulty{
		"by default":               {"", nil},
		"as many as there are":     {"", of("db.t4g.medium", 51, 40)},
		"four more":                {refused("db.t4g.medium", 378, 382), of("db.t4g.medium", 51, 41)},
		"four more, larger":        {"", of("db.t4g.large", 51, 41)},
		"fewer of ingest":          {"", of("db.t4g.medium", 10, 80)},
		"a class of another kind":  {"", of("db.q1.large", 1000, 1000)},
		"no reserve, as the least": {"", of("db.t4g.medium", tapstack.NoReserve, tapstack.NoReserve)},
		"no reserve for ingest":    {refused("db.t4g.medium", 378, 382), of("db.t4g.medium", tapstack.NoReserve, 42)},
		"no reserve for process":   {refused("db.t4g.medium", 378, 382), of("db.t4g.medium", 82, tapstack.NoReserve)},
		"process follows the rate": {refused("db.t4g.medium", 378, 390), func(a *tapstack.TapStackArgs) { a.TransactionsPerSecond = 10_000 }},
		"an on-demand stream":      {"", func(a *tapstack.TapStackArgs) { a.StreamMode = tapstack.StreamOnDemand }},
	} {
		err := argsOf(t, c.change).Validate()
		got := ""
		if err != nil {
			got = fault(err)
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

// In production nothing may fail with one zone, somebody is told, what was is kept, and the database is never swamped.
func TestProductionRefusals(t *testing.T) {
	t.Parallel()
	careless := func(a *tapstack.TapStackArgs) {
		a.EnvironmentSuffix, a.DatabaseSingleAZ, a.SingleNatGateway = "prod", true, true
		a.StreamRetentionHours, a.LogRetentionDays, a.IngestConcurrency, a.ProcessConcurrency = 167, 180, tapstack.NoReserve, tapstack.NoReserve
	}
	want := strings.Join([]string{
		"databaseSingleAZ: is refused in production: a failed zone would take the store with it",
		"singleNatGateway: is refused in production: a failed zone would take ingest with it",
		"alarmEmail: is missing: in production somebody must be told",
		"streamRetentionHours: 167 is refused in production: what failed must be readable again for 168 hours",
		"logRetentionDays: 180 is refused in production: keep logs for 365 days; they hold no personal data",
		"ingestConcurrency: -1 is refused in production: functions without a bound can take all of the database's connections",
		"processConcurrency: -1 is refused in production: functions without a bound can take all of the database's connections",
	}, "\n")
	if diff := cmp.Diff(want, fault(argsOf(t, careless).Validate())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	same := func(a *tapstack.TapStackArgs) { careless(a); a.EnvironmentSuffix = "staging" }
	if err := argsOf(t, same).Validate(); err != nil {
		t.Errorf("outside of production: %v", err)
	}
	careful := func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix, a.AlarmEmail = "prod", "alarms@example.com" }
	if err := argsOf(t, careful).Validate(); err != nil {
		t.Errorf("in production, with care: %v", err)
	}
}

// An operator mends all faults in one go, and nothing has been made before.
func TestAllFaultsAtOnceBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	wrong := &tapstack.TapStackArgs{
		EnvironmentSuffix: "PROD", Egress: "x", AvailabilityZones: 9, VpcCidr: "x", RecordBytes: 1, StreamMode: "x", StreamRetentionHours: 1,
		DatabaseClass: "x", DatabaseVersion: "x", DatabaseStorageGiB: 1, DatabaseMaxStorageGiB: 1, DatabaseBackupDays: 1, DatabaseBackupWindow: "x",
		DatabaseMaintenanceWindow: "x", CacheEngine: "x", CacheShape: "x", CacheNodeType: "x", CacheShards: 91, CacheReplicas: 6, CacheSnapshotWindow: "x",
		CacheMaintenanceWindow: "x", KeyRecoveryDays: 36, CodeArchive: "x", IngestMemoryMiB: 1, ProcessMemoryMiB: 1, AdminMemoryMiB: 1,
		IngestConcurrency: -2, ProcessConcurrency: -2, BatchSize: -1, AlarmEmail: "x", LogRetentionDays: 2, TransactionsPerSecond: -1,
	}
	capture, err := try(wrong, nil)
	if err == nil || len(capture.All()) != 0 || len(capture.Invokes) != 0 {
		t.Fatalf("error %v, %d resources registered, AWS asked %d times", err, len(capture.All()), len(capture.Invokes))
	}
	joined, ok := wrong.Validate().(interface{ Unwrap() []error })
	if !ok {
		t.Fatal("the faults are not joined")
	}
	var keys []string
	for _, f := range joined.Unwrap() {
		if !errors.Is(f, tapstack.ErrArgs) {
			t.Errorf("%v does not wrap ErrArgs", f)
		}
		if !strings.Contains(err.Error(), f.Error()) {
			t.Errorf("the program does not tell: %v", f)
		}
		key, _, _ := strings.Cut(fault(f), ":")
		keys = append(keys, key)
	}
	want := []string{"environmentSuffix", "egress", "availabilityZones", "vpcCidr", "streamMode", "transactionsPerSecond", "recordBytes", "streamRetentionHours",
		"databaseClass", "databaseVersion", "databaseStorageGiB", "databaseMaxStorageGiB", "databaseBackupDays", "keyRecoveryDays",
		"databaseBackupWindow", "databaseMaintenanceWindow", "cacheEngine", "cacheShape", "cacheNodeType", "cacheShards", "cacheReplicas", "cacheShards",
		"cacheSnapshotWindow", "cacheMaintenanceWindow", "codeArchive", "ingestMemoryMiB", "processMemoryMiB", "adminMemoryMiB",
		"ingestConcurrency", "processConcurrency", "batchSize", "alarmEmail", "logRetentionDays"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

// An address is somebody's, and an error may end in a log.
func TestAlarmEmailIsNotRepeated(t *testing.T) {
	t.Parallel()
	err := argsOf(t, func(a *tapstack.TapStackArgs) { a.AlarmEmail = "Maria <maria@example.com>" }).Validate()
	if err == nil || strings.Contains(err.Error(), "maria") {
		t.Errorf("got %v", err)
	}
}

func TestEmptyArchive(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.zip")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := argsOf(t, func(a *tapstack.TapStackArgs) { a.CodeArchive = empty }).Validate()
	if !strings.Contains(fault(err), "empty.zip\" is no zip file: run `make lambda`") {
		t.Errorf("got %v", err)
	}
}

// A rate may be valid by itself and yet need more shards than an account has.
func TestRateBeyondTheQuota(t *testing.T) {
	t.Parallel()
	capture, err := try(argsOf(t, func(a *tapstack.TapStackArgs) { a.TransactionsPerSecond, a.RecordBytes = 100_000, 1<<20 }), nil)
	if !errors.Is(err, tapstack.ErrArgs) || !errors.Is(err, sizing.ErrQuota) || !strings.Contains(err.Error(), "transactionsPerSecond: ") {
		t.Errorf("got %v", err)
	}
	if len(capture.All()) != 0 {
		t.Errorf("%d resources registered", len(capture.All()))
	}
}

func tag(key, value string) argsChange {
	return func(a *tapstack.TapStackArgs) { a.Tags = map[string]string{key: value} }
}

func tags(n int) argsChange {
	return func(a *tapstack.TapStackArgs) {
		a.Tags = map[string]string{}
		for i := range n {
			a.Tags[fmt.Sprintf("tag-%d", i)] = "v"
		}
	}
}
