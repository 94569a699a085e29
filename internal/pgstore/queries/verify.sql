-- name: Chains :many
SELECT DISTINCT chain FROM audit_entries ORDER BY chain;

-- name: Heads :many
SELECT chain, seq, hash FROM chains WHERE seq > 0 ORDER BY chain;

-- name: EntriesAfter :many
SELECT chain, seq, at, newest, first_row, last_row, first_dead, last_dead, count, kind, rows, prev, hash
FROM audit_entries WHERE chain = @chain AND seq > @after ORDER BY seq LIMIT @most;

-- name: CoveredLabels :many
SELECT t.key, l.verdict, l.source, l.known_at, l.recorded_at
FROM labels l LEFT JOIN transactions t ON t.seq = l.subject WHERE l.seq BETWEEN @first AND @last ORDER BY l.seq;

-- name: CoveredChanges :many
SELECT removed, list, kind, expires_at, at FROM list_changes WHERE seq BETWEEN @first AND @last ORDER BY seq;

-- name: CoveredDeadLetters :many
SELECT partition, position, reason FROM dead_letters WHERE seq BETWEEN @first AND @last ORDER BY seq;

-- name: CountAll :one
SELECT (SELECT count(*) FROM transactions) AS transactions, (SELECT count(*) FROM labels) AS labels,
    (SELECT count(*) FROM list_changes) AS changes, (SELECT count(*) FROM dead_letters) AS dead_letters;

-- name: StrayAlerts :many
SELECT a.subject FROM alerts a WHERE NOT EXISTS (SELECT FROM transactions t WHERE t.seq = a.subject) ORDER BY a.subject;

-- name: Verdicts :many
SELECT l.seq, l.verdict, (t.seq IS NULL)::boolean AS stray FROM labels l LEFT JOIN transactions t ON t.seq = l.subject
WHERE l.seq > @after ORDER BY l.seq LIMIT @most;

-- name: CountOpenDeadLetters :one
SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL;

-- name: StrayListEntries :many
SELECT e.seq FROM list_entries e LEFT JOIN list_changes c
    ON c.seq = e.seq AND NOT c.removed AND c.list = e.list AND c.kind = e.kind
WHERE c.seq IS NULL ORDER BY e.seq;
