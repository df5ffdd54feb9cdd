-- What is wrong with the data at present, by cause. The records behind it stay where runs list them: run_errors and skipped_records.

ALTER TABLE millrace.run_errors
    ADD COLUMN connection_id bigint,
    ADD COLUMN records       text,   -- the set of records that the step filled
    ADD COLUMN name          text,   -- of the record, as Salesforce sent it
    ADD COLUMN until_run     bigint; -- the first run that took the record over, or listed it anew
CREATE INDEX run_errors_open ON millrace.run_errors (connection_id, records, cause, id) WHERE until_run IS NULL;
CREATE INDEX run_errors_open_record ON millrace.run_errors (connection_id, sf_id) WHERE until_run IS NULL;
COMMENT ON COLUMN millrace.run_errors.until_run IS 'The first run that took the record over, or listed it anew; empty while it lasts';

ALTER TABLE millrace.skipped_records ADD COLUMN name text;
CREATE INDEX skipped_records_open ON millrace.skipped_records (connection_id, object, reason, sf_id) WHERE until_run IS NULL;
COMMENT ON COLUMN millrace.skipped_records.name IS 'Name of the record when it was first skipped';

CREATE TABLE millrace.error_groups (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    kind          text        NOT NULL CHECK (kind IN ('record', 'value', 'skip', 'step', 'run')),
    subject       text        NOT NULL, -- the set of records, the object, the name of the step, or the part that is synced
    cause         text        NOT NULL, -- the field, the reason, or a code
    object        text        NOT NULL DEFAULT '', -- API name
    label         text        NOT NULL DEFAULT '', -- of the step
    message       text        NOT NULL DEFAULT '', -- what was said last
    records       bigint      NOT NULL,
    run_id        bigint      NOT NULL, -- the newest run that met it
    opened_at     timestamptz NOT NULL DEFAULT now(),
    cured_at      timestamptz,
    cured_run     bigint,
    muted_at      timestamptz,
    muted_by      bigint      REFERENCES millrace.users (id) ON DELETE SET NULL,
    muted_records bigint,               -- how many there were then
    woken_at      timestamptz,          -- when a mute ended by itself
    UNIQUE (connection_id, kind, subject, cause)
);
CREATE INDEX error_groups_open ON millrace.error_groups (connection_id) WHERE cured_at IS NULL;
CREATE INDEX error_groups_cured ON millrace.error_groups (connection_id, cured_at DESC) WHERE cured_at IS NOT NULL;
COMMENT ON TABLE millrace.error_groups IS 'What is wrong with the data of a connection, one row per cause from its beginning to its end';

-- Records that somebody asked to be read once more.
CREATE TABLE millrace.retry_records (
    run_id   bigint NOT NULL REFERENCES millrace.runs (id) ON DELETE CASCADE,
    records  text   NOT NULL,
    sf_id    text   NOT NULL COLLATE "C",
    group_id bigint NOT NULL REFERENCES millrace.error_groups (id) ON DELETE CASCADE,
    outcome  text   NOT NULL DEFAULT '' CHECK (outcome IN ('', 'stored', 'failed', 'skipped', 'gone')),
    PRIMARY KEY (run_id, records, sf_id)
);
CREATE INDEX retry_records_group ON millrace.retry_records (group_id, run_id);
COMMENT ON TABLE millrace.retry_records IS 'Records that a run was asked to read once more, and what became of each';
