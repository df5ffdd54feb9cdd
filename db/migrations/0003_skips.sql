-- Skipped records, runs that tell more, and leavers that were deleted.

-- The records that runs skip, and since when: without it every run would list the same ones in the audit log again.
CREATE TABLE millrace.skipped_records (
    connection_id bigint NOT NULL,
    object        text   NOT NULL,
    sf_id         text   NOT NULL COLLATE "C",
    account_id    text   COLLATE "C",
    reason        text   NOT NULL,
    since_run     bigint NOT NULL,
    until_run     bigint, -- the first run that did not skip it any more
    PRIMARY KEY (connection_id, object, sf_id)
);
CREATE INDEX skipped_records_account ON millrace.skipped_records (connection_id, account_id) WHERE until_run IS NULL;
COMMENT ON TABLE millrace.skipped_records IS 'Records that lack something that is required, with the reason and since when';
COMMENT ON COLUMN millrace.skipped_records.until_run IS 'The first run that did not skip the record any more; empty while it is skipped';

ALTER TABLE millrace.runs
    ADD COLUMN in_flight    bigint  NOT NULL DEFAULT 0,     -- records received of pages that are not committed yet
    ADD COLUMN moved_at     timestamptz,                    -- when the run last came forward
    ADD COLUMN surprising   boolean NOT NULL DEFAULT false, -- it completed, but what it did deserves a look
    ADD COLUMN cancel_cause text    NOT NULL DEFAULT '' CHECK (cancel_cause IN ('', 'disconnected'));

ALTER TABLE millrace.run_steps
    ADD COLUMN loading_since timestamptz,              -- when Salesforce had the result ready
    ADD COLUMN deleted       bigint NOT NULL DEFAULT 0; -- of those that left: deleted in Salesforce
