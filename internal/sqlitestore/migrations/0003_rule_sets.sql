-- The rule files that decided, as they were loaded. Decisions name them by version, which is a hash of what they say, so
-- that a decision is explained by the rules that made it.
CREATE TABLE rule_sets (
    version TEXT NOT NULL PRIMARY KEY,
    text    BLOB NOT NULL               -- YAML
) STRICT;
