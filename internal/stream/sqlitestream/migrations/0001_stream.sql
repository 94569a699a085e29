-- The log of one data directory.

-- One row: who this log is. Checkpoints carry the id, so that they are never used on another log.
CREATE TABLE stream (
    id         TEXT    NOT NULL, -- 128 random bits, hexadecimal
    partitions INTEGER NOT NULL, -- fixed for good: the partition of a key depends on it
    made_at    INTEGER NOT NULL  -- Unix milliseconds
) STRICT;

-- How far each partition has been trimmed: the position of the last record that was removed, or 0.
CREATE TABLE partitions (
    partition INTEGER PRIMARY KEY,
    trimmed   INTEGER NOT NULL
) STRICT;

-- Records, many to a row: a row costs as much as a hundred records do. place is the partition in the upper 15 bits and the
-- position of the first record in the lower 48, so that a partition is one range of the table and needs no index.
CREATE TABLE chunks (
    place       INTEGER PRIMARY KEY,
    count       INTEGER NOT NULL, -- records in data
    appended_at INTEGER NOT NULL, -- Unix milliseconds
    data        BLOB    NOT NULL  -- see chunk.go
) STRICT;
