-- The pages of a bulk result that are known and not committed. Any runner may take one, so that several work on one run.

CREATE SEQUENCE millrace.run_unit_claims;

CREATE TABLE millrace.run_units (
    run_id      bigint  NOT NULL,
    position    integer NOT NULL,                       -- of the step
    page        integer NOT NULL,
    locator     text    NOT NULL,
    rows        integer NOT NULL,                       -- records to ask for: fetched again, the page must end where it did
    owner       text    NOT NULL DEFAULT '',            -- the runner that works on it
    claim       bigint  NOT NULL DEFAULT 0,             -- number of the newest claim; no two claims ever have the same
    lease_until timestamptz,                            -- empty while nobody works on it
    in_flight   bigint  NOT NULL DEFAULT 0,             -- records that have arrived
    moved_at    timestamptz NOT NULL DEFAULT now(),     -- when the unit last came forward
    PRIMARY KEY (run_id, position, page),
    FOREIGN KEY (run_id, position) REFERENCES millrace.run_steps (run_id, position) ON DELETE CASCADE
);
COMMENT ON TABLE millrace.run_units IS 'Pages of runs in progress that are not committed; a page''s own transaction removes its row';
COMMENT ON COLUMN millrace.run_units.claim IS 'Number of the newest claim: a page is stored only by whoever holds this number';
