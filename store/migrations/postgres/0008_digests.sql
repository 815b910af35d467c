-- Digests: what a subscriber missed, on their schedule. See store/digest.go.

-- +goose Up
ALTER TABLE subscribers ADD COLUMN hour smallint NOT NULL DEFAULT -1 CHECK (hour BETWEEN -1 AND 23); -- by their clock; -1 is the service's
ALTER TABLE subscribers ADD COLUMN weekday smallint NOT NULL DEFAULT 0 CHECK (weekday BETWEEN 0 AND 7); -- 1 is Monday; 0: not chosen
ALTER TABLE subscribers ADD COLUMN critical boolean NOT NULL DEFAULT false; -- what is critical comes at once, beside the digests
CREATE INDEX subscribers_digested ON subscribers (cadence, timezone, hour, number) WHERE state = 'active' AND cadence <> 'instant' AND cadence <> 'milestones';

ALTER TABLE events DROP CONSTRAINT events_about;
ALTER TABLE events ADD CONSTRAINT events_about CHECK (CASE type WHEN 'digest' THEN incident_id IS NULL AND notice_id = '' ELSE (incident_id IS NULL) = (reader > 0 OR notice_id <> '') AND (reader = 0 OR notice_id = '') END);

-- When the digests of a schedule are due next. A row comes with the first who
-- chooses the schedule, and stays.
CREATE TABLE digest_runs (
    cadence      text NOT NULL CHECK (cadence IN ('daily', 'weekly', 'monthly')),
    hour         smallint NOT NULL CHECK (hour BETWEEN -1 AND 23),
    weekday      smallint NOT NULL CHECK (weekday BETWEEN 0 AND 7 AND (weekday = 0 OR cadence = 'weekly')),
    timezone     text NOT NULL,
    after_at     bigint NOT NULL, -- the next run is the first one after this
    next_at      bigint NOT NULL DEFAULT 0, -- 0: to be found
    planned      text NOT NULL DEFAULT '', -- by what hour and zone of the service it was found
    up_to        bigint NOT NULL DEFAULT 0, -- over 0: digests are being made, of events up to this one
    day          text NOT NULL DEFAULT '', -- theirs, by the readers' clock
    missed       integer NOT NULL DEFAULT 0 CHECK (missed >= 0), -- runs before this one that nobody made
    event_number bigint NOT NULL DEFAULT 0, -- what their deliveries belong to; 0: nobody has missed anything so far
    progress     bigint NOT NULL DEFAULT 0, -- the last reader looked at
    PRIMARY KEY (cadence, hour, weekday, timezone),
    CHECK (up_to > 0 OR (event_number = 0 AND progress = 0))
);
CREATE INDEX digest_runs_due ON digest_runs (next_at);

-- How far a reader's digests have come. Narrow, for a run moves a million of them.
CREATE TABLE digest_cursors (
    subscriber bigint PRIMARY KEY REFERENCES subscribers (number) ON DELETE CASCADE,
    cursor     bigint NOT NULL, -- the last event that was looked at for a digest of theirs
    turned     bigint NOT NULL, -- the last event before the present choice between at once and digests
    day        text NOT NULL DEFAULT '', -- of the last digest
    last_up_to bigint NOT NULL DEFAULT 0 -- over 0: a last digest is owed, of events up to this one
);
CREATE INDEX digest_cursors_last ON digest_cursors (subscriber) WHERE last_up_to > 0;

-- What an event of type digest is about.
CREATE TABLE digests (
    event_number bigint PRIMARY KEY,
    cadence      text NOT NULL CHECK (cadence IN ('', 'daily', 'weekly', 'monthly')), -- '': the last before a reader is told at once
    hour         smallint NOT NULL,
    weekday      smallint NOT NULL,
    timezone     text NOT NULL,
    day          text NOT NULL,
    missed       integer NOT NULL,
    CHECK ((cadence = '') = (day = ''))
);
CREATE UNIQUE INDEX digests_once ON digests (cadence, hour, weekday, timezone, day) WHERE day <> '';

-- What digests of one event tell: readers who missed the same share a row.
CREATE TABLE digest_contents (
    event_number bigint NOT NULL REFERENCES digests (event_number) ON DELETE CASCADE,
    place        integer NOT NULL CHECK (place > 0),
    hash         text NOT NULL, -- of items
    items        text NOT NULL CHECK (items <> ''), -- numbers of events, by comma
    PRIMARY KEY (event_number, place),
    UNIQUE (event_number, hash)
);

-- Which of them a reader's digest tells. By reader, because it says what they
-- were told of, too.
CREATE TABLE digest_readers (
    reader       bigint NOT NULL,
    event_number bigint NOT NULL,
    place        integer NOT NULL,
    PRIMARY KEY (reader, event_number)
);

-- +goose Down
DROP TABLE digest_readers;
DROP TABLE digest_contents;
DROP TABLE digests;
DROP TABLE digest_cursors;
DROP TABLE digest_runs;
DELETE FROM deliveries WHERE event_number IN (SELECT number FROM events WHERE type = 'digest');
DELETE FROM event_counts WHERE event_number IN (SELECT number FROM events WHERE type = 'digest');
DELETE FROM event_latency WHERE event_number IN (SELECT number FROM events WHERE type = 'digest');
DELETE FROM events WHERE type = 'digest';
ALTER TABLE events DROP CONSTRAINT events_about;
ALTER TABLE events ADD CONSTRAINT events_about CHECK ((incident_id IS NULL) = (reader > 0 OR notice_id <> '') AND (reader = 0 OR notice_id = ''));
UPDATE subscribers SET cadence = 'milestones' WHERE cadence IN ('daily', 'weekly', 'monthly');
DROP INDEX subscribers_digested;
ALTER TABLE subscribers DROP COLUMN critical;
ALTER TABLE subscribers DROP COLUMN weekday;
ALTER TABLE subscribers DROP COLUMN hour;
