-- What a record was made of, so that a sync that reads it again need not work it out from what is here.
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['sf_users', 'accounts', 'contacts', 'opportunities', 'cases', 'custom_records'] LOOP
        EXECUTE format('ALTER TABLE millrace.%I ADD COLUMN line_hash bigint', t);
        EXECUTE format('COMMENT ON COLUMN millrace.%I.line_hash IS %L', t,
            'A hash of what came from Salesforce, mixed with the transaction that wrote the record from it: it says nothing once anything else has written the record. Empty for not known');
    END LOOP;
END $$;
