-- Which records a run in progress has met, as one list for each page or part of one: a row for each record cost as much as reading it. A run that is in progress while this is applied finds
-- its list lost, as after a crash of Postgres, and reads the object again.
DROP TABLE millrace.run_seen;
CREATE UNLOGGED TABLE millrace.run_seen (
    run_id   bigint  NOT NULL,
    object   text    NOT NULL,               -- the set of records, as in run_steps; empty in the row that tells whether the table was emptied
    position integer NOT NULL,
    n        bigint  NOT NULL,               -- how many ids
    least    text    NOT NULL COLLATE "C",
    greatest text    NOT NULL COLLATE "C",
    ids      text[]  NOT NULL COLLATE "C"
);
CREATE INDEX run_seen_run ON millrace.run_seen (run_id, object, position);
ALTER TABLE millrace.run_seen ALTER COLUMN ids SET STORAGE EXTERNAL; -- compressing the ids would cost more than it saves
COMMENT ON TABLE millrace.run_seen IS 'Records that runs in progress have met; emptied when a run ends';
COMMENT ON COLUMN millrace.run_pages.seen IS 'How many ids the page added to run_seen';
