-- A step's plan comes from the settings: it is kept with the step, so that a run goes on as it began.
ALTER TABLE millrace.run_steps
    ADD COLUMN records text  NOT NULL DEFAULT '',   -- the set of records that the step fills; steps of the same set fill it together
    ADD COLUMN body    jsonb NOT NULL DEFAULT '{}'; -- the table, its columns and what else was planned
UPDATE millrace.run_steps SET records = object;
COMMENT ON COLUMN millrace.run_steps.records IS 'The set of records that the step fills: the object, unless it is working data or a further object';
