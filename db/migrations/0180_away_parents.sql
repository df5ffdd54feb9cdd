-- A parent may be away just while its children are read in full, and back before it is read itself: nothing of it or of them tells that, except its time of change. The first reading of the parents after
-- that of their children therefore puts those in doubt that have changed since it began.
ALTER TABLE millrace.read_states
    ADD COLUMN whole_run bigint,      -- the run that last read everything of the set; empty for sets of whose parents none is in doubt for that
    ADD COLUMN whole_at  timestamptz; -- when it began, by the org's clock

ALTER TABLE millrace.doubted_parents ADD COLUMN due boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN millrace.doubted_parents.due IS 'Their children are asked for whether or not the parents have changed since';
COMMENT ON TABLE millrace.doubted_parents IS 'Parents whose children are asked for once more, at once or when the parents or their accounts have changed';
