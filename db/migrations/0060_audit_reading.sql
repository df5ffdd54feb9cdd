-- The audit log is read by time, record, kind, person and words.

-- The moment at which a row is written, not that at which its transaction began: the rows of a page then have an order, and few share an instant.
ALTER TABLE millrace.audit_log ALTER COLUMN at SET DEFAULT clock_timestamp();

-- The one index that is kept while rows arrive; rows arrive in its order. A run's rows lie between the run's start and its end.
CREATE INDEX audit_log_time ON millrace.audit_log (connection_id, at);

-- By record and the rest, a day gets its indexes when it has been written, which costs less than keeping them meanwhile: see db/audit_parts.go.
DROP INDEX millrace.audit_log_record;

CREATE FUNCTION millrace.audit_words(changes jsonb, detail text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_tsvector('simple'::regconfig, translate(coalesce(left(detail, 4000), '') || ' ' ||
        coalesce(jsonb_path_query_array(changes, '$.keyvalue().key', '{}', true)::text, ''), '_.-/:@,;"''[](){}<>=+&|!*#', repeat(' ', 25)));
COMMENT ON FUNCTION millrace.audit_words IS 'What an entry of the audit log is found by: the words of its detail and the names of the fields that changed';

COMMENT ON COLUMN millrace.audit_log.at IS 'When the entry was written';
COMMENT ON COLUMN millrace.audit_log.connection_id IS 'The connected org; 0 for what belongs to none, such as sign-ins';
COMMENT ON COLUMN millrace.audit_log.entity IS 'What was touched: account, contact, opportunity, user, case, a custom object by its API name, settings, schedule, connection, run, session and so on';
COMMENT ON COLUMN millrace.audit_log.detail IS 'Why, or a few words more; never a secret';

-- One day of the audit log, unless it is there.
CREATE FUNCTION millrace.add_audit_day(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text := 'audit_log_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass('millrace.' || part) IS NULL THEN
        EXECUTE format('CREATE TABLE millrace.%I (LIKE millrace.audit_log INCLUDING ALL)', part);
        EXECUTE format('CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON millrace.%I FOR EACH STATEMENT EXECUTE FUNCTION millrace.refuse_change()', part);
        EXECUTE format('ALTER TABLE millrace.audit_log ATTACH PARTITION millrace.%I FOR VALUES FROM (%L) TO (%L)', part, day || ' 00:00+00', (day + 1) || ' 00:00+00');
    END IF;
END $$;

CREATE OR REPLACE FUNCTION millrace.add_audit_partitions(days integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    -- The next days are usually there, and then nothing waits.
    IF (SELECT bool_and(to_regclass('millrace.audit_log_' || to_char(today + i, 'YYYYMMDD')) IS NOT NULL) FROM generate_series(0, days - 1) i) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('millrace.audit_log'));
    PERFORM millrace.add_audit_day(today + i) FROM generate_series(0, days - 1) i;
END $$;
