-- name: Checkpoint :one
SELECT stream, position, records FROM checkpoints WHERE partition = @partition;

-- name: ForeignCheckpoint :many
SELECT partition FROM checkpoints WHERE stream <> @stream ORDER BY partition LIMIT 1;

-- name: Known :many
-- What is stored for ids.
SELECT key, flags, decision, mac FROM transactions WHERE key = ANY (@keys::bytea[]);

-- name: StoredByKey :many
SELECT seq, key, flags, payload, decision, mac FROM transactions WHERE key = @key;

-- name: StoredRecently :many
SELECT seq, key, flags, payload, decision, mac FROM transactions ORDER BY seq DESC LIMIT @most;

-- name: StoredAfter :many
SELECT seq, key, flags, payload, decision, mac FROM transactions WHERE seq > @after ORDER BY seq LIMIT @most;

-- name: Sealed :many
-- The personal fields of rows. Not every role may read them.
SELECT seq, sealed FROM transactions WHERE seq = ANY (@seqs::bigint[]) AND sealed IS NOT NULL;

-- name: MaySeeSealed :one
SELECT has_column_privilege('transactions', 'sealed', 'SELECT')::boolean;

-- name: Alerts :many
SELECT subject, score, code, opened_at FROM alerts WHERE subject = ANY (@subjects::bigint[]);

-- name: LatestLabels :many
-- The labels that count.
SELECT DISTINCT ON (subject) subject, verdict, source, known_at, recorded_at FROM labels
WHERE subject = ANY (@subjects::bigint[])
ORDER BY subject, known_at DESC, recorded_at DESC, seq DESC;

-- name: LatestLabelsBetween :many
SELECT DISTINCT ON (subject) subject, verdict, source, known_at, recorded_at FROM labels
WHERE subject BETWEEN @first AND @last
ORDER BY subject, known_at DESC, recorded_at DESC, seq DESC;

-- name: DeadLetters :many
SELECT seq, partition, position, key, data, reason, detail, at FROM dead_letters
WHERE seq > @after AND resolved_at IS NULL ORDER BY seq LIMIT @most;

-- name: Totals :one
SELECT coalesce(sum(approve), 0)::bigint AS approve, coalesce(sum(challenge), 0)::bigint AS challenge, coalesce(sum(review), 0)::bigint AS review,
    coalesce(sum(decline), 0)::bigint AS decline, coalesce(sum(frauds), 0)::bigint AS frauds, coalesce(sum(genuine), 0)::bigint AS genuine,
    coalesce(sum(alerts), 0)::bigint AS alerts, coalesce(sum(dead_letters), 0)::bigint AS dead_letters, coalesce(sum(erased), 0)::bigint AS erased
FROM chains;

-- name: ReplayStart :one
-- The first row of the batches that hold something recent enough; 0 if there is none.
SELECT coalesce(min(first_row), 0)::bigint FROM audit_entries WHERE kind = 'decisions' AND newest >= @since;

-- name: LastRow :one
SELECT coalesce(max(seq), 0)::bigint FROM transactions;

-- name: ReplayPage :many
SELECT seq, outcome, flags, payload FROM transactions
WHERE seq > @after AND seq <= @last AND occurred_at >= @since AND flags & 2 = 0 ORDER BY seq LIMIT @most; -- 2 is ledger.Erased

-- name: CommittedSince :many
SELECT first_row, last_row FROM audit_entries WHERE kind = 'decisions' AND at >= @since ORDER BY first_row;

-- name: LabeledSince :many
-- The transactions that were labeled: labels are numbered in the order of their audit entries.
SELECT DISTINCT subject FROM labels
WHERE seq >= (SELECT min(first_row) FROM audit_entries WHERE kind = 'labels' AND at >= @since) ORDER BY subject;

-- name: ReplayRows :many
SELECT seq, outcome, flags, payload FROM transactions WHERE seq = ANY (@seqs::bigint[]) AND flags & 2 = 0 ORDER BY seq; -- 2 is ledger.Erased

-- name: Uncounted :many
SELECT seq, outcome, flags, payload FROM transactions WHERE flags & 4 <> 0 ORDER BY seq LIMIT @most; -- 4 is ledger.Uncounted

-- name: MarkCounted :exec
SELECT mark_counted(@seqs::bigint[]);

-- name: MarkUncounted :exec
SELECT mark_uncounted(@keys::bytea[]);

-- name: ListEntries :many
SELECT list, kind, token, seq, expires_at, reason, added_by, added_at FROM list_entries ORDER BY seq;

-- name: Plan :many
SELECT names FROM plans WHERE version = @version;

-- name: RuleSet :many
SELECT text FROM rule_sets WHERE version = @version;

-- name: RuleSets :many
SELECT version FROM rule_sets ORDER BY version COLLATE "C";

-- name: Binding :many
SELECT value FROM bindings WHERE name = @name;

-- name: Health :one
-- Whether writes would be refused, by a server that is a copy or was made read-only.
SELECT (pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean)::boolean;
