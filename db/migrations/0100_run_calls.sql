-- The API requests of a run by their kind, beside their sum in runs.api_calls.

CREATE TABLE millrace.run_calls (
    run_id  bigint NOT NULL REFERENCES millrace.runs (id) ON DELETE CASCADE,
    kind    text   NOT NULL,
    purpose text   NOT NULL, -- the step's label, or what else the run asked for; empty where it is nothing in particular
    calls   bigint NOT NULL,
    free    boolean NOT NULL DEFAULT false, -- not a request of the data APIs: it has no part in their daily limit, nor in runs.api_calls
    PRIMARY KEY (run_id, kind, purpose)
);

COMMENT ON TABLE millrace.run_calls IS 'API requests of a run by kind and purpose';
