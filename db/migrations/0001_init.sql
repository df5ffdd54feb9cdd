-- The application's own tables live in schema millrace; schema salesforce holds the stable read views for the customer's own SQL.
CREATE SCHEMA IF NOT EXISTS millrace;
CREATE SCHEMA IF NOT EXISTS salesforce;

-- People -------------------------------------------------------------------------------------------------------------

CREATE TABLE millrace.users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text        NOT NULL,
    name          text        NOT NULL DEFAULT '',
    role          text        NOT NULL CHECK (role IN ('admin', 'viewer')),
    password_hash text        NOT NULL,
    time_zone     text        NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    disabled_at   timestamptz
);
CREATE UNIQUE INDEX users_email ON millrace.users (lower(email));

CREATE TABLE millrace.setup_links (
    token_hash bytea PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);

CREATE TABLE millrace.sessions (
    id_hash      bytea PRIMARY KEY,
    user_id      bigint      NOT NULL REFERENCES millrace.users (id) ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    ip           text        NOT NULL DEFAULT '',
    user_agent   text        NOT NULL DEFAULT ''
);
CREATE INDEX sessions_user ON millrace.sessions (user_id, last_seen_at);

-- One row per throttled key ("account:<email hash>" or "network:<prefix>").
CREATE TABLE millrace.sign_in_failures (
    key             text PRIMARY KEY,
    failures        integer     NOT NULL,
    next_allowed_at timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sign_in_failures_updated ON millrace.sign_in_failures (updated_at);

-- Connections --------------------------------------------------------------------------------------------------------

CREATE TABLE millrace.connections (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name               text        NOT NULL,
    environment        text        NOT NULL CHECK (environment IN ('production', 'sandbox', 'my_domain', 'demo')),
    login_url          text        NOT NULL,
    client_id          text        NOT NULL,
    data_key_sealed    bytea       NOT NULL,
    client_secret_sealed bytea,
    access_token_sealed  bytea,
    refresh_token_sealed bytea,
    token_version      bigint      NOT NULL DEFAULT 0,
    instance_url       text        NOT NULL DEFAULT '',
    org_id             text        NOT NULL,
    org_name           text        NOT NULL DEFAULT '',
    is_sandbox         boolean     NOT NULL DEFAULT false,
    sf_user_id         text        NOT NULL DEFAULT '',
    sf_username        text        NOT NULL DEFAULT '',
    sf_display_name    text        NOT NULL DEFAULT '',
    status             text        NOT NULL CHECK (status IN ('connected', 'needs_reconnect', 'disconnected')),
    status_reason      text        NOT NULL DEFAULT '',
    api_used           bigint,
    api_limit          bigint,
    api_seen_at        timestamptz,
    connected_by       bigint      REFERENCES millrace.users (id) ON DELETE SET NULL,
    connected_at       timestamptz NOT NULL DEFAULT now(),
    created_at         timestamptz NOT NULL DEFAULT now()
);
-- One connection per org: connecting the same org again refreshes its row.
CREATE UNIQUE INDEX connections_org ON millrace.connections (org_id);

-- A started OAuth web-server flow; single use, ten minutes.
CREATE TABLE millrace.oauth_flows (
    state_hash           bytea PRIMARY KEY,
    session_hash         bytea       NOT NULL,
    connection_id        bigint      REFERENCES millrace.connections (id) ON DELETE CASCADE,
    environment          text        NOT NULL,
    login_url            text        NOT NULL,
    client_id            text        NOT NULL,
    client_secret_sealed bytea       NOT NULL,
    verifier_sealed      bytea       NOT NULL,
    created_at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX oauth_flows_created ON millrace.oauth_flows (created_at);

CREATE TABLE millrace.settings_versions (
    connection_id bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    version       integer     NOT NULL CHECK (version > 0),
    body          jsonb       NOT NULL,
    note          text        NOT NULL DEFAULT '',
    author_id     bigint      REFERENCES millrace.users (id) ON DELETE SET NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, version)
);

-- Runs ---------------------------------------------------------------------------------------------------------------

CREATE TABLE millrace.runs (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    short_id            text        NOT NULL UNIQUE,
    connection_id       bigint      NOT NULL REFERENCES millrace.connections (id) ON DELETE CASCADE,
    entity              text        NOT NULL DEFAULT 'all',
    trigger             text        NOT NULL CHECK (trigger IN ('first', 'manual', 'schedule')),
    requested_by        bigint      REFERENCES millrace.users (id) ON DELETE SET NULL,
    settings_version    integer     NOT NULL,
    state               text        NOT NULL CHECK (state IN ('queued', 'running', 'waiting', 'completed', 'completed_with_errors', 'cancelled', 'failed')),
    outcome             text        NOT NULL DEFAULT '',
    phase               text        NOT NULL DEFAULT '',
    owner               text        NOT NULL DEFAULT '',
    fence               bigint      NOT NULL DEFAULT 0,
    attempt             integer     NOT NULL DEFAULT 0,
    waits               integer     NOT NULL DEFAULT 0, -- waits for a fault to pass since the last committed page
    lease_until         timestamptz,
    waiting_until       timestamptz,
    waiting_reason      text        NOT NULL DEFAULT '',
    cancel_requested_at timestamptz,
    cancel_requested_by bigint      REFERENCES millrace.users (id) ON DELETE SET NULL,
    error_code          text        NOT NULL DEFAULT '',
    error               text        NOT NULL DEFAULT '',
    api_calls           bigint      NOT NULL DEFAULT 0,
    created_at          timestamptz NOT NULL DEFAULT now(),
    started_at          timestamptz,
    finished_at         timestamptz,
    FOREIGN KEY (connection_id, settings_version) REFERENCES millrace.settings_versions (connection_id, version)
);
CREATE UNIQUE INDEX runs_one_active ON millrace.runs (connection_id, entity) WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX runs_claimable ON millrace.runs (id) WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX runs_by_connection ON millrace.runs (connection_id, id DESC);

-- One row per object and type of a run, in order of execution.
CREATE TABLE millrace.run_steps (
    run_id      bigint  NOT NULL REFERENCES millrace.runs (id) ON DELETE CASCADE,
    position    integer NOT NULL,
    name        text    NOT NULL,
    label       text    NOT NULL,
    object      text    NOT NULL,
    query       text    NOT NULL,
    state       text    NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done', 'failed')),
    mode        text    NOT NULL DEFAULT '' CHECK (mode IN ('', 'bulk', 'rest')),
    fresh       boolean NOT NULL DEFAULT false, -- the target held nothing of this connection when the step began
    job_id      text    NOT NULL DEFAULT '',
    note        text    NOT NULL DEFAULT '',
    expected    bigint,
    read        bigint  NOT NULL DEFAULT 0,
    created     bigint  NOT NULL DEFAULT 0,
    updated     bigint  NOT NULL DEFAULT 0,
    unchanged   bigint  NOT NULL DEFAULT 0,
    skipped     bigint  NOT NULL DEFAULT 0,
    elsewhere   bigint  NOT NULL DEFAULT 0, -- taken by an earlier filter, or of an account that is not synced
    failed      bigint  NOT NULL DEFAULT 0,
    left_filter bigint  NOT NULL DEFAULT 0,
    started_at  timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (run_id, position),
    UNIQUE (run_id, name)
);

-- The checkpoint: one row per committed page, written in the page's own transaction.
CREATE TABLE millrace.run_pages (
    run_id       bigint  NOT NULL,
    position     integer NOT NULL,
    page         integer NOT NULL,
    locator      text    NOT NULL,
    next_locator text    NOT NULL,
    records      bigint  NOT NULL,
    seen         bigint  NOT NULL, -- rows that this page added to run_seen
    fence        bigint  NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, position, page),
    FOREIGN KEY (run_id, position) REFERENCES millrace.run_steps (run_id, position) ON DELETE CASCADE
);

-- Which records a run in progress has met; emptied when the run ends. Unlogged: it is lost when Postgres crashes, which the runner notices by
-- comparing its count with run_pages, and then leaves nobody marked as gone.
CREATE UNLOGGED TABLE millrace.run_seen (
    run_id   bigint  NOT NULL,
    object   text    NOT NULL,
    sf_id    text    NOT NULL COLLATE "C",
    position integer NOT NULL,
    PRIMARY KEY (run_id, object, sf_id)
);

-- Records that could not be taken over; they never stop a run.
CREATE TABLE millrace.run_errors (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id     bigint      NOT NULL REFERENCES millrace.runs (id) ON DELETE CASCADE,
    position   integer     NOT NULL, -- of the step
    object     text        NOT NULL,
    sf_id      text        NOT NULL DEFAULT '',
    line       bigint,
    cause      text        NOT NULL,
    message    text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX run_errors_run ON millrace.run_errors (run_id, id);

-- Synced data: partitioned by connection, so that one connection's data can be loaded, removed and moved on its own. -------

CREATE TABLE millrace.sf_users (
    connection_id   bigint NOT NULL,
    sf_id           text   NOT NULL COLLATE "C",
    name            text,
    email           text,
    username        text,
    title           text,
    is_active       boolean,
    fields          jsonb  NOT NULL DEFAULT '{}',
    system_modstamp timestamptz,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    deleted_in_salesforce_at timestamptz,
    left_filter_at  timestamptz,
    PRIMARY KEY (connection_id, sf_id)
) PARTITION BY LIST (connection_id);

CREATE TABLE millrace.accounts (
    connection_id   bigint NOT NULL,
    sf_id           text   NOT NULL COLLATE "C",
    account_type    text   NOT NULL CHECK (account_type IN ('customer', 'prospect', 'partner')),
    name            text,
    website         text,
    domain          text,
    sf_type         text,
    industry        text,
    description     text,
    owner_id        text   COLLATE "C",
    fields          jsonb  NOT NULL DEFAULT '{}',
    system_modstamp timestamptz,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    deleted_in_salesforce_at timestamptz,
    left_filter_at  timestamptz,
    PRIMARY KEY (connection_id, sf_id)
) PARTITION BY LIST (connection_id);

CREATE TABLE millrace.contacts (
    connection_id   bigint NOT NULL,
    sf_id           text   NOT NULL COLLATE "C",
    account_id      text   COLLATE "C",
    first_name      text,
    last_name       text,
    email           text,
    phone           text,
    title           text,
    department      text,
    owner_id        text   COLLATE "C",
    fields          jsonb  NOT NULL DEFAULT '{}',
    system_modstamp timestamptz,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    deleted_in_salesforce_at timestamptz,
    left_filter_at  timestamptz,
    PRIMARY KEY (connection_id, sf_id)
) PARTITION BY LIST (connection_id);
CREATE INDEX contacts_account ON millrace.contacts (connection_id, account_id, sf_id);

CREATE TABLE millrace.opportunities (
    connection_id   bigint NOT NULL,
    sf_id           text   NOT NULL COLLATE "C",
    account_id      text   COLLATE "C",
    name            text,
    stage           text,
    amount          numeric,
    currency        text,
    close_date      date,
    probability     numeric,
    is_closed       boolean,
    is_won          boolean,
    sf_type         text,
    owner_id        text   COLLATE "C",
    fields          jsonb  NOT NULL DEFAULT '{}',
    system_modstamp timestamptz,
    first_seen_run  bigint NOT NULL,
    last_seen_run   bigint NOT NULL,
    synced_at       timestamptz NOT NULL DEFAULT now(),
    deleted_in_salesforce_at timestamptz,
    left_filter_at  timestamptz,
    PRIMARY KEY (connection_id, sf_id)
) PARTITION BY LIST (connection_id);
CREATE INDEX opportunities_account ON millrace.opportunities (connection_id, account_id, sf_id);

-- Audit log: one row per record touched per run, by day; retention drops whole days. --------------------------------------

CREATE TABLE millrace.audit_log (
    at            timestamptz NOT NULL DEFAULT now(),
    connection_id bigint      NOT NULL,
    run_id        bigint,
    actor_id      bigint,
    entity        text        NOT NULL,
    sf_id         text        NOT NULL DEFAULT '' COLLATE "C",
    action        text        NOT NULL,
    changes       jsonb,
    detail        text
) PARTITION BY RANGE (at);
CREATE INDEX audit_log_record ON millrace.audit_log (sf_id, at);

COMMENT ON SCHEMA millrace IS 'Tables of the application itself; read them, do not write them';
COMMENT ON SCHEMA salesforce IS 'Stable views over the synced Salesforce records, one per object';
COMMENT ON COLUMN millrace.accounts.account_type IS 'Type given by the first matching account filter: customer, prospect or partner';
COMMENT ON COLUMN millrace.accounts.sf_type IS 'The Type field of the account in Salesforce';
COMMENT ON COLUMN millrace.accounts.last_seen_run IS 'The run that last wrote this row; an unchanged record is not written again';
COMMENT ON COLUMN millrace.accounts.left_filter_at IS 'When a complete run no longer met this record; it is kept but no longer updated';
