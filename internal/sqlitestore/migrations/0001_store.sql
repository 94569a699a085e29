-- The store of one data directory. Times are Unix milliseconds unless a comment says otherwise.
-- Every index costs throughput on the way in; those that are here answer a question that someone asks.

-- Decided transactions, in the order of commits. Columns that a rebuild of the windows reads come first, so that it
-- skips the rest of the row.
CREATE TABLE transactions (
    seq         INTEGER PRIMARY KEY,    -- ascending, with gaps where an id was taken
    id          TEXT    NOT NULL,
    occurred_at INTEGER NOT NULL,
    outcome     INTEGER NOT NULL,       -- decision.Outcome
    flags       INTEGER NOT NULL,       -- 1 anomalous, 2 erased
    customer    BLOB    NOT NULL,       -- token
    payload     BLOB    NOT NULL,       -- package payment's wire form, without seal and MAC
    decision    BLOB    NOT NULL,       -- decision_codec.go
    mac         BLOB,                   -- payload MAC; NULL once erased
    sealed      BLOB                    -- personal fields; NULL if there are none, or once erased
) STRICT;
CREATE UNIQUE INDEX transactions_id ON transactions (id);
-- No index on customer: with ids and customers in random order it would double the pages that a commit writes, for a
-- question (erasure) that is asked rarely and may read the table; see Store.Erase.

-- What became known later: all labels, none is ever changed. The newest by known_at, then recorded_at, then seq counts.
CREATE TABLE labels (
    seq         INTEGER PRIMARY KEY,
    subject     INTEGER NOT NULL,       -- transactions.seq
    verdict     INTEGER NOT NULL,       -- review.Verdict
    source      INTEGER NOT NULL,       -- review.Source
    known_at    INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT;
CREATE INDEX labels_subject ON labels (subject, known_at, recorded_at, verdict, source);

CREATE TABLE alerts (
    subject   INTEGER PRIMARY KEY,      -- transactions.seq
    score     INTEGER NOT NULL,
    code      TEXT    NOT NULL,
    opened_at INTEGER NOT NULL
) STRICT;

CREATE TABLE checkpoints (
    partition TEXT    NOT NULL PRIMARY KEY,
    stream    TEXT    NOT NULL,
    position  TEXT    NOT NULL,
    records   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Records that were put aside. A record that fails again after it was settled gets a row of its own.
CREATE TABLE dead_letters (
    seq         INTEGER PRIMARY KEY,
    partition   TEXT    NOT NULL,
    position    TEXT    NOT NULL,
    key         BLOB    NOT NULL,
    data        BLOB    NOT NULL,       -- sealed, as it stood in the stream
    reason      TEXT    NOT NULL,
    detail      TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    resolved_at INTEGER                 -- NULL while open
) STRICT;
CREATE UNIQUE INDEX dead_letters_open ON dead_letters (partition, position) WHERE resolved_at IS NULL;

-- The audit chains. An entry covers the rows of a range that exist: ranges have gaps where an id was taken.
CREATE TABLE audit_entries (
    chain      TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    count      INTEGER NOT NULL,
    rows       BLOB    NOT NULL,
    prev       BLOB    NOT NULL,
    hash       BLOB    NOT NULL,
    first_row  INTEGER NOT NULL,        -- range of seq in transactions, labels or list_changes, by kind
    last_row   INTEGER NOT NULL,
    first_dead INTEGER NOT NULL,        -- range of seq in dead_letters
    last_dead  INTEGER NOT NULL,
    newest     INTEGER NOT NULL,        -- latest occurred_at of the transactions: where a rebuild may begin
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;

-- The names of feature values, which decisions hold without them.
CREATE TABLE plans (
    version TEXT NOT NULL PRIMARY KEY,
    names   TEXT NOT NULL               -- one to a line
) STRICT, WITHOUT ROWID;

-- Block and allow lists as they are now.
CREATE TABLE list_entries (
    list       INTEGER NOT NULL,        -- payment.Lists
    kind       INTEGER NOT NULL,        -- ListKind
    token      BLOB    NOT NULL,
    seq        INTEGER NOT NULL,        -- list_changes.seq of the change that added it
    expires_at INTEGER,                 -- NULL: never
    reason     TEXT    NOT NULL,
    added_by   TEXT    NOT NULL,        -- id of an API key
    added_at   INTEGER NOT NULL,
    PRIMARY KEY (list, kind, token)
) STRICT, WITHOUT ROWID;

-- What the audit chain of the lists covers. Without tokens, so that an entry can go for good.
CREATE TABLE list_changes (
    seq        INTEGER PRIMARY KEY,
    removed    INTEGER NOT NULL,
    list       INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    expires_at INTEGER,
    at         INTEGER NOT NULL
) STRICT;

-- One row of running counts, so that nobody ever counts the table.
CREATE TABLE totals (
    approve      INTEGER NOT NULL,
    challenge    INTEGER NOT NULL,
    review       INTEGER NOT NULL,
    decline      INTEGER NOT NULL,
    frauds       INTEGER NOT NULL,      -- labels that say so
    genuine      INTEGER NOT NULL,
    alerts       INTEGER NOT NULL,
    dead_letters INTEGER NOT NULL,      -- open ones
    erased       INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0);


-- What this file belongs to: written once, compared at every start.
CREATE TABLE bindings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
