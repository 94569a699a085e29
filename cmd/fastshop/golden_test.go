package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream"
	"github.com/fastshop/pipeline/internal/vault/dynamokeys"
	"github.com/fastshop/pipeline/internal/vault/kmswrap"
	"github.com/fastshop/pipeline/internal/velocity/redisvelocity"
)

// deployed is the environment that the infrastructure gives each function.
func deployed(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "infra", "settings.golden"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for line := range strings.Lines(string(text)) {
		function, setting, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, value, ok := strings.Cut(setting, "=")
		if !ok {
			t.Fatalf("settings.golden: %q is no setting", line)
		}
		if all[function] == nil {
			all[function] = map[string]string{}
		}
		all[function][name] = value
	}
	if len(all) != 3 {
		t.Fatalf("settings.golden has the functions %v", sortedKeys(all))
	}
	return all
}

// variables are those of the environment that the program reads.
func variables(t *testing.T) map[string]bool {
	t.Helper()
	var c commands
	parser, err := kong.New(&c, kong.DefaultEnvars("FASTSHOP"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	_ = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			for _, name := range flag.Envs {
				known[name] = true
			}
		}
		return next(nil)
	})
	return known
}

// TestTheDeploymentsSettingsAreTheProgramsOwn reads what the infrastructure's tests write: a name that one side changes
// alone fails here.
func TestTheDeploymentsSettingsAreTheProgramsOwn(t *testing.T) {
	known := variables(t)
	for function, env := range deployed(t) {
		for name, value := range env {
			if !known[name] {
				t.Errorf("%s gets %s, which no command reads", function, name)
			}
			t.Setenv(name, value)
		}
		var c commands
		parser, err := kong.New(&c, kong.DefaultEnvars("FASTSHOP"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse([]string{"lambda", function}); err != nil {
			t.Fatalf("%s: %v", function, err)
		}
		places := &c.Lambda.places
		needed := []string{"store", "velocity"}
		if function != "process" {
			needed = append(needed, "stream", "keys", "kek", "token-kek")
		}
		if err := c.Lambda.remote(needed...); err != nil {
			t.Errorf("%s: %v", function, err)
		}
		readable(t, function, places, needed)
		if c.Lambda.Environment != "golden" || c.Lambda.LogFormat != "json" {
			t.Errorf("%s: environment %q, log format %q", function, c.Lambda.Environment, c.Lambda.LogFormat)
		}
		for name := range env {
			os.Unsetenv(name)
		}
	}
}

// readable checks that each place is what its package understands, and what it means.
func readable(t *testing.T, function string, p *places, needed []string) {
	t.Helper()
	store, err := pgstore.ParseURL(p.Store)
	if err != nil || store.Auth != pgstore.IAM || store.Region != "us-east-1" || !strings.HasPrefix(store.User(), "fastshop_") {
		t.Errorf("%s: store: %v", function, err)
	}
	cache, err := redisvelocity.ParseURL(p.Velocity)
	if err != nil || !cache.IAM || cache.Shape != redisvelocity.Cluster || cache.Prefix != "fs:" || cache.Username != "redis-app-golden" || cache.TLS == nil || cache.Region != "us-east-1" {
		t.Errorf("%s: velocity: %+v, %v", function, cache, err)
	}
	if !slices.Contains(needed, "stream") {
		return
	}
	if s, err := kinesisstream.ParseURL(p.Stream); err != nil || s.Name != "kinesis-stream-golden" || s.Region != "us-east-1" {
		t.Errorf("%s: stream: %+v, %v", function, s, err)
	}
	if k, err := dynamokeys.ParseURL(p.Keys); err != nil || k.Table != "customer-keys-golden" || k.Cloud.Region != "us-east-1" {
		t.Errorf("%s: keys: %+v, %v", function, k, err)
	}
	for _, place := range []string{p.KEK, p.TokenKEK} {
		if k, err := kmswrap.ParseURL(place); err != nil || k.Cloud.Region != "us-east-1" || !strings.HasPrefix(k.ARN, "arn:aws:kms:us-east-1:123456789012:key/") {
			t.Errorf("%s: wrapping key: %+v, %v", function, k, err)
		}
	}
}
