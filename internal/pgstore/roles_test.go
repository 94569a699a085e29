package pgstore_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/testenv"
)

// as is the URL for another user.
func as(t *testing.T, raw, user string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(user)
	return u.String()
}

// deployed is a database as a deployment makes it: roles by a master user who is no superuser, the schema by its owner.
func deployed(t *testing.T) string {
	t.Helper()
	server := testenv.StartPostgres(t)
	super := server.Database(t)
	config := parse(t, super)
	for _, sql := range []string{
		"CREATE ROLE rds_iam", "CREATE ROLE master LOGIN CREATEROLE CREATEDB", "GRANT rds_iam TO master WITH ADMIN OPTION",
		"ALTER DATABASE " + config.Database() + " OWNER TO master",
	} {
		server.Exec(t, sql)
	}
	var group sync.WaitGroup
	for range 2 { // twice, at once
		group.Go(func() {
			if err := pgstore.EnsureRoles(t.Context(), pgstore.Options{Config: parse(t, as(t, super, "master"))}); err != nil {
				t.Errorf("ensure roles: %v", err)
			}
		})
	}
	group.Wait()
	for range 2 {
		if _, _, err := pgstore.Migrate(t.Context(), pgstore.Options{Config: parse(t, as(t, super, pgstore.MigrateRole))}); err != nil {
			t.Fatal(err)
		}
	}
	return super
}

func TestRoles(t *testing.T) {
	super := deployed(t)
	stores := make(map[string]*pgstore.Store)
	all := []string{pgstore.IngestRole, pgstore.ProcessorRole, pgstore.ConsoleRole, pgstore.PrivacyRole}
	for _, role := range all {
		stores[role] = open(t, as(t, super, role), pgstore.Options{Now: clock})
	}
	t.Run("what they do for the program", func(t *testing.T) { useRoles(t, stores) })
	t.Run("what they may not", func(t *testing.T) { abuseRoles(t, super, all) })
	t.Run("who may connect", func(t *testing.T) {
		conn := dial(t, super)
		if _, err := conn.Exec(t.Context(), "CREATE ROLE stranger LOGIN"); err != nil {
			t.Fatal(err)
		}
		if _, err := pgstore.Open(t.Context(), pgstore.Options{Config: parse(t, as(t, super, "stranger"))}); err == nil {
			t.Error("a stranger opened the store")
		}
		for _, role := range append(all, pgstore.MigrateRole) {
			var member, password bool
			err := conn.QueryRow(t.Context(), "SELECT pg_has_role($1, 'rds_iam', 'MEMBER'), rolpassword IS NOT NULL FROM pg_authid WHERE rolname = $1", role).Scan(&member, &password)
			if err != nil || !member || password {
				t.Errorf("%s: member of rds_iam %v, has a password %v, %v", role, member, password, err)
			}
		}
	})
	t.Run("verify", func(t *testing.T) {
		for _, s := range stores {
			verify(t, s)
		}
	})
	t.Run("verify without sealed fields", func(t *testing.T) { verifyHidden(t, super, stores) })
}

// useRoles has each role do what its part of the program does.
func useRoles(t *testing.T, stores map[string]*pgstore.Store) {
	ingest, processor := stores[pgstore.IngestRole], stores[pgstore.ProcessorRole]
	console, privacy := stores[pgstore.ConsoleRole], stores[pgstore.PrivacyRole]
	sync, degraded := samples(100, 1)[0], samples(3, 1)[0]
	degraded.Decision.Degraded |= decision.FeaturesDegraded
	async := step("0", 0, 5)
	async.Entries = append(async.Entries, degraded)
	async.DeadLetters = []pipeline.DeadLetter{{DeadLetterKey: pipeline.DeadLetterKey{Partition: "0", Position: "1"}, Reason: pipeline.Undecodable, At: now}}
	async.Resolved = []pipeline.DeadLetterKey{{Partition: "0", Position: "none"}}
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	do("rule set of the start", ingest.PutRuleSet(t.Context(), "rules@0", []byte("name: rules")))
	label := []review.Label{{TransactionID: sync.Transaction.ID, Verdict: review.Fraud, Source: review.Report, KnownAt: now}}
	entry := ledger.ListEntry{List: payment.Blocked, Kind: 5, Token: payment.Token{1}}
	do("synchronous commit", failure(ingest.Commit(t.Context(), pipeline.Batch{Chain: "sync", Entries: []pipeline.Entry{sync}})))
	do("commit of a partition", failure(processor.Commit(t.Context(), async)))
	do("label by API", failure(ingest.Label(t.Context(), label)))
	label[0].Verdict = review.Genuine
	do("label by an analyst", failure(console.Label(t.Context(), label)))
	for name, s := range stores {
		do("decision by "+name, failure(s.Decision(t.Context(), sync.Transaction.ID)))
		do("replay by "+name, s.Replay(t.Context(), time.Time{}, func(pipeline.Labeled) error { return nil }))
		do("dead letters by "+name, failure(s.DeadLetters(t.Context(), 0, -1)))
		do("rule set by "+name, failure(s.RuleSet(t.Context(), "rules@0")))
		do("totals by "+name, failure(s.Totals(t.Context())))
		do("ready by "+name, s.Ready(t.Context()))
		do("chains by "+name, failure(s.VerifyChains(t.Context())))
		found, err := s.Decision(t.Context(), sync.Transaction.ID)
		if sees := name == pgstore.ConsoleRole || name == pgstore.PrivacyRole; err != nil || (found.Transaction.Sealed != nil) != sees {
			t.Errorf("%s sees sealed fields: %v, %v", name, !sees, err)
		}
		if name == pgstore.ProcessorRole {
			continue
		}
		_, _, err = s.PutListEntry(t.Context(), entry)
		do("list entry by "+name, err)
		do("its end by "+name, s.DeleteListEntry(t.Context(), entry.List, entry.Kind, entry.Token))
	}
	for _, s := range []*pgstore.Store{ingest, processor, privacy} {
		do("plan", s.PutPlan(t.Context(), "v1", []string{"a"}))
		do("rule set", s.PutRuleSet(t.Context(), "rules@1", []byte("name: rules")))
		do("binding", s.Bind(t.Context(), "stream", "x"))
	}
	_, seqs, err := processor.Uncounted(t.Context(), 10)
	if err != nil || len(seqs) != 1 {
		t.Errorf("uncounted: %d, %v", len(seqs), err)
	}
	do("counted", processor.Counted(t.Context(), seqs))
	for _, s := range []*pgstore.Store{ingest, processor, console} {
		do("uncount", s.Uncount(t.Context(), []string{sync.Transaction.ID}))
		found, seqs, err := processor.Uncounted(t.Context(), 10)
		if err != nil || len(found) != 1 || found[0].ID != sync.Transaction.ID {
			t.Errorf("uncounted: %+v, %v", found, err)
		}
		do("counted again", processor.Counted(t.Context(), seqs))
	}
	if n, err := privacy.Erase(t.Context(), sync.Transaction.Customer); err != nil || n != 1 {
		t.Errorf("erased %d, %v", n, err)
	}
	if _, err := processor.Erase(t.Context(), sync.Transaction.Customer); !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("the processor erased: %v; a missing right is no reason to put a record aside", err)
	}
	b := step("1", 0, 2)
	if _, err := ingest.Commit(t.Context(), b); !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("ingest moved a checkpoint: %v", err)
	}
}

// verifyHidden damages a row in two columns, one of which not every role may read.
func verifyHidden(t *testing.T, super string, stores map[string]*pgstore.Store) {
	damage(t, dial(t, super), "UPDATE transactions SET sealed = NULL, outcome = 1 WHERE flags & 2 = 0 AND seq = (SELECT max(seq) FROM transactions WHERE sealed IS NOT NULL AND outcome <> 1)")
	for role, s := range stores {
		var found []string
		if _, err := s.VerifyRows(t.Context(), nil, func(f *ledger.RowFault) { found = append(found, f.What) }); err != nil {
			t.Errorf("%s: %v", role, err)
		}
		want := 1
		if role == pgstore.ConsoleRole || role == pgstore.PrivacyRole {
			want = 2
		}
		if len(found) != want || !strings.HasPrefix(found[0], "column outcome is 1") || want == 2 && !strings.HasPrefix(found[1], "its sealed fields are gone") {
			t.Errorf("%s finds %q", role, found)
		}
	}
}

// abuseRoles tries what no path of the program does.
func abuseRoles(t *testing.T, super string, all []string) {
	for sql, allowed := range map[string][]string{
		"UPDATE transactions SET payload = payload":                         nil,
		"UPDATE transactions SET decision = decision":                       nil,
		"UPDATE transactions SET outcome = 1":                               nil,
		"UPDATE transactions SET flags = flags":                             {pgstore.PrivacyRole},
		"UPDATE transactions SET sealed = NULL, mac = NULL":                 {pgstore.PrivacyRole},
		"DELETE FROM transactions":                                          nil,
		"TRUNCATE transactions":                                             nil,
		"SELECT sealed FROM transactions":                                   {pgstore.ConsoleRole, pgstore.PrivacyRole},
		"SELECT mac FROM transactions":                                      all,
		"INSERT INTO alerts VALUES (1, now(), 1, '')":                       {pgstore.IngestRole, pgstore.ProcessorRole},
		"DELETE FROM alerts":                                                nil,
		"UPDATE labels SET verdict = 2":                                     nil,
		"INSERT INTO labels VALUES (1, 1, now(), now(), 1, 1)":              {pgstore.IngestRole, pgstore.ConsoleRole},
		"UPDATE checkpoints SET position = '0'":                             {pgstore.ProcessorRole},
		"DELETE FROM checkpoints":                                           nil,
		"UPDATE dead_letters SET resolved_at = now()":                       {pgstore.ProcessorRole},
		"UPDATE dead_letters SET data = ''":                                 nil,
		"DELETE FROM dead_letters":                                          nil,
		"INSERT INTO audit_entries SELECT * FROM audit_entries":             nil,
		"UPDATE audit_entries SET count = 0":                                nil,
		"DELETE FROM audit_entries":                                         nil,
		"UPDATE chains SET seq = 0":                                         nil,
		"INSERT INTO chains (chain) VALUES ('x')":                           nil,
		"UPDATE plans SET names = ''":                                       nil,
		"INSERT INTO rule_sets VALUES ('r@2', 'x')":                         {pgstore.IngestRole, pgstore.ProcessorRole, pgstore.PrivacyRole},
		"UPDATE rule_sets SET text = ''":                                    nil,
		"DELETE FROM rule_sets":                                             nil,
		"UPDATE bindings SET value = ''":                                    nil,
		"DELETE FROM list_changes":                                          nil,
		"DELETE FROM list_entries":                                          {pgstore.IngestRole, pgstore.ConsoleRole, pgstore.PrivacyRole},
		"SELECT mark_counted('{}')":                                         {pgstore.ProcessorRole},
		"SELECT mark_uncounted('{}')":                                       {pgstore.IngestRole, pgstore.ProcessorRole, pgstore.ConsoleRole},
		"SELECT hold_commits()":                                             {pgstore.PrivacyRole},
		"SELECT setval('blocks', 1)":                                        nil,
		"UPDATE schema_versions SET is_applied = false":                     nil,
		"CREATE TABLE fastshop.mine ()":                                     nil,
		"CREATE SCHEMA mine":                                                nil,
		"CREATE TEMPORARY TABLE mine ()":                                    nil,
		"CREATE FUNCTION fastshop.mine() RETURNS int LANGUAGE sql RETURN 1": nil,
	} {
		for _, role := range all {
			conn := dial(t, as(t, super, role))
			if _, err := conn.Exec(t.Context(), "SET search_path = fastshop"); err != nil {
				t.Fatal(err)
			}
			err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), sql)
				return errors.Join(err, errUndo)
			})
			var server *pgconn.PgError
			denied := errors.As(err, &server) && server.Code == "42501"
			if may := slices.Contains(allowed, role); denied == may || !may && server == nil {
				t.Errorf("%s, %s: %v; may: %v", role, sql, err, may)
			}
		}
	}
}

var errUndo = errors.New("undo")
