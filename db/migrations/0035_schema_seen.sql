-- What the settings use of an org, as it was when they were last saved or when its changes were last taken note of.
CREATE TABLE millrace.schema_seen (
    connection_id bigint      PRIMARY KEY REFERENCES millrace.connections (id) ON DELETE CASCADE,
    objects       jsonb       NOT NULL,
    seen_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE millrace.schema_seen IS 'What the settings use of an org, as it was when they were saved: compared with its describes to tell what has changed';
