-- Records of further objects, support cases with their conversations, Chatter, and the labels of picklist values.

CREATE TABLE millrace.custom_objects (
    connection_id bigint NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    object        text   NOT NULL,
    name          text   NOT NULL,
    parent        text   NOT NULL CHECK (parent IN ('account', 'contact')),
    removed_at    timestamptz,
    PRIMARY KEY (connection_id, object)
);

CREATE TABLE millrace.custom_records (
    connection_id   bigint NOT NULL,
    object          text   NOT NULL,
    sf_id           text   NOT NULL COLLATE "C",
    account_id      text   COLLATE "C",
    contact_id      text   COLLATE "C",
    parent_key      text,
    name            text,
    fields          jsonb  NOT NULL DEFAULT '{}',
    system_modstamp timestamptz,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    deleted_in_salesforce_at timestamptz,
    left_filter_at  timestamptz,
    PRIMARY KEY (connection_id, object, sf_id)
) PARTITION BY LIST (connection_id);
CREATE INDEX custom_records_account ON millrace.custom_records (connection_id, account_id, object, sf_id);

CREATE TABLE millrace.cases (
    connection_id   bigint NOT NULL,
    sf_id           text   NOT NULL COLLATE "C",
    account_id      text   COLLATE "C",
    contact_id      text   COLLATE "C",
    owner_id        text   COLLATE "C",
    case_number     text,
    subject         text,
    status          text,
    priority        text,
    sf_type         text,
    origin          text,
    created_at      timestamptz,
    closed_at       timestamptz,
    is_closed       boolean,
    is_escalated    boolean,
    fields          jsonb  NOT NULL DEFAULT '{}',
    system_modstamp timestamptz,
    sentiment          numeric,
    sentiment_label    text CHECK (sentiment_label IN ('positive', 'neutral', 'negative')),
    sentiment_method   text,
    sentiment_messages integer,
    sentiment_run      bigint,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    deleted_in_salesforce_at timestamptz,
    left_filter_at  timestamptz,
    PRIMARY KEY (connection_id, sf_id)
) PARTITION BY LIST (connection_id);
CREATE INDEX cases_account ON millrace.cases (connection_id, account_id, created_at, sf_id);

CREATE TABLE millrace.case_messages (
    connection_id   bigint NOT NULL,
    sf_id           text   NOT NULL COLLATE "C",
    source          text   NOT NULL CHECK (source IN ('comment', 'email')),
    case_id         text   COLLATE "C",
    account_id      text   COLLATE "C",
    subject         text,
    body            text,
    author_id       text   COLLATE "C",
    from_name       text,
    from_address    text,
    is_incoming     boolean,
    is_published    boolean,
    sent_at         timestamptz,
    reply_to_id     text   COLLATE "C",
    system_modstamp timestamptz,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    deleted_in_salesforce_at timestamptz,
    left_filter_at  timestamptz,
    PRIMARY KEY (connection_id, sf_id)
) PARTITION BY LIST (connection_id);
CREATE INDEX case_messages_case ON millrace.case_messages (connection_id, case_id, sent_at, sf_id);
CREATE INDEX case_messages_account ON millrace.case_messages (connection_id, account_id, sent_at, sf_id);
CREATE INDEX case_messages_source ON millrace.case_messages (connection_id, source);

CREATE TABLE millrace.chatter_posts (
    connection_id   bigint NOT NULL,
    sf_id           text   NOT NULL COLLATE "C",
    parent_object   text   NOT NULL CHECK (parent_object IN ('account', 'opportunity')),
    parent_id       text   COLLATE "C",
    account_id      text   COLLATE "C",
    post_type       text,
    title           text,
    body            text,
    link_url        text,
    author_id       text   COLLATE "C",
    posted_at       timestamptz,
    comment_count   numeric,
    like_count      numeric,
    is_rich_text    boolean,
    fields          jsonb  NOT NULL DEFAULT '{}',
    system_modstamp timestamptz,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    deleted_in_salesforce_at timestamptz,
    left_filter_at  timestamptz,
    PRIMARY KEY (connection_id, sf_id)
) PARTITION BY LIST (connection_id);
CREATE INDEX chatter_posts_account ON millrace.chatter_posts (connection_id, account_id, posted_at, sf_id);
CREATE INDEX chatter_posts_parent ON millrace.chatter_posts (connection_id, parent_object);

CREATE TABLE millrace.chatter_comments (
    connection_id   bigint NOT NULL,
    sf_id           text   NOT NULL COLLATE "C",
    post_id         text   COLLATE "C",
    parent_id       text   COLLATE "C",
    account_id      text   COLLATE "C",
    body            text,
    author_id       text   COLLATE "C",
    posted_at       timestamptz,
    is_rich_text    boolean,
    system_modstamp timestamptz,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    deleted_in_salesforce_at timestamptz,
    left_filter_at  timestamptz,
    PRIMARY KEY (connection_id, sf_id)
) PARTITION BY LIST (connection_id);
CREATE INDEX chatter_comments_post ON millrace.chatter_comments (connection_id, post_id, posted_at, sf_id);
CREATE INDEX chatter_comments_account ON millrace.chatter_comments (connection_id, account_id, posted_at, sf_id);

SELECT millrace.add_connection_partition(t, c.id)
  FROM millrace.connections c, unnest(ARRAY['custom_records', 'cases', 'case_messages', 'chatter_posts', 'chatter_comments']) t;

CREATE TABLE millrace.picklist_labels (
    connection_id bigint NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    object        text   NOT NULL,
    field         text   NOT NULL,
    value         text   NOT NULL,
    label         text   NOT NULL,
    PRIMARY KEY (connection_id, object, field, value)
);

-- Values of multi-select picklists are separated by semicolons.
CREATE FUNCTION salesforce.label(connection bigint, object text, field text, value text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN value IS NULL THEN NULL ELSE (
        SELECT string_agg(coalesce(l.label, v.part), ';' ORDER BY v.place)
          FROM unnest(string_to_array(label.value, ';')) WITH ORDINALITY AS v (part, place)
          LEFT JOIN millrace.picklist_labels l ON l.connection_id = label.connection AND l.object = label.object AND l.field = label.field AND l.value = v.part) END
$$;
COMMENT ON FUNCTION salesforce.label IS 'The label that Salesforce shows for a picklist value, or the value itself where none is known';

-- Views ---------------------------------------------------------------------------------------------------------------

CREATE VIEW salesforce.custom_record AS
SELECT r.connection_id, r.object, r.sf_id AS id, o.name AS object_name, r.account_id, r.contact_id, r.name, r.fields, r.system_modstamp, r.synced_at,
       r.left_filter_at, r.deleted_in_salesforce_at
  FROM millrace.custom_records r LEFT JOIN millrace.custom_objects o ON o.connection_id = r.connection_id AND o.object = r.object;

CREATE VIEW salesforce."case" AS
SELECT connection_id, sf_id AS id, case_number, account_id, contact_id, owner_id, subject, status, priority, sf_type AS type, origin, created_at, closed_at,
       is_closed, is_escalated, sentiment, sentiment_label, sentiment_method, fields, system_modstamp, synced_at, left_filter_at, deleted_in_salesforce_at,
       salesforce.label(connection_id, 'Case', 'Status', status) AS status_label,
       salesforce.label(connection_id, 'Case', 'Priority', priority) AS priority_label,
       salesforce.label(connection_id, 'Case', 'Type', sf_type) AS type_label,
       salesforce.label(connection_id, 'Case', 'Origin', origin) AS origin_label
  FROM millrace.cases;

CREATE VIEW salesforce.case_message AS
SELECT connection_id, sf_id AS id, source, case_id, account_id, subject, body, author_id, from_name, from_address, is_incoming, is_published, sent_at,
       reply_to_id, system_modstamp, synced_at, left_filter_at, deleted_in_salesforce_at
  FROM millrace.case_messages;

CREATE VIEW salesforce.chatter_post AS
SELECT connection_id, sf_id AS id, parent_object, parent_id, account_id, post_type, title, body, link_url, author_id, posted_at, comment_count, like_count,
       is_rich_text, fields, system_modstamp, synced_at, left_filter_at, deleted_in_salesforce_at
  FROM millrace.chatter_posts;

CREATE VIEW salesforce.chatter_comment AS
SELECT connection_id, sf_id AS id, post_id, parent_id, account_id, body, author_id, posted_at, is_rich_text, system_modstamp, synced_at, left_filter_at,
       deleted_in_salesforce_at
  FROM millrace.chatter_comments;

CREATE VIEW salesforce.picklist_label AS
SELECT connection_id, object, field, value, label FROM millrace.picklist_labels;

-- Described -------------------------------------------------------------------------------------------------------------

COMMENT ON TABLE millrace.custom_objects IS 'The further objects that the last run brought over, and those that the settings no longer name';
COMMENT ON TABLE millrace.custom_records IS 'Records of further objects that belong to synced accounts or contacts, one part per connection';
COMMENT ON TABLE millrace.cases IS 'Support cases of the synced accounts, one part per connection';
COMMENT ON TABLE millrace.case_messages IS 'Comments or email messages of the synced cases, one part per connection';
COMMENT ON TABLE millrace.chatter_posts IS 'Chatter posts on synced accounts and opportunities, one part per connection';
COMMENT ON TABLE millrace.chatter_comments IS 'Comments on the synced Chatter posts, one part per connection';
COMMENT ON TABLE millrace.picklist_labels IS 'The labels that Salesforce shows for picklist values, as of the last run';
COMMENT ON VIEW salesforce.custom_record IS 'Records of the objects that are configured under Custom Objects';
COMMENT ON VIEW salesforce."case" IS 'Support cases of the synced accounts. Cases older than the lookback stay, but are no longer updated';
COMMENT ON VIEW salesforce.case_message IS 'The conversations of the support cases: case comments or email messages';
COMMENT ON VIEW salesforce.chatter_post IS 'Chatter posts on the synced accounts and opportunities';
COMMENT ON VIEW salesforce.chatter_comment IS 'Comments on the synced Chatter posts';
COMMENT ON VIEW salesforce.picklist_label IS 'The labels that Salesforce shows for picklist values';

DO $$
DECLARE
    meaning record;
    relation text;
BEGIN
    FOR meaning IN SELECT * FROM (VALUES
        ('connection_id', 'Which connected org the record comes from'),
        ('sf_id', 'The 18-character Salesforce Id'),
        ('id', 'The 18-character Salesforce Id'),
        ('object', 'The API name of the Salesforce object'),
        ('object_name', 'What the settings call these records'),
        ('account_id', 'The Salesforce Id of the account; of a record of a contact or an opportunity, the account of that'),
        ('contact_id', 'The Salesforce Id of the contact'),
        ('owner_id', 'The Salesforce Id of the owner: a user or a queue'),
        ('parent_key', 'The External ID of the parent that the record holds, where it has no lookup'),
        ('parent_object', 'What the post is on: account or opportunity'),
        ('parent_id', 'The Salesforce Id of the record that the post is on'),
        ('post_id', 'The Salesforce Id of the post'),
        ('case_id', 'The Salesforce Id of the case'),
        ('source', 'Where the message comes from: comment (a case comment) or email'),
        ('author_id', 'The Salesforce Id of the user who wrote it'),
        ('reply_to_id', 'The Salesforce Id of the email that this one answers'),
        ('body', 'The text as it is in Salesforce, quoted text included'),
        ('is_rich_text', 'The body is HTML'),
        ('is_published', 'The customer can see the comment'),
        ('is_incoming', 'The email was received, not sent'),
        ('sentiment', 'How the conversation sounds, from -1 to 1'),
        ('sentiment_label', 'positive, neutral or negative'),
        ('sentiment_method', 'How the sentiment was worked out'),
        ('sentiment_messages', 'How many messages the sentiment was worked out from'),
        ('sentiment_run', 'The run that worked the sentiment out'),
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
               AND (table_schema = 'salesforce' AND table_name IN ('custom_record', 'case', 'case_message', 'chatter_post', 'chatter_comment')
                    OR table_schema = 'millrace' AND table_name IN ('custom_records', 'cases', 'case_messages', 'chatter_posts', 'chatter_comments'))
        LOOP
            EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, meaning.name, meaning.text);
        END LOOP;
    END LOOP;
END $$;
