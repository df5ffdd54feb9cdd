-- The runs that a person has asked for, newest first.
CREATE INDEX runs_by_person ON millrace.runs (connection_id, requested_by, id DESC) WHERE requested_by IS NOT NULL AND entity <> 'impact';
