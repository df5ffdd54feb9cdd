-- What becomes of records that leave the filter: they are kept in view, or archived: out of lists and of the views for the customer's own SQL, and never deleted.

ALTER TABLE millrace.connections ADD COLUMN leavers text NOT NULL DEFAULT 'keep' CHECK (leavers IN ('keep', 'archive'));
COMMENT ON COLUMN millrace.connections.leavers IS 'Whether records that left the filter stay in lists and views (keep) or not (archive)';

DO $$
DECLARE
    name text;
    owner text;
BEGIN
    FOREACH name IN ARRAY ARRAY['account', 'contact', 'opportunity', 'custom_record', 'case', 'case_message', 'chatter_post', 'chatter_comment'] LOOP
        owner := CASE name WHEN 'account' THEN 'accounts' WHEN 'contact' THEN 'contacts' WHEN 'opportunity' THEN 'opportunities' WHEN 'custom_record' THEN 'r'
                           WHEN 'case' THEN 'cases' WHEN 'case_message' THEN 'case_messages' WHEN 'chatter_post' THEN 'chatter_posts' ELSE 'chatter_comments' END;
        EXECUTE format('CREATE OR REPLACE VIEW salesforce.%1$I AS %2$s
             WHERE %3$I.left_filter_at IS NULL OR NOT EXISTS (SELECT FROM millrace.connections k WHERE k.id = %3$I.connection_id AND k.leavers = ''archive'')',
            name, rtrim(rtrim(pg_get_viewdef(format('salesforce.%I', name)::regclass)), ';'), owner);
    END LOOP;
END $$;
COMMENT ON VIEW salesforce.account IS 'Synced accounts. Accounts that left the filter stay, with left_filter_at set, unless the connection archives them';
