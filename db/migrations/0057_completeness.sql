-- Whether the copy is complete: after each run, what Salesforce counts is held against what is here.

CREATE TABLE millrace.completeness_checks (
    run_id        bigint      NOT NULL REFERENCES millrace.runs (id) ON DELETE CASCADE,
    name          text        NOT NULL, -- of the step
    connection_id bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    part          text        NOT NULL, -- the entity to which the step belongs
    position      integer     NOT NULL,
    label         text        NOT NULL,
    object        text        NOT NULL,
    account_type  text        NOT NULL DEFAULT '',
    in_salesforce bigint,               -- empty when Salesforce did not count them, as note says
    here          bigint      NOT NULL,
    skipped       bigint      NOT NULL DEFAULT 0, -- lack something that is required
    failed        bigint      NOT NULL DEFAULT 0, -- could not be stored
    elsewhere     bigint      NOT NULL DEFAULT 0, -- of accounts that are not synced
    unexplained   bigint,               -- missing here; below 0: here, but not in Salesforce any more
    note          text        NOT NULL DEFAULT '',
    checked_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, name)
);
CREATE INDEX completeness_checks_connection ON millrace.completeness_checks (connection_id, part, run_id DESC);
COMMENT ON TABLE millrace.completeness_checks IS 'What Salesforce counted at the end of each run, and what was here';
COMMENT ON COLUMN millrace.completeness_checks.unexplained IS 'How many are missing here without a known reason; below 0, how many are here that Salesforce no longer has';

-- The Ids that match, while a gap is closed.
CREATE TABLE millrace.gap_ids (
    connection_id   bigint NOT NULL,
    records         text   NOT NULL, -- name of the step whose records they are
    sf_id           text   NOT NULL COLLATE "C",
    parent_id       text   COLLATE "C",
    system_modstamp timestamptz,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, records, sf_id)
) PARTITION BY LIST (connection_id);
SELECT millrace.add_connection_partition('gap_ids', c.id) FROM millrace.connections c;
COMMENT ON TABLE millrace.gap_ids IS 'Working data: the Ids of the records that the settings select in Salesforce, while a gap is closed';
