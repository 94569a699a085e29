-- +goose Up

-- The rule files that decided, as they were loaded. Decisions name them by version, which is a hash of what they say, so
-- that a decision is explained by the rules that made it.
CREATE TABLE rule_sets (
    version text  NOT NULL PRIMARY KEY,
    text    bytea NOT NULL                        -- YAML
);

-- +goose StatementBegin
-- The result is what it should be, or none of it stays.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
        WHERE t.relnamespace = 'fastshop'::regnamespace AND t.relname = 'rule_sets' AND i.indisprimary AND i.indisvalid) THEN
        RAISE EXCEPTION 'table rule_sets, or its key, is missing from schema fastshop';
    END IF;
    IF (SELECT count(*) FROM pg_attribute WHERE attrelid = 'fastshop.rule_sets'::regclass AND attnum > 0 AND attnotnull) <> 2 THEN
        RAISE EXCEPTION 'a column of rule_sets may be empty';
    END IF;
END
$$;
-- +goose StatementEnd
