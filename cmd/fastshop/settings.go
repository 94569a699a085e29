package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/httpapi"
)

// Settings are all that an operator can set. Every one can be given as a flag
// (--data-dir), in the environment (FASTSHOP_DATA_DIR) and in the settings file
// (data-dir: …), in this order of precedence.
type Settings struct {
	// Where things are.

	places
	judges

	// Who is listened to.

	Listen        string        `help:"Address of API and live page." default:"127.0.0.1:8080" group:"Network"`
	MetricsListen string        `help:"Address of metrics; loopback only. Empty turns them off." default:"127.0.0.1:9090" group:"Network"`
	Page          string        `help:"Who sees the live page: session (sign in with an API key of scope read), open (anybody; loopback only), off." enum:"session,open,off" default:"session" group:"Network"`
	Secure        bool          `help:"Clients reach the page by HTTPS only (TLS ends in front): secure cookies, HSTS." group:"Network"`
	DrainTime     time.Duration `help:"Longest time to finish work after SIGTERM." default:"20s" group:"Network"`

	// How much is let in.

	KeyRate       float64 `help:"Transactions a second that one API key may send; 429 beyond." default:"20000" group:"Limits"`
	KeyBurst      int     `help:"Transactions that one API key may send at once beyond its rate." default:"40000" group:"Limits"`
	SyncInFlight  int     `help:"Synchronous decisions under way at once; 503 beyond." default:"256" group:"Limits"`
	AsyncInFlight int     `help:"Single transactions being taken in at once; 503 beyond." default:"256" group:"Limits"`
	BatchInFlight int     `help:"Batches being taken in at once; 503 beyond. Each holds up to 10 MiB." default:"8" group:"Limits"`

	// How it decides.

	policyFlags

	// How it works inside.

	Partitions  int           `help:"Partitions of a new stream; an existing stream keeps the number that it was made with." default:"4" group:"Engine"`
	BatchSize   int           `help:"Records that are decided and committed together." default:"1000" group:"Engine"`
	Retention   time.Duration `help:"How long the stream keeps records." default:"168h" group:"Engine"`
	StreamRoom  int64         `help:"Bytes that the stream may take on disk; 503 beyond." default:"34359738368" group:"Engine"`
	MemoryLimit int64         `help:"Soft memory limit of the Go runtime, MiB; 0 sets none." default:"300" group:"Engine"`
	WindowCache int64         `help:"Memory for copies of windows that are in Redis, MiB, beside --memory-limit. A customer without a copy costs a read." default:"512" group:"Engine"`
	LogLevel    string        `help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info" group:"Engine"`
	LogFormat   string        `help:"text or json." enum:"text,json" default:"text" group:"Engine"`
}

// policyFlags are the thresholds; every command that judges has them.
type policyFlags struct {
	Challenge int `help:"Scores from here on are challenged (1 to 1001)." default:"350" group:"Policy"`
	Review    int `help:"Scores from here on are held for an analyst." default:"550" group:"Policy"`
	Decline   int `help:"Scores from here on are refused." default:"800" group:"Policy"`
}

// defaultWindowCache is that of --window-cache, MiB.
const defaultWindowCache = 512

// defaultSettings are those of serve with nothing given, for commands that run the program on a folder of their own.
func defaultSettings(dataDir, keysDir string) *Settings {
	limits, policy := httpapi.DefaultLimits(), decision.DefaultPolicy()
	return &Settings{
		places: embeddedPlaces(dataDir, keysDir), Page: "off", DrainTime: 20 * time.Second,
		KeyRate: limits.Rate, KeyBurst: limits.Burst,
		SyncInFlight: limits.InFlight.Sync, AsyncInFlight: limits.InFlight.Async, BatchInFlight: limits.InFlight.Batch,
		policyFlags: policyFlags{policy.Challenge, policy.Review, policy.Decline},
		Partitions:  4, BatchSize: 1000, Retention: 168 * time.Hour, StreamRoom: 32 << 30, MemoryLimit: 300, WindowCache: defaultWindowCache,
		LogLevel: "warn", LogFormat: "text",
	}
}

// policy are the thresholds of the flags.
func (s *policyFlags) policy() decision.Policy {
	p := decision.Policy{Name: "custom", Challenge: s.Challenge, Review: s.Review, Decline: s.Decline}
	if d := decision.DefaultPolicy(); p.Challenge == d.Challenge && p.Review == d.Review && p.Decline == d.Decline {
		return d
	}
	return p
}

// Validate refuses settings that cannot work together; kong calls it.
func (s *Settings) Validate() error {
	var faults []error
	if err := s.policy().Validate(); err != nil {
		faults = append(faults, err)
	}
	if err := s.places.validate(); err != nil {
		faults = append(faults, err)
	}
	for _, n := range []struct {
		flag  string
		value int
	}{{"--partitions", s.Partitions}, {"--batch-size", s.BatchSize}, {"--sync-in-flight", s.SyncInFlight}, {"--async-in-flight", s.AsyncInFlight},
		{"--batch-in-flight", s.BatchInFlight}, {"--key-burst", s.KeyBurst}} {
		if n.value < 1 {
			faults = append(faults, fmt.Errorf("%s must be at least 1", n.flag))
		}
	}
	if s.Partitions > 256 {
		faults = append(faults, errors.New("--partitions must be at most 256"))
	}
	if s.DrainTime <= 0 {
		faults = append(faults, errors.New("--drain-time must be above 0"))
	}
	if s.Retention <= 0 {
		faults = append(faults, errors.New("--retention must be above 0"))
	}
	if s.StreamRoom < 64<<20 {
		faults = append(faults, errors.New("--stream-room must be at least 64 MiB (67108864)"))
	}
	if s.MemoryLimit < 0 {
		faults = append(faults, errors.New("--memory-limit must not be negative"))
	}
	if s.WindowCache < 1 {
		faults = append(faults, errors.New("--window-cache must be at least 1 MiB"))
	}
	if s.Page == "open" && !loopback(s.Listen) {
		faults = append(faults, errors.New("refuse --page open on an address that others can reach: use --page session, or listen on 127.0.0.1"))
	}
	if s.MetricsListen != "" && !loopback(s.MetricsListen) {
		faults = append(faults, errors.New("refuse --metrics-listen on an address that others can reach: metrics tell how the shop is doing, scrape them on loopback"))
	}
	if s.KeyRate <= 0 {
		faults = append(faults, errors.New("--key-rate must be above 0"))
	}
	return errors.Join(faults...)
}

// loadSettings reads a settings file. A key that no flag has is refused by kong.
func loadSettings(r io.Reader) (kong.Resolver, error) {
	values := map[string]any{}
	if err := yaml.NewDecoder(r).Decode(&values); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read settings file: %w", err)
	}
	return settingsFile(values), nil
}

// settingsFile answers kong with the values of a settings file.
type settingsFile map[string]any

// Validate refuses a key that no flag of any command has.
func (f settingsFile) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	for key := range f {
		if !known[key] {
			return fmt.Errorf("settings file: there is no setting %q", key)
		}
	}
	return nil
}

// Resolve implements kong.Resolver.
func (f settingsFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	v, ok := f[flag.Name]
	if !ok {
		return nil, nil
	}
	return fmt.Sprint(v), nil
}

// keysBeside is the folder of keys: the one that was named, or the data folder's name with -keys behind it, so that every
// command that is given the data finds the keys.
func keysBeside(dataDir, keysDir string) string {
	if keysDir != "" {
		return keysDir
	}
	return filepath.Clean(dataDir) + "-keys"
}

// makeDirs makes data and key folders that only their owner can enter, as far as something is embedded in them. The data
// folder also has the API keys.
func (s *Settings) makeDirs() error {
	dirs := []string{s.DataDir}
	if s.keysEmbedded() || s.kekEmbedded() || s.tokenKEKEmbedded() {
		dirs = append(dirs, s.KeysDir)
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	return nil
}

// loopback reports whether only this machine can reach an address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
