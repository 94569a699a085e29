package tapstack_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/infra/tapstack"
)

// configured is every key with a value that is no default, and the arguments that follow.
func configured() (map[string]string, *tapstack.TapStackArgs) {
	values := map[string]string{
		"environmentSuffix": "pr-7", "tags": `{"team":"payments","cost center":"42"}`,
		"egress": "endpoints", "availabilityZones": "3", "vpcCidr": "10.9.0.0/16", "singleNatGateway": "true",
		"transactionsPerSecond": "1000", "recordBytes": "2000", "shardCount": "4", "streamMode": "on-demand", "streamRetentionHours": "48", "enhancedFanOut": "true",
		"databaseClass": "db.m7g.large", "databaseVersion": "16", "databaseStorageGiB": "100", "databaseMaxStorageGiB": "300", "databaseSingleAZ": "true",
		"databaseBackupDays": "14", "databaseBackupWindow": "04:00-05:00", "databaseMaintenanceWindow": "mon:05:00-mon:06:00", "databaseApplyImmediately": "true",
		"cacheEngine": "valkey", "cacheShape": "replicated", "cacheNodeType": "cache.m7g.large", "cacheShards": "2", "cacheReplicas": "3",
		"cacheSnapshotWindow": "01:00-02:00", "cacheMaintenanceWindow": "tue:06:00-tue:07:00",
		"keyRecoveryDays": "1", "codeArchive": "x.zip", "ingestMemoryMiB": "256", "processMemoryMiB": "2048", "adminMemoryMiB": "1024",
		"ingestConcurrency": "-1", "processConcurrency": "20", "batchSize": "100", "alarmEmail": "alarms@example.com", "logRetentionDays": "731",
	}
	return values, &tapstack.TapStackArgs{
		EnvironmentSuffix: "pr-7", Tags: map[string]string{"team": "payments", "cost center": "42"},
		Egress: tapstack.EgressEndpoints, AvailabilityZones: 3, VpcCidr: "10.9.0.0/16", SingleNatGateway: true,
		TransactionsPerSecond: 1000, RecordBytes: 2000, ShardCount: 4, StreamMode: tapstack.StreamOnDemand, StreamRetentionHours: 48, EnhancedFanOut: true,
		DatabaseClass: "db.m7g.large", DatabaseVersion: "16", DatabaseStorageGiB: 100, DatabaseMaxStorageGiB: 300, DatabaseSingleAZ: true,
		DatabaseBackupDays: 14, DatabaseBackupWindow: "04:00-05:00", DatabaseMaintenanceWindow: "mon:05:00-mon:06:00", DatabaseApplyImmediately: true,
		CacheEngine: tapstack.CacheValkey, CacheShape: tapstack.CacheReplicated, CacheNodeType: "cache.m7g.large", CacheShards: 2, CacheReplicas: 3,
		CacheSnapshotWindow: "01:00-02:00", CacheMaintenanceWindow: "tue:06:00-tue:07:00",
		KeyRecoveryDays: 1, CodeArchive: "x.zip", IngestMemoryMiB: 256, ProcessMemoryMiB: 2048, AdminMemoryMiB: 1024,
		IngestConcurrency: -1, ProcessConcurrency: 20, BatchSize: 100, AlarmEmail: "alarms@example.com", LogRetentionDays: 731,
	}
}

// notTakenOver is what is said of a key of the AWS provider.
const notTakenOver = "is not taken over, the stack makes a provider of its own: set it in a profile of the AWS configuration, and that with aws:profile or AWS_PROFILE"

// from answers full keys as pulumi.Context.GetConfig does.
func from(values map[string]string) func(string) (string, bool) {
	return func(full string) (string, bool) {
		key, ours := strings.CutPrefix(full, "fastshop:")
		value, set := values[key]
		return value, ours && set
	}
}

// Whoever knows the struct knows the configuration: a key is the field's name with a small first letter.
func TestEveryFieldIsAKey(t *testing.T) {
	t.Parallel()
	var want []string
	fields := reflect.TypeFor[tapstack.TapStackArgs]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		want = append(want, strings.ToLower(name[:1])+name[1:])
	}
	got := tapstack.ConfigKeys()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(got))); len(unique) != len(got) {
		t.Errorf("%d of %d keys are unique", len(unique), len(got))
	}
}

func TestArgsFromConfig(t *testing.T) {
	t.Parallel()
	values, want := configured()
	for _, key := range tapstack.ConfigKeys() {
		if _, set := values[key]; !set {
			t.Errorf("this test does not set %s", key)
		}
	}
	got, err := tapstack.ArgsFromConfig(from(values))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

// Each key sets its own field: with one key alone, all other fields stay at zero.
func TestOneKeySetsOneField(t *testing.T) {
	t.Parallel()
	values, all := configured()
	for i, key := range tapstack.ConfigKeys() {
		got, err := tapstack.ArgsFromConfig(from(map[string]string{key: values[key]}))
		if err != nil {
			t.Fatal(err)
		}
		var want tapstack.TapStackArgs
		reflect.ValueOf(&want).Elem().Field(i).Set(reflect.ValueOf(all).Elem().Field(i))
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s alone (-want +got):\n%s", key, diff)
		}
	}
}

func TestEmptyConfigIsZeroArguments(t *testing.T) {
	t.Parallel()
	got, err := tapstack.ArgsFromConfig(from(nil))
	if diff := cmp.Diff(&tapstack.TapStackArgs{}, got); err != nil || diff != "" {
		t.Errorf("error %v, arguments (-want +got):\n%s", err, diff)
	}
}

func TestConfigFaultsAllAtOnce(t *testing.T) {
	t.Parallel()
	args, err := tapstack.ArgsFromConfig(from(map[string]string{
		"tags": `["a"]`, "availabilityZones": "two", "singleNatGateway": "yes", "shardCount": "1.5", "egress": "nat", "recordBytes": "0", "batchSize": "100",
	}))
	want := strings.Join([]string{
		"tags: is no map of texts: pulumi config set --path 'tags.team' payments",
		`availabilityZones: "two" is no whole number`,
		`singleNatGateway: "yes" is neither true nor false`,
		"recordBytes: 0 is refused, it would mean the default: unset it, or set what you mean",
		`shardCount: "1.5" is no whole number`,
	}, "\n")
	if diff := cmp.Diff(want, fault(err)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	// What could be read can be checked further.
	if diff := cmp.Diff(&tapstack.TapStackArgs{Egress: tapstack.EgressNAT, BatchSize: 100}, args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if !errors.Is(err, tapstack.ErrArgs) {
		t.Error("the faults do not wrap ErrArgs")
	}
}

// Zero is how Go says unset: whoever configures it means something else, such as no reserve, and must hear that it is not.
func TestZeroIsRefused(t *testing.T) {
	t.Parallel()
	numbers := 0
	for i, key := range tapstack.ConfigKeys() {
		if reflect.TypeFor[tapstack.TapStackArgs]().Field(i).Type.Kind() != reflect.Int {
			continue
		}
		numbers++
		for _, zero := range list("0", "-0", "+0", "000") {
			args, err := tapstack.ArgsFromConfig(from(map[string]string{key: zero}))
			if got, want := fault(err), key+": 0 is refused, it would mean the default: unset it, or set what you mean"; got != want || !errors.Is(err, tapstack.ErrArgs) {
				t.Errorf("%s=%s: got %q, want %q", key, zero, got, want)
			}
			if diff := cmp.Diff(&tapstack.TapStackArgs{}, args); diff != "" {
				t.Errorf("%s=%s: arguments (-want +got):\n%s", key, zero, diff)
			}
		}
	}
	if numbers != 18 {
		t.Errorf("%d settings are numbers, want 18", numbers)
	}
}

func TestCheckKeys(t *testing.T) {
	t.Parallel()
	all := "; there are: " + strings.Join(tapstack.ConfigKeys(), ", ")
	for want, keys := range map[string][]string{
		"":                               {"fastshop:environmentSuffix", "aws:region", "aws:profile", "awsx:accessKey", "other:anything"},
		"aws:accessKey: " + notTakenOver: {"aws:accessKey"},
		"aws:regions: " + notTakenOver:   {"aws:regions"},
		"aws:assumeRole: " + notTakenOver + "\naws:defaultTags: " + notTakenOver:                            {"aws:region", "aws:defaultTags", "aws:profile", "aws:assumeRole"},
		"aws:endpoints: " + notTakenOver + "\nazs: there is no such setting" + all:                          {"fastshop:azs", "aws:endpoints"},
		"environment-suffix: there is no such setting: did you mean environmentSuffix?":                     {"fastshop:environment-suffix"},
		"SHARD_COUNT: there is no such setting: did you mean shardCount?":                                   {"fastshop:SHARD_COUNT"},
		"azs: there is no such setting" + all:                                                               {"fastshop:azs"},
		"b: there is no such setting" + all + "\nvpc-cidr: there is no such setting: did you mean vpcCidr?": {"fastshop:vpc-cidr", "fastshop:b"},
	} {
		err := tapstack.CheckKeys(keys)
		if got := fault(err); got != want || err != nil && !errors.Is(err, tapstack.ErrArgs) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	var full []string
	for _, key := range tapstack.ConfigKeys() {
		full = append(full, fmt.Sprintf("%s:%s", tapstack.Namespace, key))
	}
	if err := tapstack.CheckKeys(full); err != nil {
		t.Errorf("keys of the stack itself are refused: %v", err)
	}
}
