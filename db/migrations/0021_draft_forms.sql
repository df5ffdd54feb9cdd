-- What of a draft is typed but not settings yet: the rows of the boxes that are edited in the builder, by field path.
ALTER TABLE millrace.settings_drafts ADD COLUMN forms jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN millrace.settings_drafts.forms IS 'Boxes that are edited as rows, by field path: the rows as typed, finished or not';
