-- A run that has begun goes on with its settings; one that is asked for after newer ones were saved waits for its turn behind it.
CREATE UNIQUE INDEX runs_one_begun ON millrace.runs (connection_id, entity) WHERE state IN ('queued', 'running', 'waiting') AND started_at IS NOT NULL;
CREATE UNIQUE INDEX runs_one_to_begin ON millrace.runs (connection_id, entity) WHERE state IN ('queued', 'running', 'waiting') AND started_at IS NULL;
DROP INDEX millrace.runs_one_active;
