ALTER TABLE millrace.completeness_checks ADD COLUMN waiting bigint NOT NULL DEFAULT 0; -- belong to records that could not be stored
COMMENT ON COLUMN millrace.completeness_checks.waiting IS 'How many are missing here because the records that they belong to could not be stored';
