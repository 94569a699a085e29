package pgstore_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/testenv"
)

func TestURLs(t *testing.T) {
	t.Setenv("PGPASSWORD", "from the environment")
	t.Setenv("PGSSLMODE", "disable")
	for url, want := range map[string]string{
		"postgres://fastshop_ingest@rds-1.abc.us-east-1.rds.amazonaws.com:6432/fastshop?sslmode=verify-full&auth=iam&region=us-east-1": "1 us-east-1 '' fastshop_ingest rds-1.abc.us-east-1.rds.amazonaws.com:6432 fastshop",
		"postgres://rds-1:6432/fastshop?auth=secret&secret=arn:aws:secretsmanager:us-east-1:1:secret:rds!db-e5":                        "2  'arn:aws:secretsmanager:us-east-1:1:secret:rds!db-e5'  rds-1:6432 fastshop",
		"postgresql://u:geheim@h/d?sslmode=disable": "0  '' u h:5432 d",
		"postgres://u@h/d?auth=password":            "0  '' u h:5432 d",
	} {
		c, err := pgstore.ParseURL(url)
		got := fmt.Sprintf("%d %s '%s' %s %s %s", c.Auth, c.Region, c.Secret, c.User(), c.Endpoint(), c.Database())
		if err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", url, got, err, want)
		}
		for _, shown := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c)} {
			if strings.Contains(shown, "geheim") || strings.Contains(shown, "from the environment") {
				t.Errorf("%s shows its password: %s", url, shown)
			}
		}
	}
	if c := parse(t, "postgres://h/d?auth=secret&secret=s").WithUser("u", "p"); c.User() != "u" {
		t.Errorf("the secret's user is %q", c.User())
	}
	for _, url := range []string{
		"", "mysql://u@h/d", "postgres://u@h", "postgres://u:geheim@/d", "postgres://h/d", "postgres://u:geheim@h/d?auth=magic", "postgres://u@h/d?auth=secret",
		"postgres://u:geheim@h:port/d", "postgres://u:geheim@h/d?sslmode=maybe", "postgres://u:geheim@h/d?sslrootcert=/no/such/file", "postgres://u:ge\x00heim@h/d",
	} {
		if _, err := pgstore.ParseURL(url); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v, want an error without the password", url, err)
		}
	}
}

func TestTLSIsVerified(t *testing.T) {
	server := testenv.StartPostgres(t, testenv.TLS)
	url := migrated(t, server)
	s := open(t, url, pgstore.Options{})
	commit(t, s, samples(0, 2)...)
	verify(t, s)
	var encrypted bool
	if err := dial(t, url).QueryRow(t.Context(), "SELECT bool_and(ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE application_name = 'fastshop'").Scan(&encrypted); err != nil || !encrypted {
		t.Errorf("encrypted: %v, %v", encrypted, err)
	}
	stranger := filepath.Join(t.TempDir(), "ca.pem")
	other := testenv.StartPostgres(t, testenv.TLS)
	pem, err := os.ReadFile(other.CA())
	if err == nil {
		err = os.WriteFile(stranger, pem, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"another authority": strings.ReplaceAll(url, escaped(server.CA()), escaped(stranger)),
		"no authority":      strings.ReplaceAll(url, "&sslrootcert="+escaped(server.CA()), ""),
		"another name":      strings.ReplaceAll(url, "127.0.0.1", "127.0.0.2"),
		"no TLS":            strings.ReplaceAll(url, "sslmode=verify-full", "sslmode=disable"),
	} {
		if bad == url {
			t.Fatalf("%s: the URL is the same", name)
		}
		_, err := pgstore.Open(t.Context(), pgstore.Options{Config: parse(t, bad)})
		if !errors.Is(err, pipeline.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		var wrong *tls.CertificateVerificationError
		if name == "another authority" && !errors.As(err, &wrong) {
			t.Errorf("%s: %v, want a word about the certificate", name, err)
		}
	}
}

func escaped(path string) string { return strings.ReplaceAll(path, "/", "%2F") }

// TestEveryConnectionAsksForItsPassword has tokens that change.
func TestEveryConnectionAsksForItsPassword(t *testing.T) {
	server := testenv.SharedPostgres(t)
	url := migrated(t, server)
	var asked atomic.Int64
	s := open(t, url, pgstore.Options{Password: func(context.Context) (string, error) { return fmt.Sprint("token", asked.Add(1)), nil }})
	before := asked.Load()
	if before == 0 {
		t.Error("nobody was asked")
	}
	conn := dial(t, url)
	_, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fastshop' AND datname = current_database()")
	if err != nil {
		t.Fatal(err)
	}
	for try := 0; s.Ready(t.Context()) != nil && try < 10; try++ {
	}
	commit(t, s, samples(0, 1)...)
	if asked.Load() <= before {
		t.Error("a new connection used an old password")
	}
	_, err = pgstore.Open(t.Context(), pgstore.Options{Config: parse(t, url), Password: func(context.Context) (string, error) { return "", errUndo }})
	if !errors.Is(err, errUndo) || !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("open without a token: %v", err)
	}
}

// TestWhatProductionWritesIsRead reads the settings that the deployment gives the program.
func TestWhatProductionWritesIsRead(t *testing.T) {
	golden, err := os.ReadFile("../../infra/settings.golden")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for line := range strings.Lines(string(golden)) {
		_, url, ok := strings.Cut(strings.TrimSpace(line), "STORE=")
		if !ok {
			continue
		}
		c, err := pgstore.ParseURL(url)
		if err != nil || c.Database() != "fastshop" || c.Auth == pgstore.IAM && c.Region == "" || c.Auth == pgstore.Password {
			t.Errorf("%s: %+v, %v", line, c, err)
		}
		read++
	}
	if read < 3 {
		t.Errorf("%d stores are named", read)
	}
}
