-- The rows of a run lie between its start and its end, in the order of the index by time. A block range index of runs was cheap to keep for few rows, but not for a million.
DROP INDEX millrace.audit_log_run;

-- What is copied straight into a day's part has the moment of its statement: a default that is worked out anew for each row keeps COPY from writing many rows at once. What goes through the
-- parent, as everything else does, has the moment of its row, as before. A part is vacuumed once, when it gets its indexes: nothing in it ever changes. Without this, autovacuum goes through it while
-- a first load fills it.
CREATE OR REPLACE FUNCTION millrace.add_audit_day(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text := 'audit_log_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass('millrace.' || part) IS NULL THEN
        EXECUTE format('CREATE TABLE millrace.%I (LIKE millrace.audit_log INCLUDING ALL) WITH (autovacuum_vacuum_insert_threshold = -1)', part);
        EXECUTE format('ALTER TABLE millrace.%I ALTER COLUMN at SET DEFAULT statement_timestamp()', part);
        EXECUTE format('CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON millrace.%I FOR EACH STATEMENT EXECUTE FUNCTION millrace.refuse_change()', part);
        EXECUTE format('ALTER TABLE millrace.audit_log ATTACH PARTITION millrace.%I FOR VALUES FROM (%L) TO (%L)', part, day || ' 00:00+00', (day + 1) || ' 00:00+00');
    END IF;
END $$;

DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'millrace.audit_log'::regclass LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN at SET DEFAULT statement_timestamp(), SET (autovacuum_vacuum_insert_threshold = -1)', part);
    END LOOP;
END $$;
