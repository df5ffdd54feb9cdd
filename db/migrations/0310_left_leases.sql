-- A page that somebody works on may be wanted no more, since its run has ended or its step was begun anew. Whoever worked on it has perhaps a transaction open, and stands still.
CREATE TABLE millrace.left_leases (
    owner       text        NOT NULL,   -- the runner that held the page
    lease_until timestamptz NOT NULL    -- until when
);
COMMENT ON TABLE millrace.left_leases IS 'Leases of pages that were removed while others than who removed them held them: when they have run out, what their holders had begun is ended';
