-- What has changed in the org against what the settings use, as runs notice it: one row for each change, however many runs meet it.
CREATE TABLE millrace.schema_drifts (
    connection_id bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    object        text        NOT NULL,
    field         text        NOT NULL DEFAULT '', -- empty for the object as such
    kind          text        NOT NULL CHECK (kind IN ('field_gone', 'object_gone', 'retyped')),
    used_by       text[]      NOT NULL, -- the settings that use it, as people call them
    sentence      text        NOT NULL, -- what has changed, without its full stop
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    first_run     bigint      NOT NULL, -- the run that noticed it
    last_seen_at  timestamptz NOT NULL DEFAULT now(),
    resolved_at   timestamptz,          -- when a run found it as before
    PRIMARY KEY (connection_id, object, field, kind)
);
CREATE INDEX schema_drifts_run ON millrace.schema_drifts (first_run);
COMMENT ON TABLE millrace.schema_drifts IS 'Changes in the org that touch the settings, one row for each';
COMMENT ON COLUMN millrace.schema_drifts.resolved_at IS 'When a run no longer found the change; empty while it lasts';
