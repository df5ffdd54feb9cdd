-- Pages send what is typed into them again and again, and the network does not keep the order. Each page numbers what it sends; here is the last number
-- that counted, so that what arrives late is told from what is new.
CREATE TABLE millrace.settings_draft_turns (
    connection_id bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    user_id       bigint      NOT NULL REFERENCES millrace.users (id) ON DELETE CASCADE,
    page          text        NOT NULL,                      -- one page as it was loaded, named by itself
    turn          bigint      NOT NULL CHECK (turn >= 0),
    saved_version integer     NOT NULL DEFAULT 0,            -- the newest version that was saved from it; 0 for none
    at            timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, user_id, page)
);
CREATE INDEX settings_draft_turns_user ON millrace.settings_draft_turns (user_id);
COMMENT ON TABLE millrace.settings_draft_turns IS 'The last form that counted of each page on which settings are edited; rows go after a week';
