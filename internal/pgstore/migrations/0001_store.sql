-- The store in one database, in schema fastshop. Moments are kept to the millisecond.
-- Every index costs throughput on the way in; those that are here answer a question that someone asks.

-- +goose Up

-- Whoever writes takes a block of 65,536 numbers: seq is block * 65536 + place. So the rows of a commit are a range that
-- nobody else writes into, and a commit that began after another one ended has the higher numbers.
CREATE SEQUENCE blocks AS bigint;

-- Decided transactions, in the order of commits. Columns of fixed width come first.
CREATE TABLE transactions (
    seq         bigint      NOT NULL PRIMARY KEY, -- ascending, with gaps
    occurred_at timestamptz NOT NULL,
    outcome     smallint    NOT NULL,             -- decision.Outcome
    flags       smallint    NOT NULL,             -- ledger.Flags: 1 anomalous, 2 erased, 4 uncounted
    customer    bytea       NOT NULL,             -- token
    key         bytea       NOT NULL,             -- the id, a UUID in 17 bytes: see function id_key
    payload     bytea       NOT NULL,             -- package payment's wire form, without seal and MAC
    decision    bytea       NOT NULL,             -- package ledger's codec
    mac         bytea,                            -- payload MAC; NULL once erased
    sealed      bytea                             -- personal fields; NULL if there are none, or once erased
);
-- What is sealed cannot be compressed.
ALTER TABLE transactions ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX transactions_key ON transactions (key);
CREATE INDEX transactions_uncounted ON transactions (seq) WHERE flags & 4 <> 0;
-- No index on customer: with customers in random order it would double the pages that a commit writes, for a question
-- (erasure) that is asked rarely and may read the table.

-- What became known later: all labels, none is ever changed. The newest by known_at, then recorded_at, then seq counts.
CREATE TABLE labels (
    seq         bigint      NOT NULL PRIMARY KEY,
    subject     bigint      NOT NULL,             -- transactions.seq
    known_at    timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    verdict     smallint    NOT NULL,             -- review.Verdict
    source      smallint    NOT NULL              -- review.Source
);
CREATE UNIQUE INDEX labels_same ON labels (subject, known_at, verdict, source);

CREATE TABLE alerts (
    subject   bigint      NOT NULL PRIMARY KEY,   -- transactions.seq
    opened_at timestamptz NOT NULL,
    score     bigint      NOT NULL,
    code      text        NOT NULL
);

CREATE TABLE checkpoints (
    partition text   NOT NULL PRIMARY KEY,
    stream    text   NOT NULL,
    position  text   NOT NULL,
    records   bigint NOT NULL
) WITH (fillfactor = 20); -- room to change a row in its page

-- Records that were put aside. A record that fails again after it was settled gets a row of its own.
CREATE TABLE dead_letters (
    seq         bigint      NOT NULL PRIMARY KEY,
    at          timestamptz NOT NULL,
    resolved_at timestamptz,                      -- NULL while open
    partition   text        NOT NULL,
    position    text        NOT NULL,
    key         bytea       NOT NULL,
    data        bytea       NOT NULL,             -- sealed, as it stood in the stream
    reason      text        NOT NULL,
    detail      text        NOT NULL
);
CREATE UNIQUE INDEX dead_letters_open ON dead_letters (partition, position) WHERE resolved_at IS NULL;

-- The audit chains. An entry covers the rows of a range that exist: ranges have gaps where an id was taken.
CREATE TABLE audit_entries (
    chain      text        NOT NULL,
    seq        bigint      NOT NULL,
    at         timestamptz NOT NULL,
    newest     timestamptz,                       -- latest occurred_at of the transactions: where a rebuild may begin
    first_row  bigint      NOT NULL,              -- range of seq in transactions, labels or list_changes, by kind
    last_row   bigint      NOT NULL,
    first_dead bigint      NOT NULL,              -- range of seq in dead_letters
    last_dead  bigint      NOT NULL,
    count      integer     NOT NULL,
    kind       text        NOT NULL,
    rows       bytea       NOT NULL,
    prev       bytea       NOT NULL,
    hash       bytea       NOT NULL,
    PRIMARY KEY (chain, seq)
);
-- Both moments grow with the table, so that a summary of its pages is enough.
CREATE INDEX audit_entries_time ON audit_entries USING brin (at, newest) WITH (pages_per_range = 16, autosummarize = on);

-- The heads of the chains, with running counts of what was written under them; together these are the store's totals.
-- A commit locks its chain's row, as the last thing that it does.
CREATE TABLE chains (
    chain        text   NOT NULL PRIMARY KEY,     -- '' for counts that belong to none
    seq          bigint NOT NULL DEFAULT 0,
    hash         bytea  NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    approve      bigint NOT NULL DEFAULT 0,
    challenge    bigint NOT NULL DEFAULT 0,
    review       bigint NOT NULL DEFAULT 0,
    decline      bigint NOT NULL DEFAULT 0,
    frauds       bigint NOT NULL DEFAULT 0,       -- labels that say so
    genuine      bigint NOT NULL DEFAULT 0,
    alerts       bigint NOT NULL DEFAULT 0,
    dead_letters bigint NOT NULL DEFAULT 0,       -- open ones
    erased       bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

-- The names of feature values, which decisions hold without them.
CREATE TABLE plans (
    version text NOT NULL PRIMARY KEY,
    names   text NOT NULL                         -- one to a line
);

-- Block and allow lists as they are now.
CREATE TABLE list_entries (
    list       smallint    NOT NULL,              -- payment.Lists
    kind       smallint    NOT NULL,              -- ledger.ListKind
    token      bytea       NOT NULL,
    seq        bigint      NOT NULL,              -- list_changes.seq of the change that added it
    added_at   timestamptz NOT NULL,
    expires_at timestamptz,                       -- NULL: never
    reason     text        NOT NULL,
    added_by   text        NOT NULL,              -- id of an API key
    PRIMARY KEY (list, kind, token)
);

-- What the audit chain of the lists covers. Without tokens, so that an entry can go for good.
CREATE TABLE list_changes (
    seq        bigint      NOT NULL PRIMARY KEY,
    at         timestamptz NOT NULL,
    expires_at timestamptz,
    removed    boolean     NOT NULL,
    list       smallint    NOT NULL,
    kind       smallint    NOT NULL
);

-- What this database belongs to: written once, compared at every start.
CREATE TABLE bindings (
    name  text NOT NULL PRIMARY KEY,
    value text NOT NULL
);

-- +goose StatementBegin
-- id_key is the stored form of a transaction id: a UUID in lower case is a zero byte and its 16 bytes, any other id is its
-- text. Ids that ascend (UUIDs of version 7, counters) stay in their order, so that an index on them is written at its end.
CREATE FUNCTION id_key(id text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
    THEN '\x00'::bytea || decode(replace(id, '-', ''), 'hex')
    ELSE convert_to(id, 'UTF8') END;
-- +goose StatementEnd

-- +goose StatementBegin
-- append_audit adds entries to a chain and counts to its row; it is the only way to write either. The hashes are those
-- of package audit. The chain's row stays locked until the transaction ends.
CREATE FUNCTION append_audit(
    p_chain text, p_kind text, p_at timestamptz, p_counts integer[], p_rows bytea[], p_first_rows bigint[], p_last_rows bigint[],
    p_first_dead bigint[], p_last_dead bigint[], p_newest timestamptz[], p_totals bigint[]
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = fastshop, pg_temp AS $$
DECLARE
    name   bytea := convert_to(p_chain, 'UTF8');
    kind   bytea := convert_to(p_kind, 'UTF8');
    tag    bytea := convert_to('fastshop audit entry 1', 'UTF8');
    millis bytea := int8send((extract(epoch FROM p_at) * 1000)::bigint);
    head   chains%ROWTYPE;
    prev   bytea;
BEGIN
    SELECT * INTO head FROM chains WHERE chain = p_chain FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO chains (chain) VALUES (p_chain) ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT head FROM chains WHERE chain = p_chain FOR NO KEY UPDATE;
    END IF;
    FOR i IN 1 .. coalesce(cardinality(p_counts), 0) LOOP
        prev := head.hash;
        head.seq := head.seq + 1;
        head.hash := sha256(
            int8send(octet_length(tag)) || tag || int8send(octet_length(name)) || name || int8send(head.seq) || millis
            || int8send(octet_length(kind)) || kind || int8send(p_counts[i]) || p_rows[i] || prev);
        INSERT INTO audit_entries (chain, seq, at, newest, first_row, last_row, first_dead, last_dead, count, kind, rows, prev, hash)
        VALUES (p_chain, head.seq, p_at, p_newest[i], p_first_rows[i], p_last_rows[i], p_first_dead[i], p_last_dead[i],
            p_counts[i], p_kind, p_rows[i], prev, head.hash);
    END LOOP;
    UPDATE chains SET seq = head.seq, hash = head.hash,
        approve = approve + p_totals[1], challenge = challenge + p_totals[2], review = review + p_totals[3],
        decline = decline + p_totals[4], frauds = frauds + p_totals[5], genuine = genuine + p_totals[6],
        alerts = alerts + p_totals[7], dead_letters = dead_letters + p_totals[8], erased = erased + p_totals[9]
    WHERE chain = p_chain;
    RETURN head.seq;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- mark_counted takes flag uncounted from rows. It and mark_uncounted are there so that nobody needs the right to change a
-- transaction for it.
CREATE FUNCTION mark_counted(p_seqs bigint[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = fastshop, pg_temp
AS $$
    UPDATE transactions SET flags = transactions.flags & ~4
    FROM (
        SELECT seq FROM transactions WHERE seq = ANY (p_seqs) AND flags & 4 <> 0 ORDER BY seq FOR NO KEY UPDATE
    ) AS held WHERE transactions.seq = held.seq
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- mark_uncounted gives flag uncounted to rows of customers that are not erased: the windows lack something of them. It
-- locks them in the order of seq, as mark_counted does, so that neither waits for the other in a circle.
CREATE FUNCTION mark_uncounted(p_keys bytea[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = fastshop, pg_temp
AS $$
    UPDATE transactions SET flags = transactions.flags | 4
    FROM (
        SELECT seq FROM transactions WHERE key = ANY (p_keys) AND flags & 6 = 0 ORDER BY seq FOR NO KEY UPDATE
    ) AS held WHERE transactions.seq = held.seq
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- hold_commits waits for all who write transactions, keeps new ones waiting until the transaction ends, and returns the
-- last block that was taken. Everything of it and before is then stored, or never will be.
CREATE FUNCTION hold_commits() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = fastshop, pg_temp AS $$
BEGIN
    LOCK TABLE transactions IN SHARE ROW EXCLUSIVE MODE;
    RETURN (SELECT last_value FROM blocks);
END
$$;
-- +goose StatementEnd

-- Nothing is for everybody.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA fastshop FROM PUBLIC;

-- +goose StatementBegin
-- The result is what it should be, or none of it stays.
DO $$
DECLARE
    wrong text;
BEGIN
    SELECT string_agg(want, ', ') INTO wrong
    FROM unnest(ARRAY['transactions', 'labels', 'alerts', 'checkpoints', 'dead_letters', 'audit_entries', 'chains', 'plans',
        'list_entries', 'list_changes', 'bindings']) AS want
    WHERE NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'fastshop' AND tablename = want);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'tables missing from schema fastshop: %', wrong;
    END IF;
    SELECT string_agg(want, ', ') INTO wrong
    FROM unnest(ARRAY['transactions_key', 'labels_same', 'dead_letters_open']) AS want
    WHERE NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relnamespace = 'fastshop'::regnamespace AND c.relname = want AND i.indisunique AND i.indisvalid);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'unique indexes missing from schema fastshop: %', wrong;
    END IF;
    IF id_key('0123abcd-0000-7000-8000-00000000000f') <> '\x000123abcd00007000800000000000000f' OR id_key('tx-1') <> 'tx-1' THEN
        RAISE EXCEPTION 'id_key is wrong';
    END IF;
    IF EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'fastshop'::regnamespace AND prosecdef AND proconfig IS NULL) THEN
        RAISE EXCEPTION 'a function with its owner''s rights has no search_path of its own';
    END IF;
END
$$;
-- +goose StatementEnd
