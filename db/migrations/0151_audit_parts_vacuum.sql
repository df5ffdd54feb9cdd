-- A day's part of the audit log is vacuumed once, when it gets its indexes: nothing in it ever changes. Without this, autovacuum goes through it while a first load fills it.
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
        EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_insert_threshold = -1)', part);
    END LOOP;
END $$;
