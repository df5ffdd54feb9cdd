-- What a change of the settings would do: a run that reads as a sync would, into tables beside those of the records, and compares.

ALTER TABLE millrace.runs ALTER COLUMN settings_version DROP NOT NULL; -- before the first save there is an impact, but no version

CREATE TABLE millrace.impacts (
    run_id        bigint  PRIMARY KEY REFERENCES millrace.runs (id) ON DELETE CASCADE,
    connection_id bigint  NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    user_id       bigint  REFERENCES millrace.users (id) ON DELETE SET NULL,
    base          integer NOT NULL,             -- the version that the settings go on from; 0 for none
    body          jsonb   NOT NULL,             -- the settings that are tried
    forecast      jsonb   NOT NULL DEFAULT '[]', -- what a sync of everything by these settings would read
    counts        jsonb                          -- how many accounts would change, by kind; NULL until it is known
);
CREATE INDEX impacts_user ON millrace.impacts (connection_id, user_id, run_id DESC);
CREATE INDEX impacts_user_fk ON millrace.impacts (user_id);

-- The first accounts of each kind of change, by name.
CREATE TABLE millrace.impact_changes (
    run_id bigint  NOT NULL REFERENCES millrace.impacts (run_id) ON DELETE CASCADE,
    kind   text    NOT NULL,
    place  integer NOT NULL,
    sf_id  text    NOT NULL COLLATE "C",
    name   text,
    before text,
    after  text,
    PRIMARY KEY (run_id, kind, place)
);

-- Filled by an impact and emptied at its end.
CREATE TABLE millrace.impact_accounts (LIKE millrace.accounts INCLUDING ALL) PARTITION BY LIST (connection_id);
CREATE TABLE millrace.impact_value_records (LIKE millrace.value_records INCLUDING ALL) PARTITION BY LIST (connection_id);
CREATE TABLE millrace.impact_currencies (LIKE millrace.currencies INCLUDING ALL) PARTITION BY LIST (connection_id);
SELECT millrace.add_connection_partition(t, c.id)
  FROM millrace.connections c, unnest(ARRAY['impact_accounts', 'impact_value_records', 'impact_currencies']) t;

COMMENT ON TABLE millrace.impacts IS 'What changes of the settings would do, as tried before saving';
COMMENT ON TABLE millrace.impact_changes IS 'Accounts that a tried change of the settings would touch';
COMMENT ON TABLE millrace.impact_accounts IS 'Working data of an impact in progress';
COMMENT ON TABLE millrace.impact_value_records IS 'Working data of an impact in progress';
COMMENT ON TABLE millrace.impact_currencies IS 'Working data of an impact in progress';
