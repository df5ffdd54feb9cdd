-- Accounts too change in place where their page has room. The index by the time of their last change stood against that: it wrote each index of the table for each account that changed, and images
-- of all their pages. The list that is sorted by that time reads the table instead.
CREATE OR REPLACE FUNCTION millrace.add_connection_partition(parent text, connection bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text := parent || '_' || connection;
BEGIN
    IF to_regclass('millrace.' || quote_ident(part)) IS NULL THEN
        EXECUTE format('CREATE TABLE millrace.%I (LIKE millrace.%I INCLUDING ALL)', part, parent);
        IF parent IN ('accounts', 'contacts', 'opportunities', 'custom_records', 'cases') THEN
            EXECUTE format('ALTER TABLE millrace.%I SET (fillfactor = 95)', part);
        END IF;
        EXECUTE format('ALTER TABLE millrace.%I ATTACH PARTITION millrace.%I FOR VALUES IN (%L)', parent, part, connection);
    END IF;
END $$;

-- Of parts that are there, the room is left on the pages that are still to come.
DO $$
DECLARE
    part text;
BEGIN
    FOR part IN SELECT 'accounts_' || id FROM millrace.connections LOOP
        EXECUTE format('DROP INDEX IF EXISTS millrace.%I', part || '_by_synced');
        IF to_regclass('millrace.' || part) IS NOT NULL THEN
            EXECUTE format('ALTER TABLE millrace.%I SET (fillfactor = 95)', part);
        END IF;
    END LOOP;
END $$;
