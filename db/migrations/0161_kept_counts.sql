-- The counts at the end of a run hold as long as nothing is written to the tables that they count. Each statement that writes to such a table adds a row here, in its own transaction: who sees the
-- rows of that transaction sees this one too, and nobody waits for anybody.
CREATE TABLE millrace.record_writes (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name    text NOT NULL,
    connection_id bigint                              -- empty when the statement may have written to any
);
CREATE INDEX record_writes_table ON millrace.record_writes (table_name, connection_id);
COMMENT ON TABLE millrace.record_writes IS 'Statements that wrote to tables of records, since they were last counted and some time before';

CREATE TABLE millrace.kept_counts (
    connection_id bigint NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    question      text   NOT NULL,                    -- a hash of the statement that counts
    state         text   NOT NULL,                    -- a hash of the rows of record_writes that could be seen when it counted
    n             bigint NOT NULL,
    PRIMARY KEY (connection_id, question)
);
COMMENT ON TABLE millrace.kept_counts IS 'Counts of records that are here, valid while nothing has been written to their tables';

CREATE FUNCTION millrace.note_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        IF NOT EXISTS (SELECT FROM touched) THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO millrace.record_writes (table_name, connection_id) VALUES (TG_ARGV[0], nullif(TG_ARGV[1], '')::bigint);
    RETURN NULL;
END $$;

-- note_writes makes a table tell when it is written to. A statement that names a part fires the triggers of the part, one that names the whole those of the whole.
CREATE FUNCTION millrace.note_writes(tab text, parent text, connection text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER note_insert AFTER INSERT OR TRUNCATE ON millrace.%I FOR EACH STATEMENT EXECUTE FUNCTION millrace.note_write(%L, %L)', tab, parent, connection);
    EXECUTE format('CREATE TRIGGER note_update AFTER UPDATE ON millrace.%I REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION millrace.note_write(%L, %L)', tab, parent, connection);
    EXECUTE format('CREATE TRIGGER note_delete AFTER DELETE ON millrace.%I REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION millrace.note_write(%L, %L)', tab, parent, connection);
END $$;

CREATE OR REPLACE FUNCTION millrace.add_connection_partition(parent text, connection bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text := parent || '_' || connection;
BEGIN
    IF to_regclass('millrace.' || quote_ident(part)) IS NULL THEN
        EXECUTE format('CREATE TABLE millrace.%I (LIKE millrace.%I INCLUDING ALL)', part, parent);
        IF parent IN ('accounts', 'contacts', 'opportunities', 'custom_records', 'cases') THEN
            EXECUTE format('ALTER TABLE millrace.%I SET (fillfactor = 95)', part);
        END IF;
        IF parent IN ('accounts', 'contacts', 'opportunities', 'custom_records') THEN
            PERFORM millrace.note_writes(part, parent, connection::text);
        END IF;
        EXECUTE format('ALTER TABLE millrace.%I ATTACH PARTITION millrace.%I FOR VALUES IN (%L)', parent, part, connection);
    END IF;
END $$;

SELECT millrace.note_writes('skipped_records', 'skipped_records', '');
DO $$
DECLARE
    parent text;
    id     bigint;
BEGIN
    FOREACH parent IN ARRAY ARRAY['accounts', 'contacts', 'opportunities', 'custom_records'] LOOP
        PERFORM millrace.note_writes(parent, parent, '');
        FOR id IN SELECT c.id FROM millrace.connections c LOOP
            IF to_regclass('millrace.' || parent || '_' || id) IS NOT NULL THEN
                PERFORM millrace.note_writes(parent || '_' || id, parent, id::text);
            END IF;
        END LOOP;
    END LOOP;
END $$;
