-- Undo of a run: a run of its own, which puts back what another one did to the records here.

ALTER TABLE millrace.runs
    ADD COLUMN of_run   bigint REFERENCES millrace.runs (id) ON DELETE SET NULL,
    ADD COLUMN root_run bigint REFERENCES millrace.runs (id) ON DELETE SET NULL;
CREATE INDEX runs_of ON millrace.runs (of_run) WHERE of_run IS NOT NULL;
COMMENT ON COLUMN millrace.runs.of_run IS 'The run that an undo puts back; empty for other runs';
COMMENT ON COLUMN millrace.runs.root_run IS 'Of an undo, the run at the beginning of the chain of undos of undos; empty for other runs';

-- What an undo has still to do and, when it has ended, what it left alone. Rows go as their records are put back.
CREATE TABLE millrace.undo_records (
    run_id    bigint NOT NULL REFERENCES millrace.runs (id) ON DELETE CASCADE,
    tab       text   NOT NULL,
    part      text   NOT NULL, -- the object of a custom record; empty in other tables
    sf_id     text   NOT NULL COLLATE "C",
    entity    text   NOT NULL, -- name of the record in the audit log
    kind      text   NOT NULL CHECK (kind IN ('values', 'withdrawn', 'back', 'marked')),
    before    jsonb  NOT NULL, -- what is put back, by column or further field
    after     jsonb  NOT NULL, -- what must be there for that
    kept      text   NOT NULL DEFAULT '' CHECK (kept IN ('', 'later', 'changed', 'missing')), -- why the record is left alone
    later_run bigint,
    PRIMARY KEY (run_id, tab, part, sf_id)
);
CREATE INDEX undo_records_kept ON millrace.undo_records (run_id, tab, part, sf_id) WHERE kept <> '';
COMMENT ON TABLE millrace.undo_records IS 'Working data of undos: what is still to be put back, and what was left alone and why';

-- The rows of a run lie beside each other in the audit log, so that an index of a few pages finds them.
CREATE INDEX audit_log_run ON millrace.audit_log USING brin (run_id) WITH (pages_per_range = 32, autosummarize = on);

-- Lays objects over one another, the last on top.
CREATE AGGREGATE millrace.overlay (jsonb) (SFUNC = jsonb_concat, STYPE = jsonb, INITCOND = '{}');

-- The changes of the audit log are [before, after] by field.
CREATE FUNCTION millrace.side_of_changes(changes jsonb, side integer) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_object_agg(e.key, e.value -> side), '{}') FROM jsonb_each(changes) e
$$;

-- Of an object by field, what is in the given columns, or what is not. What is not is a further field, whose name may begin with a prefix that tells it
-- from a column.
CREATE FUNCTION millrace.of_columns(object jsonb, columns text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(object) e WHERE e.key = ANY (columns)
$$;
CREATE FUNCTION millrace.of_fields(object jsonb, columns text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_object_agg(CASE WHEN e.key LIKE 'fields.%' THEN substr(e.key, 8) ELSE e.key END, e.value), '{}')
      FROM jsonb_each(object) e WHERE e.key <> ALL (columns)
$$;
