-- What staff are told of the service itself. See store/alarm.go.

-- +goose Up
CREATE TABLE alarms (
    key        text PRIMARY KEY CHECK (key <> ''),
    about      text NOT NULL CHECK (about <> ''),
    title      text NOT NULL CHECK (title <> ''),
    text       text NOT NULL DEFAULT '',
    ended      text NOT NULL DEFAULT '', -- what is said when it is over
    url        text NOT NULL DEFAULT '',
    once       boolean NOT NULL,
    since      bigint NOT NULL CHECK (since > 0),
    seen_at    bigint NOT NULL CHECK (seen_at >= since),
    told_at    bigint NOT NULL DEFAULT 0, -- 0: nobody knows of it yet
    over       boolean NOT NULL DEFAULT false,
    busy_until bigint NOT NULL DEFAULT 0, -- somebody is telling of it
    CHECK (NOT (once AND over))
);
CREATE INDEX alarms_open ON alarms (key) WHERE NOT once OR told_at = 0;

-- Whoever looks moves it, and so learns where the database takes no writes.
INSERT INTO counters (name, value) VALUES ('looks', 0);

-- +goose Down
DELETE FROM counters WHERE name = 'looks';
DROP TABLE alarms;
