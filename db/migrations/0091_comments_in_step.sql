-- Comments that are in step are found at once when the settings do not ask for comments any more.

CREATE INDEX chatter_comments_in_step ON millrace.chatter_comments (connection_id) WHERE left_filter_at IS NULL;
