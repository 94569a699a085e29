-- name: NextBlock :one
SELECT nextval('blocks')::bigint;

-- name: LockChain :exec
-- Whoever writes under a chain as a whole is alone until its transaction ends. Commits do not ask for this.
SELECT pg_advisory_xact_lock(7310, hashtext(@chain));

-- name: Subjects :many
SELECT seq, key, outcome, flags, payload FROM transactions WHERE key = ANY (@keys::bytea[]);

-- name: LabelsOf :many
SELECT seq, subject, verdict, source, known_at, recorded_at FROM labels WHERE subject = ANY (@subjects::bigint[]) ORDER BY seq;

-- name: InsertLabel :exec
INSERT INTO labels (seq, subject, verdict, source, known_at, recorded_at) VALUES (@seq, @subject, @verdict, @source, @known_at, @recorded_at);

-- name: PutListEntry :one
-- The entry's number, which is its own if the identifier was on the list.
INSERT INTO list_entries (list, kind, token, seq, expires_at, reason, added_by, added_at)
VALUES (@list, @kind, @token, @seq, @expires_at, @reason, @added_by, @added_at)
ON CONFLICT (list, kind, token) DO UPDATE
SET expires_at = excluded.expires_at, reason = excluded.reason, added_by = excluded.added_by, added_at = excluded.added_at
RETURNING seq;

-- name: DeleteListEntry :execrows
DELETE FROM list_entries WHERE list = @list AND kind = @kind AND token = @token;

-- name: InsertListChange :exec
INSERT INTO list_changes (seq, removed, list, kind, expires_at, at) VALUES (@seq, @removed, @list, @kind, @expires_at, @at);

-- name: PutPlan :exec
INSERT INTO plans (version, names) VALUES (@version, @names) ON CONFLICT DO NOTHING;

-- name: PutRuleSet :exec
INSERT INTO rule_sets (version, text) VALUES (@version, @text) ON CONFLICT DO NOTHING;

-- name: Bind :exec
INSERT INTO bindings (name, value) VALUES (@name, @value) ON CONFLICT DO NOTHING;

-- name: HoldCommits :one
SELECT hold_commits()::bigint;

-- name: LastBlock :one
SELECT coalesce(pg_sequence_last_value('blocks'), 0)::bigint;

-- name: CustomersBetween :many
-- Rows of customers, a range at a time.
SELECT seq FROM transactions WHERE seq BETWEEN @first AND @last AND customer = ANY (@customers::bytea[]) AND flags & 2 = 0;

-- name: PageEnd :one
-- The last of the next rows up to one; 0 if there is none.
SELECT coalesce(max(seq), 0)::bigint FROM (
    SELECT seq FROM transactions WHERE seq >= @first AND seq <= @last ORDER BY seq LIMIT @most
) AS page;

-- name: EraseRows :execrows
UPDATE transactions SET mac = NULL, sealed = NULL, flags = (flags | 2) & ~4 WHERE seq = ANY (@seqs::bigint[]) AND flags & 2 = 0;
