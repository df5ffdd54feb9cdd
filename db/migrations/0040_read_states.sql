-- Up to where each set of records is complete here: the next run reads only what has changed since.
CREATE TABLE millrace.read_states (
    connection_id   bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    records         text        NOT NULL,             -- the set, as in run_steps
    table_name      text        NOT NULL,
    set_key         text        NOT NULL DEFAULT '',  -- what tells the set apart in its table
    parent_table    text        NOT NULL DEFAULT '',  -- of the records that those of the set belong to
    fingerprint     text        NOT NULL,             -- of what decides which records are kept, and how
    watermark       timestamptz NOT NULL,             -- by the org's clock
    run_id          bigint      NOT NULL,             -- the run that wrote this
    read_at         timestamptz NOT NULL,             -- when that run began to read the set
    whole_read_at   timestamptz NOT NULL,             -- when everything was last read
    silent_read_at  timestamptz NOT NULL,             -- when the fields in silent were last read of all records
    silent          text[]      NOT NULL DEFAULT '{}', -- fields that change without the record's time of change moving
    sf_user_id      text        NOT NULL DEFAULT '',  -- the connected Salesforce user, who sees what others may not
    again           text[]      NOT NULL DEFAULT '{}', -- records that could not be stored
    PRIMARY KEY (connection_id, records)
);
COMMENT ON TABLE millrace.read_states IS 'Up to where each set of records is complete here; without its row a set is read in full';

ALTER TABLE millrace.runs ADD COLUMN whole boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN millrace.runs.whole IS 'Somebody asked that everything be read, changed or not';

ALTER TABLE millrace.run_steps
    ADD COLUMN reading text        NOT NULL DEFAULT '' CHECK (reading IN ('', 'whole', 'changes', 'none')),
    ADD COLUMN since   timestamptz,                 -- of changes
    ADD COLUMN why     text        NOT NULL DEFAULT '', -- why everything is read
    ADD COLUMN clock   timestamptz,                 -- of the org, when the step began
    ADD COLUMN touched bigint      NOT NULL DEFAULT 0; -- rows of working data that were written or removed

-- Which run brought a record into the copy, or back into it: its children are then asked for by name. Empty for records of the first load.
ALTER TABLE millrace.accounts      ADD COLUMN entered_run bigint, ADD COLUMN merged_into_id text COLLATE "C";
ALTER TABLE millrace.contacts      ADD COLUMN entered_run bigint, ADD COLUMN merged_into_id text COLLATE "C";
ALTER TABLE millrace.opportunities ADD COLUMN entered_run bigint;
ALTER TABLE millrace.cases         ADD COLUMN entered_run bigint, ADD COLUMN merged_into_id text COLLATE "C";
ALTER TABLE millrace.chatter_posts ADD COLUMN entered_run bigint;
CREATE INDEX accounts_entered      ON millrace.accounts      (connection_id, entered_run) WHERE entered_run IS NOT NULL;
CREATE INDEX contacts_entered      ON millrace.contacts      (connection_id, entered_run) WHERE entered_run IS NOT NULL;
CREATE INDEX opportunities_entered ON millrace.opportunities (connection_id, entered_run) WHERE entered_run IS NOT NULL;
CREATE INDEX cases_entered         ON millrace.cases         (connection_id, entered_run) WHERE entered_run IS NOT NULL;
CREATE INDEX chatter_posts_entered ON millrace.chatter_posts (connection_id, entered_run) WHERE entered_run IS NOT NULL;

-- Who left since a moment: their children leave with them.
CREATE INDEX accounts_left_at      ON millrace.accounts      (connection_id, left_filter_at) WHERE left_filter_at IS NOT NULL;
CREATE INDEX contacts_left_at      ON millrace.contacts      (connection_id, left_filter_at) WHERE left_filter_at IS NOT NULL;
CREATE INDEX opportunities_left_at ON millrace.opportunities (connection_id, left_filter_at) WHERE left_filter_at IS NOT NULL;
CREATE INDEX cases_left_at         ON millrace.cases         (connection_id, left_filter_at) WHERE left_filter_at IS NOT NULL;
CREATE INDEX chatter_posts_left_at ON millrace.chatter_posts (connection_id, left_filter_at) WHERE left_filter_at IS NOT NULL;

CREATE OR REPLACE VIEW salesforce.account AS
SELECT connection_id, sf_id AS id, account_type, name, website, domain, sf_type AS type, industry, description, owner_id, fields,
       system_modstamp, synced_at, left_filter_at, deleted_in_salesforce_at,
       csm_id, sales_rep_id, support_owner_id, tam_id, success_manager_id, arr, arr_currency, renewal_date, merged_into_id
  FROM millrace.accounts;

CREATE OR REPLACE VIEW salesforce.contact AS
SELECT connection_id, sf_id AS id, account_id, first_name, last_name, email, phone, title, department, owner_id, fields,
       system_modstamp, synced_at, left_filter_at, deleted_in_salesforce_at, merged_into_id
  FROM millrace.contacts;

DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY['millrace.accounts', 'salesforce.account', 'millrace.contacts', 'salesforce.contact', 'millrace.cases'] LOOP
        EXECUTE format('COMMENT ON COLUMN %s.merged_into_id IS %L', relation, 'The record into which this one was merged in Salesforce');
    END LOOP;
    FOREACH relation IN ARRAY ARRAY['accounts', 'contacts', 'opportunities', 'cases', 'chatter_posts'] LOOP
        EXECUTE format('COMMENT ON COLUMN millrace.%I.entered_run IS %L', relation, 'The run that brought the record into the copy, or back into it; empty for the first load');
    END LOOP;
END $$;
