-- A changed record stays on its page where that has room, and then no index of its table is written, nor the images of their pages. Pages are therefore left a little short of full. Of accounts
-- that would gain nothing: they have an index by the time of their last sync, which changes with each of them.
CREATE OR REPLACE FUNCTION millrace.add_connection_partition(parent text, connection bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text := parent || '_' || connection;
BEGIN
    IF to_regclass('millrace.' || quote_ident(part)) IS NULL THEN
        EXECUTE format('CREATE TABLE millrace.%I (LIKE millrace.%I INCLUDING ALL)', part, parent);
        IF parent IN ('contacts', 'opportunities', 'custom_records', 'cases') THEN
            EXECUTE format('ALTER TABLE millrace.%I SET (fillfactor = 95)', part);
        END IF;
        EXECUTE format('ALTER TABLE millrace.%I ATTACH PARTITION millrace.%I FOR VALUES IN (%L)', parent, part, connection);
    END IF;
END $$;

-- Of parts that are there, it holds for the pages that are still to come.
DO $$
DECLARE
    part text;
BEGIN
    FOR part IN SELECT t || '_' || c.id FROM millrace.connections c, unnest(ARRAY['contacts', 'opportunities', 'custom_records', 'cases']) t LOOP
        IF to_regclass('millrace.' || part) IS NOT NULL THEN
            EXECUTE format('ALTER TABLE millrace.%I SET (fillfactor = 95)', part);
        END IF;
    END LOOP;
END $$;
