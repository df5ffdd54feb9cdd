-- Accounts too change in place where their page has room. The index by the time of their last change stood against that: it wrote each index of the table for each account that changed, and images
-- of all their pages. The list that is sorted by that time takes them from the audit log.
-- The parts of connections to come get the room in add_connection_partition, which the next migration makes anew.

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
