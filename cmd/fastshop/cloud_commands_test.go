package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/internal/testenv"
)

// examined runs doctor and returns its exit code and what it says of each part.
func examined(t *testing.T, flags ...string) (int, map[string]diagnosis) {
	t.Helper()
	code, out, errs := program(t, append([]string{"doctor", "--json"}, flags...)...)
	var said struct {
		OK    bool        `json:"ok"`
		Parts []diagnosis `json:"parts"`
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatalf("doctor said %q, %q: %v", out, errs, err)
	}
	if said.OK != (code == exitDone) {
		t.Errorf("ok is %v with exit code %d", said.OK, code)
	}
	parts := map[string]diagnosis{}
	for _, d := range said.Parts {
		parts[d.Part] = d
	}
	return code, parts
}

// TestAStoreAndACacheOfOnesOwn goes the way of a newcomer: doctor says what is missing, migrate and heal mend it.
func TestAStoreAndACacheOfOnesOwn(t *testing.T) {
	store := testenv.SharedPostgres(t).Database(t)
	cache := testenv.StartRedis(t).URL()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	flags := []string{"--store", store, "--velocity", cache, "--data-dir", data}

	code, parts := examined(t, flags...)
	if code != exitFound || parts["store"].OK || !strings.Contains(parts["store"].Detail+parts["store"].Advice, "fastshop migrate") {
		t.Errorf("before the migration: exit code %d, %+v", code, parts["store"])
	}
	if code, _, errs := program(t, "serve", "--store", store, "--data-dir", data, "--listen", "127.0.0.1:0", "--metrics-listen", ""); code != exitFailed || !strings.Contains(errs, "fastshop migrate") {
		t.Errorf("serve without a schema: exit code %d, %q", code, errs)
	}
	for last := int64(0); ; { // nothing is left to do for the second time
		code, out, errs := program(t, "migrate", "--store", store, "--master-store", store, "--json")
		var done migrated
		if err := json.Unmarshal([]byte(out), &done); err != nil || code != exitDone || done.From != last || done.To < 1 || !done.Roles {
			t.Fatalf("migrate: exit code %d, %q, %q, %v; want it from %d", code, out, errs, err, last)
		}
		if done.To == last {
			break
		}
		last = done.To
	}
	code, parts = examined(t, flags...)
	if !parts["store"].OK || parts["windows"].OK || !strings.Contains(parts["windows"].Advice, "windows heal") {
		t.Errorf("after the migration: exit code %d, %+v, %+v", code, parts["store"], parts["windows"])
	}
	for _, more := range [][]string{nil, {"--all", "--json"}} {
		if code, out, errs := program(t, append(append([]string{"windows", "heal"}, flags...), more...)...); code != exitDone || !strings.Contains(out, "0") {
			t.Errorf("heal: exit code %d, %q, %q", code, out, errs)
		}
	}
	if code, parts = examined(t, flags...); code != exitDone {
		t.Errorf("in the end: exit code %d, %+v", code, parts)
	}
	code, out, _ := program(t, append([]string{"doctor"}, flags...)...)
	if code != exitDone || !strings.Contains(out, "ok    store      postgres") || !strings.Contains(out, "0 transactions") {
		t.Errorf("for people: exit code %d, %q", code, out)
	}
	if code, out, errs := program(t, "deadletters", "list", "--store", store); code != exitDone || out != "" {
		t.Errorf("dead letters: exit code %d, %q, %q", code, out, errs)
	}
	if code, _, errs := program(t, "explain", "no-such", "--store", store); code != exitFailed || !strings.Contains(errs, "no decision is stored under this id") {
		t.Errorf("explain: exit code %d, %q", code, errs)
	}
}

// TestDoctorSaysInWordsWhatIsWrong names places that cannot be entered. No answer repeats a password.
func TestDoctorSaysInWordsWhatIsWrong(t *testing.T) {
	redis := testenv.StartRedis(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	moto := testenv.SharedMoto(t).URL()
	arn := "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
	code, parts := examined(t,
		"--store", "postgres://u:pa55word@127.0.0.1:1/d?sslmode=disable", "--velocity", redis.URL()+"?shape=cluster",
		"--stream", "kinesis://nowhere?region=us-east-1&endpoint="+moto, "--keys", "dynamodb://nowhere?region=us-east-1&endpoint="+moto,
		"--kek", "awskms:///"+arn+"?endpoint="+moto, "--token-kek", "awskms:///"+arn+"?endpoint="+moto, "--data-dir", t.TempDir())
	if code != exitFound || !parts["rules"].OK {
		t.Errorf("exit code %d, rules %+v", code, parts["rules"])
	}
	for part, words := range map[string][]string{
		"store":     {"check host, port, database, user and TLS"},
		"windows":   {"cluster"},
		"stream":    {"nowhere", "is there such a stream", "kinesis:DescribeStreamSummary"},
		"keys":      {"table"},
		"kek":       {"kms:GenerateDataKey"},
		"token-kek": {"kms:GenerateDataKey"},
	} {
		said := parts[part].Detail + " " + parts[part].Advice
		if parts[part].OK {
			t.Errorf("%s is said to be well: %s", part, said)
		}
		for _, w := range words {
			if !strings.Contains(said, w) {
				t.Errorf("%s: %q does not say %q", part, said, w)
			}
		}
		if strings.Contains(said, "pa55word") {
			t.Errorf("%s repeats the password: %q", part, said)
		}
	}
}

func TestCommandsOfTheCloudRefuseEmbeddedPlaces(t *testing.T) {
	for _, c := range []struct {
		args  []string
		fault string
	}{
		{[]string{"migrate"}, "--store names no PostgreSQL store"},
		{[]string{"windows", "heal", "--data-dir", t.TempDir()}, "--velocity names no Redis"},
		{[]string{"lambda", "process"}, "--store must be in the cloud"},
		{[]string{"lambda", "none"}, "unknown function"},
		{[]string{"lambda"}, "neither the command line nor _HANDLER"},
	} {
		t.Setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
		if code, _, errs := program(t, c.args...); code != exitFailed || !strings.Contains(errs, c.fault) {
			t.Errorf("%v: exit code %d, %q; want %q", c.args, code, errs, c.fault)
		}
	}
}
