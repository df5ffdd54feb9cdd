-- When each part of a connection is synced by itself, and what the runs of it make up for.

CREATE TABLE millrace.schedules (
    connection_id      bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    entity             text        NOT NULL CHECK (entity IN ('accounts', 'contacts', 'cases', 'chatter')),
    hours              integer     NOT NULL CHECK (hours > 0),  -- between two slots; 168 for weekly
    start_time         text        NOT NULL,                    -- of the day, as 15:04, in time_zone
    weekday            integer     NOT NULL DEFAULT 1 CHECK (weekday BETWEEN 0 AND 6), -- of weekly; 0 is Sunday
    time_zone          text        NOT NULL,
    enabled            boolean     NOT NULL,
    next_run_at        timestamptz,
    last_scheduled_for timestamptz,                             -- the newest slot whose time has come
    last_run_id        bigint      REFERENCES millrace.runs (id) ON DELETE SET NULL,
    skipped            bigint      NOT NULL DEFAULT 0,          -- slots since the last run that started none
    skip_reason        text        NOT NULL DEFAULT '',
    PRIMARY KEY (connection_id, entity),
    CHECK (enabled = (next_run_at IS NOT NULL))
);
CREATE INDEX schedules_due ON millrace.schedules (next_run_at) WHERE enabled;

COMMENT ON TABLE millrace.schedules IS 'When each part of a connection is synced by itself';
COMMENT ON COLUMN millrace.schedules.hours IS 'Hours between two slots, counted from start_time on the clock of time_zone; 168 for weekly';
COMMENT ON COLUMN millrace.schedules.next_run_at IS 'The next slot; empty when the schedule is off';
COMMENT ON COLUMN millrace.schedules.skipped IS 'Slots since the last run that could not start one, for skip_reason';

ALTER TABLE millrace.runs
    ADD COLUMN scheduled_for timestamptz,                -- the slot that the clock started it for; empty for other runs
    ADD COLUMN missed        bigint NOT NULL DEFAULT 0;  -- slots that passed while nobody could start a run, for which this one makes up
CREATE UNIQUE INDEX runs_one_per_slot ON millrace.runs (connection_id, entity, scheduled_for) WHERE scheduled_for IS NOT NULL;
COMMENT ON COLUMN millrace.runs.entity IS 'What the run brings over: all, accounts, contacts, cases or chatter';
COMMENT ON COLUMN millrace.runs.missed IS 'Slots of the schedule that passed while no runner was there, for which this run makes up';
