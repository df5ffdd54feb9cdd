-- Parents that stay here and that perhaps did not match while their children were read, so that some of these are missing.

CREATE TABLE millrace.doubted_parents (
    connection_id bigint NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    records       text   NOT NULL,             -- the set of their children, as in read_states
    sf_id         text   NOT NULL COLLATE "C",
    run_id        bigint NOT NULL,             -- the last run that did not find a child which it had reason to look for
    PRIMARY KEY (connection_id, records, sf_id)
);
COMMENT ON TABLE millrace.doubted_parents IS 'Parents whose children are asked for once more when Salesforce says that the parents have changed';
