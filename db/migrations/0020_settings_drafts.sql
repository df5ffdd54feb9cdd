-- Settings that somebody has changed and not saved yet: one draft per person and connection.
CREATE TABLE millrace.settings_drafts (
    connection_id bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    user_id       bigint      NOT NULL REFERENCES millrace.users (id) ON DELETE CASCADE,
    base          integer     NOT NULL CHECK (base >= 0), -- the version that it started from; 0 for none
    body          jsonb       NOT NULL,
    note          text        NOT NULL DEFAULT '',
    problems      jsonb       NOT NULL DEFAULT '{}', -- what the last refused save said, by field path
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, user_id)
);
COMMENT ON TABLE millrace.settings_drafts IS 'Settings that somebody has changed and not saved yet';
