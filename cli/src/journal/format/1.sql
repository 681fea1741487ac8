CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    mirror INTEGER NOT NULL,     -- a copy for --mirror, beside the event itself
    origin TEXT NOT NULL,
    parent TEXT,
    project TEXT NOT NULL,
    relay TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    head BLOB NOT NULL,          -- EventHead as on the wire
    body BLOB,                   -- NULL: in event_parts
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    content_type TEXT,
    state TEXT NOT NULL,
    queued INTEGER NOT NULL,     -- handed over after its sender heard 2xx of hook's own
    target TEXT,                 -- the URL that it goes to, path and query included
    provider TEXT,
    event_type TEXT,
    provider_event_id TEXT,
    verdict TEXT,
    last_status INTEGER,         -- of the last ended attempt, for filters
    last_error TEXT,
    last_ms INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    UNIQUE (id, mirror)
);
CREATE INDEX events_open ON events (relay, endpoint, id) WHERE state IN ('owed', 'retrying') AND mirror = 0;
CREATE INDEX events_project ON events (project, seq);
CREATE INDEX events_time ON events (received_at);
CREATE INDEX events_status ON events (last_status);
CREATE INDEX events_provider ON events (provider) WHERE provider IS NOT NULL;
CREATE INDEX events_type ON events (event_type) WHERE event_type IS NOT NULL;
CREATE INDEX events_provider_id ON events (provider_event_id) WHERE provider_event_id IS NOT NULL;
CREATE INDEX events_verdict ON events (verdict) WHERE verdict IS NOT NULL;
CREATE INDEX events_state ON events (state) WHERE state NOT IN ('ended', 'captured');
CREATE TABLE event_parts (id TEXT NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (id, part)) WITHOUT ROWID;
CREATE TABLE attempts (
    event INTEGER NOT NULL,
    n INTEGER NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    owner TEXT NOT NULL,         -- the process that makes it
    started_at INTEGER NOT NULL,
    ended_at INTEGER,            -- NULL: under way, or unknown when the owner is gone
    request BLOB,                -- header fields as sent
    status INTEGER,
    error TEXT,
    detail TEXT,
    ttfb_ms INTEGER,
    ms INTEGER,
    response BLOB,               -- header fields as answered
    body BLOB,                   -- the first MiB; the rest is in attempt_parts
    size INTEGER,                -- what the app sent
    kept INTEGER,                -- what of it is kept here
    PRIMARY KEY (event, n)
) WITHOUT ROWID;
CREATE INDEX attempts_open ON attempts (event) WHERE ended_at IS NULL;
CREATE TABLE attempt_parts (event INTEGER NOT NULL, n INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (event, n, part)) WITHOUT ROWID;
CREATE TABLE listeners (
    owner TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    project TEXT NOT NULL,
    relay TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    url TEXT NOT NULL,
    target TEXT,
    state TEXT NOT NULL,
    PRIMARY KEY (owner, endpoint)
) WITHOUT ROWID;
CREATE TABLE remembered (project TEXT NOT NULL, asked TEXT NOT NULL, endpoint TEXT NOT NULL, port INTEGER NOT NULL,
    PRIMARY KEY (project, asked)) WITHOUT ROWID;
CREATE TABLE sync_marker (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL);
INSERT INTO sync_marker VALUES (1, 0);
