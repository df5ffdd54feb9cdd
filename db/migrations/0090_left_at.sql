-- Who left since a moment, for the tables that lack such an index: each run looks at them once more where their parents have changed.
CREATE INDEX custom_records_left_at ON millrace.custom_records (connection_id, left_filter_at) WHERE left_filter_at IS NOT NULL;
CREATE INDEX case_messages_left_at  ON millrace.case_messages  (connection_id, left_filter_at) WHERE left_filter_at IS NOT NULL;
