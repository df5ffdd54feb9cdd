-- The people who look after an account, its ARR and its renewal date.

ALTER TABLE millrace.accounts
    ADD COLUMN csm_id             text COLLATE "C",
    ADD COLUMN sales_rep_id       text COLLATE "C",
    ADD COLUMN support_owner_id   text COLLATE "C",
    ADD COLUMN tam_id             text COLLATE "C",
    ADD COLUMN success_manager_id text COLLATE "C",
    ADD COLUMN arr                numeric,
    ADD COLUMN arr_currency       text,
    ADD COLUMN renewal_date       date;

-- What calculated values are made of: one row per related record that the rule's filter selects and whose account is here.
CREATE TABLE millrace.value_records (
    connection_id   bigint NOT NULL,
    kind            text   NOT NULL CHECK (kind IN ('arr', 'renewal')),
    sf_id           text   NOT NULL COLLATE "C",
    account_id      text   NOT NULL COLLATE "C",
    amount          numeric,
    currency        text,
    day             date,
    latest_by       timestamptz,
    system_modstamp timestamptz,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, kind, sf_id)
) PARTITION BY LIST (connection_id);
COMMENT ON TABLE millrace.value_records IS 'Working data: the related records that calculated ARR and renewal dates are made of, as of the last run';
COMMENT ON COLUMN millrace.value_records.kind IS 'The value that the record counts for: arr or renewal';
COMMENT ON COLUMN millrace.value_records.amount IS 'What it adds to the ARR, in its own currency';
COMMENT ON COLUMN millrace.value_records.day IS 'The renewal date that it stands for';
COMMENT ON COLUMN millrace.value_records.latest_by IS 'The time by which the latest record of an account is found';

CREATE TABLE millrace.currencies (
    connection_id   bigint NOT NULL,
    sf_id           text   NOT NULL COLLATE "C",
    iso_code        text,
    rate            numeric,
    is_corporate    boolean,
    system_modstamp timestamptz,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, sf_id)
) PARTITION BY LIST (connection_id);
COMMENT ON TABLE millrace.currencies IS 'Working data: the conversion rates of orgs with several currencies, as of the last run that needed them';
COMMENT ON COLUMN millrace.currencies.rate IS 'Units of the currency for one unit of the corporate currency';

SELECT millrace.add_connection_partition(t, c.id) FROM millrace.connections c, unnest(ARRAY['value_records', 'currencies']) t;

CREATE OR REPLACE VIEW salesforce.account AS
SELECT connection_id, sf_id AS id, account_type, name, website, domain, sf_type AS type, industry, description, owner_id, fields,
       system_modstamp, synced_at, left_filter_at, deleted_in_salesforce_at,
       csm_id, sales_rep_id, support_owner_id, tam_id, success_manager_id, arr, arr_currency, renewal_date
  FROM millrace.accounts;

DO $$
DECLARE
    meaning record;
    relation text;
BEGIN
    FOR meaning IN SELECT * FROM (VALUES
        ('owner_id', 'The Salesforce Id of the account owner: a user, or a queue where the chosen field can hold one'),
        ('csm_id', 'The Salesforce Id of the customer success manager'),
        ('sales_rep_id', 'The Salesforce Id of the sales representative'),
        ('support_owner_id', 'The Salesforce Id of the support owner'),
        ('tam_id', 'The Salesforce Id of the technical account manager'),
        ('success_manager_id', 'The Salesforce Id of the success manager'),
        ('arr', 'Annual recurring revenue, as the settings take or calculate it'),
        ('arr_currency', 'The currency of arr; empty in orgs with one currency'),
        ('renewal_date', 'The next renewal, as the settings take or calculate it')) AS m (name, text)
    LOOP
        FOREACH relation IN ARRAY ARRAY['millrace.accounts', 'salesforce.account'] LOOP
            EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, meaning.name, meaning.text);
        END LOOP;
    END LOOP;
END $$;
