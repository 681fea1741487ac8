-- What changes while an event lives is apart from what never does, so that the end of an attempt does not write the body again.
CREATE TABLE contents (
    seq INTEGER PRIMARY KEY,     -- of the event
    head BLOB NOT NULL,          -- EventHead as on the wire
    body BLOB                    -- NULL: in event_parts
);
INSERT INTO contents SELECT seq, head, body FROM events;
ALTER TABLE events RENAME TO events_1;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,     -- the newest is never deleted, so that no number is used twice
    id TEXT NOT NULL,
    mirror INTEGER NOT NULL,     -- a copy for --mirror, beside the event itself
    origin TEXT NOT NULL,
    parent TEXT,
    project TEXT NOT NULL,
    relay TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    received_at INTEGER NOT NULL,
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
    attempts INTEGER NOT NULL DEFAULT 0
);
INSERT INTO events SELECT seq, id, mirror, origin, parent, project, relay, endpoint, received_at, size, sha256, content_type, state,
    queued, target, provider, event_type, provider_event_id, verdict, last_status, last_error, last_ms, attempts FROM events_1;
DROP TABLE events_1;
CREATE UNIQUE INDEX events_id ON events (id, mirror);
CREATE INDEX events_project ON events (project, seq);
CREATE INDEX events_time ON events (received_at);
CREATE INDEX events_unsettled ON events (state) WHERE state NOT IN ('ended', 'captured');
CREATE INDEX events_status ON events (last_status) WHERE last_status IS NOT NULL;
CREATE INDEX events_provider ON events (provider COLLATE NOCASE) WHERE provider IS NOT NULL;
CREATE INDEX events_type ON events (event_type COLLATE NOCASE) WHERE event_type IS NOT NULL;
CREATE INDEX events_verdict ON events (verdict COLLATE NOCASE) WHERE verdict IS NOT NULL;
CREATE INDEX events_provider_id ON events (provider_event_id) WHERE provider_event_id IS NOT NULL;
-- Attempts under way, or unknown when their owner is gone; one that ends goes to `attempts`, which is only added to.
CREATE TABLE open_attempts (
    event INTEGER NOT NULL,
    n INTEGER NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    owner TEXT NOT NULL,         -- the process that makes it
    started_at INTEGER NOT NULL,
    PRIMARY KEY (event, n)
) WITHOUT ROWID;
INSERT INTO open_attempts SELECT event, n, kind, target, owner, started_at FROM attempts WHERE ended_at IS NULL;
DELETE FROM attempts WHERE ended_at IS NULL;
DROP INDEX attempts_open;
DROP TABLE sync_marker;
