package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/fastshop/pipeline/internal/payment"
)

// damageCase is a damage and the checks that must find it, in alphabetical order.
type damageCase struct {
	name   string
	damage damage
	want   string
}

func store(statement string) damage { return in(storeFile, statement) }

// damagedRows are damages of transactions and alerts.
func damagedRows() []damageCase {
	const newest, approved = "seq = (SELECT max(seq) FROM transactions)", "seq = (SELECT max(seq) FROM transactions WHERE outcome = 1)"
	return []damageCase{
		{"nothing", func(*testing.T, string) {}, ""},
		{"column outcome", store("UPDATE transactions SET outcome = 4 WHERE " + approved), "store"},
		{"column outcome of all", store("UPDATE transactions SET outcome = 4"), "store"},
		{"flag anomalous", store("UPDATE transactions SET flags = flags | 1 WHERE " + approved), "store"},
		{"flag erased", store("UPDATE transactions SET flags = 2 WHERE " + newest), "store"},
		{"erasure undone", store("UPDATE transactions SET flags = flags & 1 WHERE flags & 2"), "store stream"},
		{"column occurred_at", store("UPDATE transactions SET occurred_at = occurred_at - 1 WHERE " + newest), "store"},
		{"column customer", store("UPDATE transactions SET customer = zeroblob(length(customer)) WHERE " + newest), "store"},
		{"MAC gone", store("UPDATE transactions SET mac = NULL WHERE " + newest), "store stream"},
		{"another MAC", store("UPDATE transactions SET mac = zeroblob(32) WHERE " + newest), "stream"},
		{"score", rewrite("decision", func(b []byte) []byte { b[4] += 2; return b }), "audit"},
		{"amount", payload(func(x *payment.Transaction) { x.Amount.Centavos++ }), "audit"},
		{"payload unreadable", rewrite("payload", func([]byte) []byte { return []byte{0} }), "audit personal data store windows"},
		{"seal", rewrite("sealed", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), "personal data"},
		{"row deleted", store("DELETE FROM transactions WHERE " + approved), "audit store stream"},
		{"row inserted", inserted, "audit personal data store"},
		{"alert deleted", store("DELETE FROM alerts WHERE subject = (SELECT max(subject) FROM alerts)"), "store"},
		{"alert changed", store("UPDATE alerts SET score = score + 1"), "store"},
		{"rules changed", store("UPDATE rule_sets SET text = CAST(replace(CAST(text AS TEXT), 'points:', 'points: 1') AS BLOB)"), "store"},
		{"rules under another version", store("UPDATE rule_sets SET version = version || '0'"), "store"},
	}
}

// damagedBooks are damages of what is kept about transactions.
func damagedBooks() []damageCase {
	return []damageCase{
		{"audit entry deleted", store("DELETE FROM audit_entries WHERE chain = 'partition/0' AND seq = 2"), "audit"},
		{"last audit entry deleted", store("DELETE FROM audit_entries WHERE chain = 'labels' AND seq = (SELECT max(seq) FROM audit_entries WHERE chain = 'labels')"), "audit"},
		{"audit entries swapped", swapped, "audit"},
		{"audit entry without time", store("UPDATE audit_entries SET newest = 0 WHERE chain = 'partition/0' AND seq = 2"), "audit"},
		{"checkpoint position on", store("UPDATE checkpoints SET position = position + 1"), "stream"},
		{"checkpoint position back", store("UPDATE checkpoints SET position = position - 1"), "stream"},
		{"checkpoint on", store("UPDATE checkpoints SET position = position + 1, records = records + 1"), "stream"},
		{"checkpoint back", store("UPDATE checkpoints SET position = position - 2, records = records - 2"), "stream"},
		{"checkpoint gone", store("DELETE FROM checkpoints"), "stream"},
		{"checkpoint of another stream", store("UPDATE checkpoints SET stream = 'another'"), "stream"},
		{"dead letter deleted", store("DELETE FROM dead_letters"), "audit store stream"},
		{"dead letter settled", store("UPDATE dead_letters SET resolved_at = 1"), "store stream"},
		{"dead letter changed", store("UPDATE dead_letters SET data = x'01'"), "stream"},
		{"label deleted", store("DELETE FROM labels WHERE seq = 1"), "audit store"},
		{"label turned", store("UPDATE labels SET verdict = 3 - verdict WHERE seq = 1"), "audit store"},
		{"list entry", store("UPDATE list_entries SET list = 2"), "store"},
		{"list change deleted", store("DELETE FROM list_changes"), "audit store"},
		{"totals of an outcome", store("UPDATE totals SET approve = approve - 1, decline = decline + 1"), "store"},
		{"totals of alerts", store("UPDATE totals SET alerts = alerts + 1"), "store"},
		{"totals of labels", store("UPDATE totals SET frauds = frauds - 1"), "store"},
		{"totals of dead letters", store("UPDATE totals SET dead_letters = 0"), "store"},
	}
}

// damagedFiles are damages of the stream, and files that should not be there.
func damagedFiles(email string) []damageCase {
	return []damageCase{
		{"end of the stream cut off", in(streamFile, "DELETE FROM chunks WHERE place = (SELECT max(place) FROM chunks)"), "stream"},
		{"hole in the stream", in(streamFile, "DELETE FROM chunks WHERE place = (SELECT place FROM chunks ORDER BY place LIMIT 1 OFFSET 1)"), "stream"},
		{"record changed", in(streamFile, "UPDATE chunks SET data = zeroblob(length(data)) WHERE place = (SELECT max(place) FROM chunks)"), "stream"},
		{"another stream", in(streamFile, "UPDATE stream SET id = 'another'"), "stream"},
		{"personal data", planted("note.txt", email), "personal data"},
		{"personal data further down", planted("old/note.txt", email), "personal data"},
		{"no personal data", planted("note.txt", "nobody@example.org"), ""},
	}
}

// damage changes a copy of a data folder.
type damage func(t *testing.T, dir string)

// in runs SQL on one of the data files, which must change something.
func in(file, statement string, args ...any) damage {
	return func(t *testing.T, dir string) {
		t.Helper()
		db, err := sql.Open("sqlite", filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		result, err := db.ExecContext(t.Context(), statement, args...)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			t.Fatalf("%q changed nothing (%v)", statement, err)
		}
	}
}

// rewrite changes a column of the newest approved row.
func rewrite(column string, change func([]byte) []byte) damage {
	return func(t *testing.T, dir string) {
		t.Helper()
		db, err := sql.Open("sqlite", filepath.Join(dir, storeFile))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var seq int64
		var value []byte
		newest := "SELECT seq, " + column + " FROM transactions WHERE outcome = 1 ORDER BY seq DESC LIMIT 1"
		if err := db.QueryRowContext(t.Context(), newest).Scan(&seq, &value); err != nil {
			t.Fatal(err)
		}
		in(storeFile, "UPDATE transactions SET "+column+" = ? WHERE seq = ?", change(value), seq)(t, dir)
	}
}

// payload changes the payload of the newest approved row and nothing else.
func payload(change func(*payment.Transaction)) damage {
	return rewrite("payload", func(b []byte) []byte {
		x, err := payment.DecodeTransaction(b)
		if err != nil {
			panic(err)
		}
		change(&x)
		return payment.AppendTransaction(nil, &x)
	})
}

func planted(name, text string) damage {
	return func(t *testing.T, dir string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("a note about "+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// inserted adds a row that never went through the program: a copy of the newest one under another id.
func inserted(t *testing.T, dir string) {
	t.Helper()
	in(storeFile, `INSERT INTO transactions SELECT seq + 1, 'forged', occurred_at, outcome, flags, customer, payload, decision, mac, sealed
		FROM transactions WHERE outcome = 1 ORDER BY seq DESC LIMIT 1`)(t, dir)
	db, err := sql.Open("sqlite", filepath.Join(dir, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var value []byte
	if err := db.QueryRowContext(t.Context(), "SELECT payload FROM transactions WHERE id = 'forged'").Scan(&value); err != nil {
		t.Fatal(err)
	}
	x, err := payment.DecodeTransaction(value)
	if err != nil {
		t.Fatal(err)
	}
	x.ID = "forged"
	in(storeFile, "UPDATE transactions SET payload = ? WHERE id = 'forged'", payment.AppendTransaction(nil, &x))(t, dir)
}

// swapped lets two audit entries change places.
func swapped(t *testing.T, dir string) {
	t.Helper()
	for _, move := range [][2]int{{2, 1000}, {3, 2}, {1000, 3}} {
		in(storeFile, "UPDATE audit_entries SET seq = ? WHERE chain = 'partition/0' AND seq = ?", move[1], move[0])(t, dir)
	}
}
