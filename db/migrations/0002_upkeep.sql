-- Partitions, guards and the read views.

-- A sealed constant: opening it proves that the configured secret key is the one that this database was set up with.
CREATE TABLE millrace.key_check (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sealed   bytea       NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now()
);

-- Networks from which a person has signed in: failed tries from elsewhere do not slow those from there down.
CREATE TABLE millrace.user_networks (
    user_id      bigint      NOT NULL REFERENCES millrace.users (id) ON DELETE CASCADE,
    network      text        NOT NULL,
    last_used_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, network)
);

-- Few leave, and they are counted and listed.
CREATE INDEX accounts_left ON millrace.accounts (connection_id) WHERE left_filter_at IS NOT NULL;

-- The parts below are attached, not created in place: CREATE TABLE … PARTITION OF would lock the whole table against the runs in progress.

CREATE FUNCTION millrace.add_connection_partition(parent text, connection bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text := parent || '_' || connection;
BEGIN
    IF to_regclass('millrace.' || quote_ident(part)) IS NULL THEN
        EXECUTE format('CREATE TABLE millrace.%I (LIKE millrace.%I INCLUDING ALL)', part, parent);
        EXECUTE format('ALTER TABLE millrace.%I ATTACH PARTITION millrace.%I FOR VALUES IN (%L)', parent, part, connection);
    END IF;
END $$;
COMMENT ON FUNCTION millrace.add_connection_partition IS 'Makes the part of a synced table that holds one connection''s records, unless it exists';

-- Called with the number of days to have ready from today; days of UTC. Callers at the same time wait for each other.
CREATE FUNCTION millrace.add_audit_partitions(days integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    day   date;
    part  text;
BEGIN
    IF to_regclass('millrace.audit_log_' || to_char(today, 'YYYYMMDD')) IS NOT NULL
       AND to_regclass('millrace.audit_log_' || to_char(today + days - 1, 'YYYYMMDD')) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('millrace.audit_log'));
    FOR i IN 0 .. days - 1 LOOP
        day := today + i;
        part := 'audit_log_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('millrace.' || part) IS NOT NULL;
        EXECUTE format('CREATE TABLE millrace.%I (LIKE millrace.audit_log INCLUDING ALL)', part);
        EXECUTE format('CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON millrace.%I FOR EACH STATEMENT EXECUTE FUNCTION millrace.refuse_change()', part);
        EXECUTE format('ALTER TABLE millrace.audit_log ATTACH PARTITION millrace.%I FOR VALUES FROM (%L) TO (%L)',
                       part, day || ' 00:00+00', (day + 1) || ' 00:00+00');
    END LOOP;
END $$;
COMMENT ON FUNCTION millrace.add_audit_partitions IS 'Makes the daily parts of the audit log from today on, unless they exist';

-- What is written in the audit log stays as it is; only a whole day is dropped when its retention has passed.
CREATE FUNCTION millrace.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log cannot be changed' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON millrace.audit_log FOR EACH STATEMENT EXECUTE FUNCTION millrace.refuse_change();

-- Views ---------------------------------------------------------------------------------------------------------------

CREATE VIEW salesforce.connection AS
SELECT id AS connection_id, name, environment, org_id, org_name, is_sandbox, instance_url, status, connected_at
  FROM millrace.connections;

CREATE VIEW salesforce.account AS
SELECT connection_id, sf_id AS id, account_type, name, website, domain, sf_type AS type, industry, description, owner_id, fields,
       system_modstamp, synced_at, left_filter_at, deleted_in_salesforce_at
  FROM millrace.accounts;

CREATE VIEW salesforce.contact AS
SELECT connection_id, sf_id AS id, account_id, first_name, last_name, email, phone, title, department, owner_id, fields,
       system_modstamp, synced_at, left_filter_at, deleted_in_salesforce_at
  FROM millrace.contacts;

CREATE VIEW salesforce.opportunity AS
SELECT connection_id, sf_id AS id, account_id, name, stage, amount, currency, close_date, probability, is_closed, is_won, sf_type AS type, owner_id,
       fields, system_modstamp, synced_at, left_filter_at, deleted_in_salesforce_at
  FROM millrace.opportunities;

CREATE VIEW salesforce."user" AS
SELECT connection_id, sf_id AS id, name, email, username, title, is_active, fields,
       system_modstamp, synced_at, left_filter_at, deleted_in_salesforce_at
  FROM millrace.sf_users;

-- What customers may read, described. ---------------------------------------------------------------------------------

COMMENT ON VIEW salesforce.connection IS 'The connected Salesforce orgs; join it to tell the records of several orgs apart';
COMMENT ON VIEW salesforce.account IS 'Synced accounts. Accounts that left the filter stay, with left_filter_at set';
COMMENT ON VIEW salesforce.contact IS 'Contacts of the synced accounts';
COMMENT ON VIEW salesforce.opportunity IS 'Opportunities of the synced accounts';
COMMENT ON VIEW salesforce."user" IS 'Users of the org, by whom records are owned';

DO $$
DECLARE
    meaning record;
    relation text;
BEGIN
    FOR meaning IN SELECT * FROM (VALUES
        ('connection_id', 'Which connected org the record comes from'),
        ('sf_id', 'The 18-character Salesforce Id'),
        ('id', 'The 18-character Salesforce Id'),
        ('account_id', 'The Salesforce Id of the account'),
        ('owner_id', 'The Salesforce Id of the user who owns the record'),
        ('account_type', 'Type given by the first matching account filter: customer, prospect or partner'),
        ('domain', 'The host of the website, in lower case, without www'),
        ('sf_type', 'The Type field in Salesforce'),
        ('type', 'The Type field in Salesforce'),
        ('stage', 'The StageName field in Salesforce'),
        ('amount', 'In the currency of the column currency, or of the org where that is empty'),
        ('probability', 'In percent'),
        ('fields', 'The other synced fields, by their API names'),
        ('system_modstamp', 'When the record last changed in Salesforce'),
        ('synced_at', 'When this row was last written; an unchanged record is not written again'),
        ('first_seen_run', 'The run that first met the record'),
        ('last_seen_run', 'The run that last wrote this row; an unchanged record is not written again'),
        ('left_filter_at', 'When a complete run no longer met the record; it is kept but no longer updated'),
        ('deleted_in_salesforce_at', 'When the record was found to be deleted in Salesforce')) AS m (name, text)
    LOOP
        FOR relation IN
            SELECT format('%I.%I', table_schema, table_name) FROM information_schema.columns
             WHERE column_name = meaning.name
               AND (table_schema = 'salesforce' AND table_name <> 'connection'
                    OR table_schema = 'millrace' AND table_name IN ('sf_users', 'accounts', 'contacts', 'opportunities'))
        LOOP
            EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, meaning.name, meaning.text);
        END LOOP;
    END LOOP;
END $$;

COMMENT ON TABLE millrace.accounts IS 'Synced accounts, one part per connection';
COMMENT ON TABLE millrace.contacts IS 'Synced contacts, one part per connection';
COMMENT ON TABLE millrace.opportunities IS 'Synced opportunities, one part per connection';
COMMENT ON TABLE millrace.sf_users IS 'Users of the connected orgs, one part per connection';
COMMENT ON TABLE millrace.runs IS 'Executions of the sync';
COMMENT ON TABLE millrace.run_steps IS 'What each run did, per object';
COMMENT ON TABLE millrace.run_errors IS 'Records that a run could not take over, with the cause';
COMMENT ON TABLE millrace.settings_versions IS 'Every saved version of each connection''s settings';
COMMENT ON TABLE millrace.audit_log IS 'Who or what did what, and when: one row per record touched per run, one part per day (UTC)';
COMMENT ON COLUMN millrace.audit_log.entity IS 'What was touched: account, contact, opportunity, sf_user, settings, connection, run, user or session';
COMMENT ON COLUMN millrace.audit_log.actor_id IS 'The person, where one acted';
COMMENT ON COLUMN millrace.audit_log.changes IS 'For each changed field the value before and after';
