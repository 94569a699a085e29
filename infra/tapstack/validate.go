package tapstack

import (
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fastshop/pipeline/infra/sizing"
)

// ErrArgs is wrapped by every fault of the arguments.
var ErrArgs = errors.New("arguments of TapStack")

var (
	suffixForm    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	classForm     = regexp.MustCompile(`^db\.[a-z0-9]+\.[a-z0-9]+$`)
	nodeForm      = regexp.MustCompile(`^cache\.[a-z0-9]+\.[a-z0-9]+$`)
	smallClass    = regexp.MustCompile(`^db\.t[234]g?\.(nano|micro|small)$`)
	tagForm       = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
	logRetentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)

// suffixLimit keeps the longest name of the table within AWS's shortest limit.
const suffixLimit = 20

// faults collects all that is wrong, so that an operator mends it in one go.
type faults []error

func (f *faults) add(field, format string, v ...any) {
	*f = append(*f, fmt.Errorf("%w: %s: "+format, append([]any{ErrArgs, field}, v...)...))
}

func (f *faults) between(field string, v, low, high int, unit string) {
	if v < low || v > high {
		f.add(field, "%d is out of range: set %d to %d%s", v, low, high, unit)
	}
}

func oneOf[T ~string](f *faults, field string, v T, allowed ...T) {
	if !slices.Contains(allowed, v) {
		f.add(field, "%q is unknown: set one of %v", v, allowed)
	}
}

// Production reports whether the suffix names a production environment, where savings on availability are refused.
func (a TapStackArgs) Production() bool {
	return a.EnvironmentSuffix == "prod" || a.EnvironmentSuffix == "production" || strings.HasPrefix(a.EnvironmentSuffix, "prod-")
}

// Validate checks everything that can be checked before AWS is asked, defaults filled in, and returns all faults at
// once, each wrapping ErrArgs and naming the field by its configuration key.
func (a TapStackArgs) Validate() error {
	a = a.withDefaults()
	var f faults
	a.validateName(&f)
	a.validateNetwork(&f)
	a.validateStream(&f)
	a.validateDatabase(&f)
	a.validateCache(&f)
	a.validateCompute(&f)
	if a.Production() {
		a.validateProduction(&f)
	}
	if len(f) == 0 { // it follows from many of the others
		a.validateConnections(&f)
	}
	return errors.Join(f...)
}

func (a TapStackArgs) validateName(f *faults) {
	switch {
	case a.EnvironmentSuffix == "":
		f.add("environmentSuffix", "is missing: pulumi config set environmentSuffix dev")
	case len(a.EnvironmentSuffix) > suffixLimit:
		f.add("environmentSuffix", "%q has %d characters: use at most %d", a.EnvironmentSuffix, len(a.EnvironmentSuffix), suffixLimit)
	case !suffixForm.MatchString(a.EnvironmentSuffix):
		f.add("environmentSuffix", "%q: use lower-case letters, digits and single hyphens between them", a.EnvironmentSuffix)
	}
	if len(a.Tags) > 40 {
		f.add("tags", "there are %d: AWS takes 50, and the stack needs a few itself: set at most 40", len(a.Tags))
	}
	for _, key := range slices.Sorted(maps.Keys(a.Tags)) {
		value := a.Tags[key]
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128 || !tagForm.MatchString(key) || strings.HasPrefix(strings.ToLower(key), "aws:"):
			f.add("tags", "key %q: use 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:", key)
		case utf8.RuneCountInString(value) > 256 || !tagForm.MatchString(value):
			f.add("tags", "value of %q: use at most 256 letters, digits, spaces and _.:/=+-@", key)
		case slices.Contains(ownTags(), key):
			f.add("tags", "%q is set by the stack itself: choose another key", key)
		}
	}
}

func (a TapStackArgs) validateNetwork(f *faults) {
	oneOf(f, "egress", a.Egress, EgressNAT, EgressEndpoints)
	f.between("availabilityZones", a.AvailabilityZones, 2, 5, " (database and cache need two; us-east-1 has five that take every instance type)")
	cidr, err := netip.ParsePrefix(a.VpcCidr)
	switch {
	case err != nil || !cidr.Addr().Is4():
		f.add("vpcCidr", "%q is no IPv4 range: write it like 10.40.0.0/16", a.VpcCidr)
	case cidr.Masked() != cidr:
		f.add("vpcCidr", "%s has host bits set: write %s", a.VpcCidr, cidr.Masked())
	case cidr.Bits() < 16 || cidr.Bits() > 20:
		f.add("vpcCidr", "/%d: use /16 to /20, so that every subnet has room", cidr.Bits())
	case !cidr.Addr().IsPrivate():
		f.add("vpcCidr", "%s is a public range: use one within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16", a.VpcCidr)
	}
	if a.SingleNatGateway && a.Egress == EgressEndpoints {
		f.add("singleNatGateway", "has no meaning with egress endpoints: unset it")
	}
}

func (a TapStackArgs) validateStream(f *faults) {
	oneOf(f, "streamMode", a.StreamMode, StreamProvisioned, StreamOnDemand)
	if a.ShardCount != 0 && a.TransactionsPerSecond != 0 {
		f.add("shardCount", "is set beside transactionsPerSecond: set one, the other follows")
	}
	if a.ShardCount != 0 {
		f.between("shardCount", a.ShardCount, 1, 1000, "")
		if a.StreamMode == StreamOnDemand {
			f.add("shardCount", "an on-demand stream sizes itself: unset it, or set streamMode provisioned")
		}
	}
	if a.TransactionsPerSecond != 0 {
		f.between("transactionsPerSecond", a.TransactionsPerSecond, 1, 100_000, "")
	}
	f.between("recordBytes", a.RecordBytes, 100, 1<<20, " bytes")
	if _, err := a.load(); err != nil && len(*f) == 0 { // what else is wrong says it better
		f.add("transactionsPerSecond", "%w", err)
	}
	f.between("streamRetentionHours", a.StreamRetentionHours, 24, 8760, " hours")
}

func (a TapStackArgs) validateDatabase(f *faults) {
	switch {
	case !classForm.MatchString(a.DatabaseClass):
		f.add("databaseClass", "%q is no instance class: write it like db.t4g.medium", a.DatabaseClass)
	case smallClass.MatchString(a.DatabaseClass):
		f.add("databaseClass", "%s has no Performance Insights: use db.t4g.medium or larger", a.DatabaseClass)
	}
	oneOf(f, "databaseVersion", a.DatabaseVersion, databaseVersions()...)
	f.between("databaseStorageGiB", a.DatabaseStorageGiB, 20, 59578, " GiB")
	if least := (11*a.DatabaseStorageGiB + 9) / 10; least <= 65536 {
		f.between("databaseMaxStorageGiB", a.DatabaseMaxStorageGiB, least, 65536, " GiB (a tenth above databaseStorageGiB at least)")
	}
	f.between("databaseBackupDays", a.DatabaseBackupDays, 7, 35, " days")
	f.between("keyRecoveryDays", a.KeyRecoveryDays, 1, 35, " days")
	f.windows("databaseBackupWindow", a.DatabaseBackupWindow, "databaseMaintenanceWindow", a.DatabaseMaintenanceWindow, 30)
}

func (a TapStackArgs) validateCache(f *faults) {
	oneOf(f, "cacheEngine", a.CacheEngine, CacheRedis, CacheValkey)
	oneOf(f, "cacheShape", a.CacheShape, CacheCluster, CacheReplicated)
	if !nodeForm.MatchString(a.CacheNodeType) {
		f.add("cacheNodeType", "%q is no node type: write it like cache.t4g.small", a.CacheNodeType)
	}
	if strings.Contains(a.CacheNodeType, "gd.") {
		f.add("cacheNodeType", "%s keeps a part of the data on disk, which the windows are too busy for: use the type without d", a.CacheNodeType)
	}
	f.between("cacheShards", a.CacheShards, 1, 90, "")
	f.between("cacheReplicas", a.CacheReplicas, 1, 5, " (failover needs one)")
	if nodes := a.CacheShards * (1 + a.CacheReplicas); nodes > 90 {
		f.add("cacheShards", "%d shards with %d replicas are %d nodes: ElastiCache gives a cluster 90", a.CacheShards, a.CacheReplicas, nodes)
	}
	if a.CacheShape == CacheReplicated && a.CacheShards > 1 {
		f.add("cacheShards", "a replicated cache has one shard: unset it, or set cacheShape cluster")
	}
	f.windows("cacheSnapshotWindow", a.CacheSnapshotWindow, "cacheMaintenanceWindow", a.CacheMaintenanceWindow, 60)
}

func (a TapStackArgs) validateCompute(f *faults) {
	switch file, err := os.Stat(a.CodeArchive); {
	case err != nil:
		f.add("codeArchive", "cannot read %q: run `make lambda` at the root of the project first, or set the path of the zip", a.CodeArchive)
	case !file.Mode().IsRegular() || file.Size() == 0:
		f.add("codeArchive", "%q is no zip file: run `make lambda` at the root of the project", a.CodeArchive)
	}
	f.between("ingestMemoryMiB", a.IngestMemoryMiB, 128, 10240, " MiB")
	f.between("processMemoryMiB", a.ProcessMemoryMiB, 128, 10240, " MiB")
	f.between("adminMemoryMiB", a.AdminMemoryMiB, 128, 10240, " MiB")
	if a.IngestConcurrency != NoReserve {
		f.between("ingestConcurrency", a.IngestConcurrency, 1, 1000, ", or -1 to reserve none")
	}
	if a.ProcessConcurrency != NoReserve && a.ProcessConcurrency != 0 {
		f.between("processConcurrency", a.ProcessConcurrency, 1, 1000, ", or -1 to reserve none")
	}
	f.between("batchSize", a.BatchSize, 1, 10_000, " records")
	if a.AlarmEmail != "" {
		if m, err := mail.ParseAddress(a.AlarmEmail); err != nil || m.Address != a.AlarmEmail {
			// The address is not repeated: it is somebody's, and this text may end in a log.
			f.add("alarmEmail", "is no e-mail address: write it like alarms@example.com")
		}
	}
	if !slices.Contains(logRetentions, a.LogRetentionDays) {
		f.add("logRetentionDays", "%d is no period of CloudWatch: set one of %v", a.LogRetentionDays, logRetentions)
	}
}

// validateConnections wants a database that takes all connections the functions may open: one that turns them away fails
// payments just when there are most of them. Of a class that AWS has yet to invent nothing is known.
func (a TapStackArgs) validateConnections(f *faults) {
	stream, _ := a.load() // which validateStream has tried
	need := a.connections(stream.Shards)
	if most, known := sizing.MaxConnections(a.DatabaseClass); known && need > most {
		f.add("databaseClass", "%s takes %d connections, the functions may open %d: take a larger class, or lower ingestConcurrency or processConcurrency", a.DatabaseClass, most, need)
	}
}

func (a TapStackArgs) validateProduction(f *faults) {
	if a.DatabaseSingleAZ {
		f.add("databaseSingleAZ", "is refused in production: a failed zone would take the store with it")
	}
	if a.SingleNatGateway {
		f.add("singleNatGateway", "is refused in production: a failed zone would take ingest with it")
	}
	if a.AlarmEmail == "" {
		f.add("alarmEmail", "is missing: in production somebody must be told")
	}
	if a.StreamRetentionHours < 168 {
		f.add("streamRetentionHours", "%d is refused in production: what failed must be readable again for 168 hours", a.StreamRetentionHours)
	}
	if a.LogRetentionDays < 365 {
		f.add("logRetentionDays", "%d is refused in production: keep logs for 365 days; they hold no personal data", a.LogRetentionDays)
	}
	if a.IngestConcurrency == NoReserve {
		f.add("ingestConcurrency", "-1 is refused in production: functions without a bound can take all of the database's connections")
	}
	if a.ProcessConcurrency == NoReserve {
		f.add("processConcurrency", "-1 is refused in production: functions without a bound can take all of the database's connections")
	}
}
