-- Notices: one message to exactly the people in an audience, with each one's
-- own data. See store/notices.go and store/audience.go.

-- +goose Up
-- SQLite cannot change a condition: the table is made anew. Nothing refers to it.
CREATE TABLE new_events (
    number      bigint PRIMARY KEY CHECK (number > 0 AND number < 2147483648),
    id          text NOT NULL UNIQUE CHECK (id <> ''),
    type        text NOT NULL,
    lane        smallint NOT NULL CHECK (lane BETWEEN 1 AND 5),
    kind        text NOT NULL CHECK (kind IN ('incident', 'maintenance', 'post')),
    severity    smallint NOT NULL CHECK (severity BETWEEN 0 AND 3),
    components  text NOT NULL DEFAULT '[]', -- JSON list of keys at that moment
    incident_id text REFERENCES incidents (id),
    update_id   text NOT NULL DEFAULT '',
    reader      bigint NOT NULL DEFAULT 0, -- the only reader of an event that has one
    accepted_at bigint NOT NULL,
    expires_at  bigint NOT NULL CHECK (expires_at > accepted_at),
    expanded_at bigint NOT NULL DEFAULT 0,
    progress    bigint NOT NULL DEFAULT 0, -- the last reader looked at: by the fan-out, then by who cancels or forgets its deliveries
    withdrawn   boolean NOT NULL DEFAULT false, -- nothing of it may start; what is open is being cancelled
    pruned_at   bigint NOT NULL DEFAULT 0, -- when its deliveries had been forgotten
    notice_id   text NOT NULL DEFAULT '', -- of an event that sends a notice
    released    bigint NOT NULL DEFAULT 0, -- of such an event: the last reader whose delivery may be made by now
    stopped     boolean NOT NULL DEFAULT false, -- nothing of it may start until it is resumed
    CHECK ((incident_id IS NULL) = (reader > 0 OR notice_id <> '') AND (reader = 0 OR notice_id = ''))
);
INSERT INTO new_events (number, id, type, lane, kind, severity, components, incident_id, update_id, reader, accepted_at, expires_at, expanded_at, progress, withdrawn, pruned_at) SELECT number, id, type, lane, kind, severity, components, incident_id, update_id, reader, accepted_at, expires_at, expanded_at, progress, withdrawn, pruned_at FROM events;
DROP TABLE events;
ALTER TABLE new_events RENAME TO events;
CREATE INDEX events_to_expand ON events (lane, number) WHERE expanded_at = 0;
CREATE INDEX events_of_incident ON events (incident_id, number);
CREATE INDEX events_withdrawn ON events (number) WHERE withdrawn;
CREATE INDEX events_kept ON events (accepted_at, number) WHERE pruned_at = 0;
CREATE INDEX events_of_reader ON events (reader, number);
CREATE INDEX events_halted ON events (number) WHERE withdrawn OR stopped;

CREATE TABLE notices (
    id              text PRIMARY KEY CHECK (id <> ''),
    title           text NOT NULL CHECK (title <> ''),
    template        text NOT NULL CHECK (template <> ''),
    subject         text NOT NULL DEFAULT '',
    body            text NOT NULL DEFAULT '',
    incident_id     text REFERENCES incidents (id),
    state           text NOT NULL CHECK (state IN ('draft', 'awaiting_approval', 'scheduled', 'canary', 'sending', 'paused', 'halted', 'settling', 'done', 'cancelled')),
    halted          text NOT NULL DEFAULT '', -- why it stopped by itself
    approvals       smallint NOT NULL DEFAULT 0 CHECK (approvals >= 0), -- how many are asked for
    approved        text NOT NULL DEFAULT '[]', -- JSON, of what it is now
    recipients      bigint NOT NULL DEFAULT 0 CHECK (recipients >= 0),
    lines           bigint NOT NULL DEFAULT 0,
    rejected        bigint NOT NULL DEFAULT 0,
    without_address bigint NOT NULL DEFAULT 0,
    case_twins      bigint NOT NULL DEFAULT 0,
    wish            text NOT NULL DEFAULT '{}', -- JSON: how it is to be sent
    event_number    bigint NOT NULL DEFAULT 0, -- 0: nothing was sent yet
    event_id        text NOT NULL DEFAULT '',
    canary          bigint NOT NULL DEFAULT 0 CHECK (canary >= 0), -- how many go first
    watched_until   bigint NOT NULL DEFAULT 0, -- so long failures of those who go first halt it
    released_at     bigint NOT NULL DEFAULT 0, -- when more were released last
    pace            bigint NOT NULL DEFAULT 0, -- how many may wait for their first try at a time
    created_at      bigint NOT NULL,
    created_by      text NOT NULL,
    changed_by      text NOT NULL DEFAULT '[]', -- JSON list
    ordered_at      bigint NOT NULL DEFAULT 0,
    ordered_by      text NOT NULL DEFAULT '',
    begun_at        bigint NOT NULL DEFAULT 0,
    done_at         bigint NOT NULL DEFAULT 0,
    cleaned_at      bigint NOT NULL DEFAULT 0,
    CHECK ((event_number > 0) = (begun_at > 0)),
    CHECK (event_number > 0 OR state IN ('draft', 'awaiting_approval', 'scheduled', 'cancelled')),
    CHECK ((halted <> '') = (state = 'halted'))
);
CREATE INDEX notices_newest ON notices (created_at, id);
CREATE INDEX notices_going ON notices (id) WHERE state IN ('scheduled', 'canary', 'sending', 'settling');
CREATE INDEX notices_over ON notices (done_at) WHERE done_at > 0 AND cleaned_at = 0;

-- One file of an audience: what a notice's audience is made of where it is
-- current, else on its way in or out. Its recipients' places follow those of
-- the files that it was added to.
CREATE TABLE audiences (
    number          integer PRIMARY KEY CHECK (number > 0),
    notice_id       text NOT NULL DEFAULT '',
    component_key   text NOT NULL DEFAULT '', -- of who lives on a component
    state           text NOT NULL CHECK (state IN ('open', 'current', 'dropped')),
    replaces        boolean NOT NULL,
    base            bigint NOT NULL DEFAULT 0, -- the last file that it was added to; 0: none
    first           bigint NOT NULL DEFAULT 0, -- places before its own
    first_reject    bigint NOT NULL DEFAULT 0,
    recipients      bigint NOT NULL DEFAULT 0,
    lines           bigint NOT NULL DEFAULT 0,
    rejected        bigint NOT NULL DEFAULT 0,
    without_address bigint NOT NULL DEFAULT 0,
    case_twins      bigint NOT NULL DEFAULT 0,
    sum             text NOT NULL DEFAULT '', -- of the file; '' is none
    forgotten       bigint NOT NULL DEFAULT 0, -- the last place whose recipient was forgotten
    touched_at      bigint NOT NULL,
    CHECK ((notice_id = '') <> (component_key = ''))
);
CREATE INDEX audiences_of_notice ON audiences (notice_id, number) WHERE state = 'current' AND notice_id <> '';
CREATE INDEX audiences_of_component ON audiences (component_key, number) WHERE state = 'current' AND component_key <> '';
CREATE INDEX audiences_left ON audiences (touched_at) WHERE state <> 'current';

-- Somebody that a notice is for; there is no foreign key, for its check would
-- cost more than the rest of the insert.
CREATE TABLE recipients (
    audience bigint NOT NULL,
    place    bigint NOT NULL,
    channel  text NOT NULL,
    address  text NOT NULL CHECK (address <> ''), -- a keyed hash of it where it was forgotten
    folded   text NOT NULL DEFAULT '', -- the address in lower case, where that is another one
    language text NOT NULL DEFAULT '',
    timezone text NOT NULL DEFAULT '',
    account  text NOT NULL DEFAULT '',
    lines    bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (audience, place)
) WITHOUT ROWID;
CREATE INDEX recipients_address ON recipients (address, channel, audience);
CREATE INDEX recipients_folded ON recipients (folded, audience) WHERE folded <> '';

CREATE TABLE recipient_rows (
    audience bigint NOT NULL,
    place    bigint NOT NULL, -- of the recipient
    line     bigint NOT NULL, -- in the file's order
    fields   text NOT NULL, -- JSON
    PRIMARY KEY (audience, place, line)
) WITHOUT ROWID;

CREATE TABLE rejects (
    audience bigint NOT NULL,
    place    bigint NOT NULL,
    line     bigint NOT NULL,
    reason   text NOT NULL,
    text     text NOT NULL,
    PRIMARY KEY (audience, place)
);

-- How many recipients of a file have something.
CREATE TABLE audience_shares (
    audience bigint NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('channel', 'language', 'domain', 'column', 'erased')),
    name     text NOT NULL,
    place    bigint NOT NULL DEFAULT 0, -- order in which columns appeared
    count    bigint NOT NULL,
    PRIMARY KEY (audience, kind, name)
);

-- Updates that wait for a notice.
CREATE TABLE held_updates (
    id           text PRIMARY KEY CHECK (id <> ''), -- that the update will have
    incident_id  text NOT NULL REFERENCES incidents (id),
    notice_id    text NOT NULL REFERENCES notices (id),
    moment       text NOT NULL CHECK (moment IN ('tried', 'final')),
    saying       text NOT NULL, -- JSON
    created_at   bigint NOT NULL,
    created_by   text NOT NULL,
    published_at bigint NOT NULL DEFAULT 0,
    trouble      text NOT NULL DEFAULT '' -- why it could not be published
);
CREATE INDEX held_updates_of_notice ON held_updates (notice_id) WHERE published_at = 0;
CREATE INDEX held_updates_of_incident ON held_updates (incident_id, created_at);

INSERT INTO counters (name, value) VALUES ('audience', 0);

-- +goose Down
DELETE FROM counters WHERE name = 'audience';
DROP TABLE held_updates;
DROP TABLE audience_shares;
DROP TABLE rejects;
DROP TABLE recipient_rows;
DROP TABLE recipients;
DROP TABLE audiences;
DELETE FROM deliveries WHERE event_number IN (SELECT event_number FROM notices);
DELETE FROM event_counts WHERE event_number IN (SELECT event_number FROM notices);
DELETE FROM event_latency WHERE event_number IN (SELECT event_number FROM notices);
DELETE FROM events WHERE notice_id <> '';
DROP TABLE notices;
CREATE TABLE old_events (
    number      bigint PRIMARY KEY CHECK (number > 0 AND number < 2147483648),
    id          text NOT NULL UNIQUE CHECK (id <> ''),
    type        text NOT NULL,
    lane        smallint NOT NULL CHECK (lane BETWEEN 1 AND 5),
    kind        text NOT NULL CHECK (kind IN ('incident', 'maintenance', 'post')),
    severity    smallint NOT NULL CHECK (severity BETWEEN 0 AND 3),
    components  text NOT NULL DEFAULT '[]', -- JSON list of keys at that moment
    incident_id text REFERENCES incidents (id),
    update_id   text NOT NULL DEFAULT '',
    reader      bigint NOT NULL DEFAULT 0, -- the only reader of an event that has one
    accepted_at bigint NOT NULL,
    expires_at  bigint NOT NULL CHECK (expires_at > accepted_at),
    expanded_at bigint NOT NULL DEFAULT 0,
    progress    bigint NOT NULL DEFAULT 0, -- the last reader looked at: by the fan-out, then by who cancels or forgets its deliveries
    withdrawn   boolean NOT NULL DEFAULT false, -- nothing of it may start; what is open is being cancelled
    pruned_at   bigint NOT NULL DEFAULT 0, -- when its deliveries had been forgotten
    CHECK ((incident_id IS NULL) = (reader > 0))
);
INSERT INTO old_events (number, id, type, lane, kind, severity, components, incident_id, update_id, reader, accepted_at, expires_at, expanded_at, progress, withdrawn, pruned_at) SELECT number, id, type, lane, kind, severity, components, incident_id, update_id, reader, accepted_at, expires_at, expanded_at, progress, withdrawn, pruned_at FROM events;
DROP TABLE events;
ALTER TABLE old_events RENAME TO events;
CREATE INDEX events_to_expand ON events (lane, number) WHERE expanded_at = 0;
CREATE INDEX events_of_incident ON events (incident_id, number);
CREATE INDEX events_withdrawn ON events (number) WHERE withdrawn;
CREATE INDEX events_kept ON events (accepted_at, number) WHERE pruned_at = 0;
CREATE INDEX events_of_reader ON events (reader, number);
