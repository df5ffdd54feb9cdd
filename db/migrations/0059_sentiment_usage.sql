-- How often the operator's endpoint for sentiments was asked, by connection and day (UTC): the daily cap counts here.
CREATE TABLE millrace.sentiment_usage (
    connection_id bigint  NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    day           date    NOT NULL,
    calls         integer NOT NULL DEFAULT 0,
    PRIMARY KEY (connection_id, day)
);
COMMENT ON TABLE millrace.sentiment_usage IS 'Calls of the endpoint for sentiments, by connection and day of UTC';
