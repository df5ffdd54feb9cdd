-- Of records that leave it is asked whether they were deleted in Salesforce. Where that has no answer, it is asked again by a later run.
ALTER TABLE millrace.run_steps ADD COLUMN leavers_open boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN millrace.run_steps.leavers_open IS 'It is not known which of the records that left with the step were deleted in Salesforce';
CREATE INDEX run_steps_leavers_open ON millrace.run_steps (records) WHERE leavers_open;
