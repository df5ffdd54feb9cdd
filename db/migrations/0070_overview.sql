-- What the overview and the filters of Sync Status go by.

CREATE INDEX runs_by_entity ON millrace.runs (connection_id, entity, id DESC);
CREATE INDEX runs_by_state ON millrace.runs (connection_id, state, id DESC);

-- The last of the first steps with a connection, a look at some records beside Salesforce, is done when somebody says so.
ALTER TABLE millrace.connections
    ADD COLUMN checked_at timestamptz,
    ADD COLUMN checked_by bigint REFERENCES millrace.users (id) ON DELETE SET NULL;
COMMENT ON COLUMN millrace.connections.checked_at IS 'When somebody said that records here match those in Salesforce, which ends the first steps';
UPDATE millrace.connections c SET checked_at = now()
 WHERE EXISTS (SELECT FROM millrace.runs r WHERE r.connection_id = c.id AND r.trigger <> 'first' AND r.entity <> 'impact' AND r.state IN ('completed', 'completed_with_errors'));
