-- Records that leave because the settings do not ask for their object or kind any more leave before the steps of the run, of which none reads them.
ALTER TABLE millrace.runs ADD COLUMN retired bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN millrace.runs.retired IS 'How many records left because the settings do not ask for them any more';
