-- Alerts: what is wrong at present, whom to tell, and how each notice went.

-- Where notices go. Addresses of webhooks and the secrets that sign them are sealed with the channel's own key.
CREATE TABLE millrace.alert_channels (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind              text        NOT NULL CHECK (kind IN ('email', 'slack', 'webhook')),
    name              text        NOT NULL,
    enabled           boolean     NOT NULL DEFAULT true,
    off_reason        text        NOT NULL DEFAULT '',  -- why it was switched off by itself; empty when a person did it
    addresses         text[]      NOT NULL DEFAULT '{}',
    shown             text        NOT NULL DEFAULT '',  -- the part of the address that people may see
    data_key_sealed   bytea       NOT NULL,
    url_sealed        bytea,
    secret_sealed     bytea,
    secret_made_at    timestamptz,
    old_secret_sealed bytea,
    old_secret_until  timestamptz,
    form_key          text        UNIQUE,               -- of the form that made it: sent twice, it makes one
    version           integer     NOT NULL DEFAULT 1,   -- grows with each change, so that nobody overwrites another's unseen
    created_by        bigint      REFERENCES millrace.users (id) ON DELETE SET NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    removed_at        timestamptz,                      -- its deliveries stay readable
    CHECK ((kind = 'email') = (url_sealed IS NULL) OR removed_at IS NOT NULL)
);

-- What a connection is watched for: per cause whether, and from which number on. What is not there is as usual.
CREATE TABLE millrace.alert_rules (
    connection_id bigint      PRIMARY KEY REFERENCES millrace.connections (id) ON DELETE CASCADE,
    version       integer     NOT NULL,
    body          jsonb       NOT NULL,
    changed_by    bigint      REFERENCES millrace.users (id) ON DELETE SET NULL,
    changed_at    timestamptz NOT NULL DEFAULT now()
);

-- Of what nobody is told for a while. An empty cause or subject stands for all of them.
CREATE TABLE millrace.alert_mutes (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    cause         text        NOT NULL DEFAULT '',
    subject       text        NOT NULL DEFAULT '',
    until         timestamptz,                          -- empty: until somebody ends it
    made_by       bigint      REFERENCES millrace.users (id) ON DELETE SET NULL,
    made_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (connection_id, cause, subject)
);

CREATE TABLE millrace.alerts (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    cause         text        NOT NULL,
    subject       text        NOT NULL DEFAULT '',      -- tells alerts of one cause apart, such as the part that is synced
    title         text        NOT NULL,
    detail        text        NOT NULL,
    place         text        NOT NULL,                 -- the page on which it is cured
    place_label   text        NOT NULL,
    opened_at     timestamptz NOT NULL DEFAULT now(),
    told_at       timestamptz,                          -- when the notice of it was queued
    ended_at      timestamptz,
    ended_text    text        NOT NULL DEFAULT '',
    quiet         boolean     NOT NULL DEFAULT false    -- nobody is told of its end: it was not cured, but called off
);
CREATE UNIQUE INDEX alerts_one_open ON millrace.alerts (connection_id, cause, subject) WHERE ended_at IS NULL;
CREATE INDEX alerts_ended ON millrace.alerts (ended_at DESC, id DESC) WHERE ended_at IS NOT NULL;

CREATE TABLE millrace.alert_deliveries (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id      text        NOT NULL UNIQUE,        -- the same at each attempt
    channel_id      bigint      NOT NULL REFERENCES millrace.alert_channels (id) ON DELETE CASCADE,
    alert_id        bigint      REFERENCES millrace.alerts (id) ON DELETE CASCADE, -- empty for a test
    kind            text        NOT NULL CHECK (kind IN ('opened', 'recovered', 'test')),
    address         text        NOT NULL DEFAULT '',    -- of an e-mail
    form_key        text,                               -- of the form that asked for a test
    state           text        NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sending', 'delivered', 'failed')),
    outcome         text        NOT NULL DEFAULT '',    -- of the last attempt, in a sentence
    attempts        integer     NOT NULL DEFAULT 0,
    tries           integer     NOT NULL DEFAULT 0,     -- attempts since it was queued or queued again by a person
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    owner           text        NOT NULL DEFAULT '',
    fence           bigint      NOT NULL DEFAULT 0,
    lease_until     timestamptz,
    requested_by    bigint      REFERENCES millrace.users (id) ON DELETE SET NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    CHECK ((alert_id IS NULL) = (kind = 'test'))
);
CREATE UNIQUE INDEX alert_deliveries_once ON millrace.alert_deliveries (alert_id, channel_id, kind, address) WHERE alert_id IS NOT NULL;
CREATE UNIQUE INDEX alert_deliveries_test ON millrace.alert_deliveries (channel_id, form_key, address) WHERE form_key IS NOT NULL;
CREATE INDEX alert_deliveries_due ON millrace.alert_deliveries (next_attempt_at, id) WHERE state IN ('queued', 'sending');
CREATE INDEX alert_deliveries_channel ON millrace.alert_deliveries (channel_id, id DESC);

CREATE TABLE millrace.alert_attempts (
    delivery_id bigint      NOT NULL REFERENCES millrace.alert_deliveries (id) ON DELETE CASCADE,
    attempt     integer     NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    took_ms     integer     NOT NULL DEFAULT 0,
    code        integer     NOT NULL DEFAULT 0,         -- that the receiver answered; 0 for no answer
    excerpt     text        NOT NULL DEFAULT '',        -- of the answer
    said        text        NOT NULL DEFAULT '',        -- how it went, in a sentence
    PRIMARY KEY (delivery_id, attempt)
);

CREATE INDEX runs_ended_by_entity ON millrace.runs (connection_id, entity, id DESC) WHERE state IN ('completed', 'completed_with_errors', 'failed');

COMMENT ON TABLE millrace.alert_channels IS 'Where notices of alerts go';
COMMENT ON TABLE millrace.alert_rules IS 'What each connection is watched for, where that differs from the usual';
COMMENT ON TABLE millrace.alert_mutes IS 'Alerts of which nobody is told for a while';
COMMENT ON TABLE millrace.alerts IS 'What is or was wrong: one row from the beginning of a cause to its end';
COMMENT ON TABLE millrace.alert_deliveries IS 'Notices: one row per alert, channel and address for its beginning, and one for its end';
COMMENT ON TABLE millrace.alert_attempts IS 'Each attempt to hand a notice over, with what came back';
