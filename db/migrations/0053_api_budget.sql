-- How many of an org's daily API requests may be used, and how they were used.

CREATE TABLE millrace.api_budgets (
    connection_id   bigint  PRIMARY KEY REFERENCES millrace.connections (id) ON DELETE CASCADE,
    reserve_percent integer NOT NULL DEFAULT 20 CHECK (reserve_percent BETWEEN 0 AND 99), -- of the daily limit, kept free for other apps
    own_percent     integer CHECK (own_percent BETWEEN 1 AND 100), -- most of the daily limit that runs may use; empty for no such cap
    own_calls       bigint  CHECK (own_calls > 0),                 -- the same as a number of requests
    granted         bigint  NOT NULL DEFAULT 0, -- requests counted so far, of all processes: each takes the next number
    covered         bigint  NOT NULL DEFAULT 0, -- up to which number connections.api_used surely holds them
    reading         bigint  NOT NULL DEFAULT 0, -- number of the request whose answer told connections.api_used
    looked_at       timestamptz,                -- when a run that waits last asked Salesforce how much is used
    CHECK (own_percent IS NULL OR own_calls IS NULL)
);
INSERT INTO millrace.api_budgets (connection_id) SELECT id FROM millrace.connections;

CREATE TABLE millrace.api_usage (
    connection_id bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    hour          timestamptz NOT NULL,
    used          bigint,                     -- the greatest use of the last 24 hours that Salesforce told within the hour, of all apps
    daily_limit   bigint,
    calls         bigint      NOT NULL DEFAULT 0, -- requests of Millrace within the hour
    PRIMARY KEY (connection_id, hour)
);

ALTER TABLE millrace.runs
    ADD COLUMN waiting_for text NOT NULL DEFAULT '' CHECK (waiting_for IN ('', 'budget')); -- of a waiting run: the API budget, or something else

COMMENT ON TABLE millrace.api_budgets IS 'How many of an org''s daily API requests Millrace may use';
COMMENT ON COLUMN millrace.api_budgets.reserve_percent IS 'Part of the org''s daily limit that runs leave for other apps, in percent';
COMMENT ON TABLE millrace.api_usage IS 'API requests by the hour, of the whole org and of Millrace; kept for 90 days';
COMMENT ON COLUMN millrace.api_usage.used IS 'The greatest use within 24 hours that Salesforce told in this hour, of all apps';
COMMENT ON COLUMN millrace.api_usage.calls IS 'Requests that Millrace itself made in this hour';
