-- The rights of the roles that exist, and no others: the table is in the package comment. Run by the owner.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT rolname FROM pg_roles
        WHERE rolname IN ('fastshop_ingest', 'fastshop_processor', 'fastshop_console', 'fastshop_privacy') AND rolname <> current_user
    LOOP
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA fastshop FROM %I', name);
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA fastshop FROM %I', name);
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA fastshop FROM %I', name);
        EXECUTE format('GRANT USAGE ON SCHEMA fastshop TO %I', name);
        EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE blocks TO %I', name);
        EXECUTE format('GRANT SELECT ON labels, alerts, checkpoints, dead_letters, audit_entries, chains, plans, rule_sets, bindings, list_entries, list_changes, schema_versions TO %I', name);
        EXECUTE format('GRANT SELECT (seq, occurred_at, outcome, flags, customer, key, payload, decision, mac) ON transactions TO %I', name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION id_key, append_audit TO %I', name);
        IF name IN ('fastshop_console', 'fastshop_privacy') THEN
            EXECUTE format('GRANT SELECT (sealed) ON transactions TO %I', name);
        END IF;
        IF name IN ('fastshop_ingest', 'fastshop_processor') THEN
            EXECUTE format('GRANT INSERT ON transactions, alerts TO %I', name);
        END IF;
        IF name IN ('fastshop_ingest', 'fastshop_console') THEN
            EXECUTE format('GRANT INSERT ON labels TO %I', name);
        END IF;
        IF name IN ('fastshop_ingest', 'fastshop_console', 'fastshop_privacy') THEN
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON list_entries TO %I', name);
            EXECUTE format('GRANT INSERT ON list_changes TO %I', name);
        END IF;
        IF name IN ('fastshop_ingest', 'fastshop_processor', 'fastshop_console') THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION mark_uncounted TO %I', name);
        END IF;
        IF name IN ('fastshop_ingest', 'fastshop_processor', 'fastshop_privacy') THEN
            EXECUTE format('GRANT INSERT ON plans, rule_sets, bindings TO %I', name);
        END IF;
        IF name = 'fastshop_processor' THEN
            EXECUTE format('GRANT INSERT, UPDATE ON checkpoints TO %I', name);
            EXECUTE format('GRANT INSERT, UPDATE (resolved_at) ON dead_letters TO %I', name);
            EXECUTE format('GRANT EXECUTE ON FUNCTION mark_counted TO %I', name);
        END IF;
        IF name = 'fastshop_privacy' THEN
            EXECUTE format('GRANT UPDATE (flags, mac, sealed) ON transactions TO %I', name);
            EXECUTE format('GRANT EXECUTE ON FUNCTION hold_commits TO %I', name);
        END IF;
    END LOOP;
END
$$;
