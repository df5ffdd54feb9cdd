-- Sums of hashes of the ids that a run has met tell without looking at each whether all that is here was met.
ALTER TABLE millrace.run_seen
    ADD COLUMN kept    numeric NOT NULL DEFAULT 0,
    ADD COLUMN skipped numeric NOT NULL DEFAULT 0;
COMMENT ON COLUMN millrace.run_seen.kept IS 'The sum of hashtextextended(id, 0) of those that were here before the run and stay';
COMMENT ON COLUMN millrace.run_seen.skipped IS 'The sum of hashtextextended(id, 0) of those that are skipped';
