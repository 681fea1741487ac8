-- A table without row numbers compares whole rows, so that each look for a part read all of it, a MiB. Its key is an index now.
ALTER TABLE event_parts RENAME TO event_parts_2;
CREATE TABLE event_parts (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    part INTEGER NOT NULL,
    data BLOB NOT NULL
);
INSERT INTO event_parts (id, part, data) SELECT id, part, data FROM event_parts_2;
DROP TABLE event_parts_2;
CREATE UNIQUE INDEX event_parts_key ON event_parts (id, part);
ALTER TABLE attempt_parts RENAME TO attempt_parts_2;
CREATE TABLE attempt_parts (
    number INTEGER PRIMARY KEY,
    event INTEGER NOT NULL,
    n INTEGER NOT NULL,
    part INTEGER NOT NULL,
    data BLOB NOT NULL
);
INSERT INTO attempt_parts (event, n, part, data) SELECT event, n, part, data FROM attempt_parts_2;
DROP TABLE attempt_parts_2;
CREATE UNIQUE INDEX attempt_parts_key ON attempt_parts (event, n, part);
