-- The first schema. Instants are whole microseconds since 1970 UTC in a
-- bigint, 0 where there is none: both databases compare and keep them
-- alike, and no session's zone can touch them. See store/rows.go.

-- +goose Up
CREATE TABLE components (
    key        text PRIMARY KEY CHECK (key <> ''),
    name       text NOT NULL,
    heading    text NOT NULL DEFAULT '',
    state      text NOT NULL CHECK (state IN ('operational', 'degraded', 'partial_outage', 'major_outage', 'maintenance')),
    created_at bigint NOT NULL
);

CREATE TABLE incidents (
    id          text PRIMARY KEY CHECK (id <> ''),
    title       text NOT NULL CHECK (title <> ''),
    kind        text NOT NULL CHECK (kind IN ('incident', 'maintenance', 'post')),
    severity    smallint NOT NULL CHECK (severity BETWEEN 0 AND 3),
    status      text NOT NULL,
    state       text NOT NULL CHECK (state IN ('draft', 'published', 'retracted')),
    impact      text NOT NULL DEFAULT '{}', -- JSON, as the API shows it
    starts_at   bigint NOT NULL DEFAULT 0,
    ends_at     bigint NOT NULL DEFAULT 0,
    opened_at   bigint NOT NULL,
    resolved_at bigint NOT NULL DEFAULT 0,
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL,
    CHECK ((kind = 'incident' AND status IN ('investigating', 'identified', 'monitoring', 'resolved'))
        OR (kind = 'maintenance' AND status IN ('scheduled', 'in_progress', 'extended', 'completed') AND starts_at > 0)
        OR (kind = 'post' AND status = '')),
    CHECK ((resolved_at > 0) = (status IN ('resolved', 'completed'))),
    CHECK (ends_at = 0 OR ends_at > starts_at)
);
CREATE INDEX incidents_newest ON incidents (created_at, id);

CREATE TABLE incident_components (
    incident_id   text NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    component_key text NOT NULL REFERENCES components (key),
    place         smallint NOT NULL,
    PRIMARY KEY (incident_id, component_key)
);
CREATE INDEX incident_components_key ON incident_components (component_key);

CREATE TABLE updates (
    id           text PRIMARY KEY CHECK (id <> ''),
    incident_id  text NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    place        integer NOT NULL, -- order in which they were written
    status       text NOT NULL,
    body         text NOT NULL,
    severity     smallint NOT NULL CHECK (severity BETWEEN 0 AND 3),
    impact       text NOT NULL DEFAULT '{}',
    starts_at    bigint NOT NULL DEFAULT 0,
    ends_at      bigint NOT NULL DEFAULT 0,
    at           bigint NOT NULL,
    created_at   bigint NOT NULL,
    event_number bigint NOT NULL DEFAULT 0, -- 0: nobody was notified
    UNIQUE (incident_id, place)
);

CREATE TABLE events (
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
CREATE INDEX events_to_expand ON events (lane, number) WHERE expanded_at = 0;
CREATE INDEX events_of_incident ON events (incident_id, number);
CREATE INDEX events_withdrawn ON events (number) WHERE withdrawn;
CREATE INDEX events_kept ON events (accepted_at, number) WHERE pruned_at = 0;

-- An event's account on a channel, moved by whoever moves deliveries.
CREATE TABLE event_counts (
    event_number  bigint NOT NULL,
    channel       text NOT NULL,
    total         bigint NOT NULL DEFAULT 0,
    unsettled     bigint NOT NULL DEFAULT 0, -- pending, sending and held
    held          bigint NOT NULL DEFAULT 0,
    tried         bigint NOT NULL DEFAULT 0, -- tried once, or final without a try
    sent          bigint NOT NULL DEFAULT 0,
    bounced       bigint NOT NULL DEFAULT 0,
    failed        bigint NOT NULL DEFAULT 0,
    superseded    bigint NOT NULL DEFAULT 0,
    suppressed    bigint NOT NULL DEFAULT 0,
    cancelled     bigint NOT NULL DEFAULT 0,
    expired       bigint NOT NULL DEFAULT 0,
    first_sent_at bigint NOT NULL DEFAULT 0,
    last_sent_at  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (event_number, channel),
    CHECK (total = unsettled + sent + bounced + failed + superseded + suppressed + cancelled + expired),
    CHECK (unsettled >= held AND held >= 0 AND sent >= 0 AND bounced >= 0 AND failed >= 0 AND superseded >= 0
        AND suppressed >= 0 AND cancelled >= 0 AND expired >= 0 AND tried BETWEEN 0 AND total)
);
CREATE INDEX event_counts_unsettled ON event_counts (event_number) WHERE unsettled > 0;

-- When an event's messages were sent after its acceptance, in steps of 2 %.
CREATE TABLE event_latency (
    event_number bigint NOT NULL,
    step         integer NOT NULL,
    messages     bigint NOT NULL CHECK (messages >= 0),
    PRIMARY KEY (event_number, step)
);

CREATE TABLE subscribers (
    number          bigint PRIMARY KEY CHECK (number > 0 AND number < 4294967296),
    channel         text NOT NULL CHECK (channel IN ('email', 'webhook', 'sms')),
    address         text NOT NULL CHECK (address <> ''),
    state           text NOT NULL CHECK (state IN ('pending', 'active', 'paused', 'quarantined', 'unsubscribed')),
    severity        smallint NOT NULL DEFAULT 0 CHECK (severity BETWEEN 0 AND 3),
    kinds           smallint NOT NULL DEFAULT 0 CHECK (kinds BETWEEN 0 AND 7), -- 1 incident, 2 maintenance, 4 post; 0 is all
    chooses         boolean NOT NULL DEFAULT false, -- has rows in subscriber_components
    cadence         text NOT NULL CHECK (cadence IN ('instant', 'milestones', 'daily', 'weekly', 'monthly')),
    timezone        text NOT NULL DEFAULT '',
    language        text NOT NULL DEFAULT '',
    created_at      bigint NOT NULL,
    confirmed_at    bigint NOT NULL DEFAULT 0,
    unsubscribed_at bigint NOT NULL DEFAULT 0,
    UNIQUE (channel, address),
    CHECK (state <> 'unsubscribed' OR unsubscribed_at > 0)
);
CREATE INDEX subscribers_active ON subscribers (number) WHERE state = 'active';

CREATE TABLE subscriber_components (
    subscriber    bigint NOT NULL REFERENCES subscribers (number) ON DELETE CASCADE,
    component_key text NOT NULL REFERENCES components (key),
    PRIMARY KEY (subscriber, component_key)
);
CREATE INDEX subscriber_components_key ON subscriber_components (component_key);

CREATE TABLE suppressions (
    channel    text NOT NULL CHECK (channel IN ('email', 'webhook', 'sms')),
    address    text NOT NULL CHECK (address <> ''),
    reason     text NOT NULL CHECK (reason IN ('manual', 'bounce', 'complaint', 'erased')),
    note       text NOT NULL DEFAULT '',
    created_at bigint NOT NULL,
    PRIMARY KEY (channel, address)
);

-- One row a reader and event. The key is event_number * 2^32 + reader, so that
-- a slice of readers is a range of keys in every event of an incident, and
-- making it twice is impossible. A reader is one address on one channel, whose
-- number neither changes nor comes back: an index to keep (event, channel,
-- address) unique would say the same again, and would be a third of what
-- claiming and settling cost. There is no foreign key to events: its check
-- would cost more than the rest of the insert, and events are never deleted
-- before their deliveries.
CREATE TABLE deliveries (
    id           bigint PRIMARY KEY,
    event_number bigint NOT NULL,
    lane         smallint NOT NULL CHECK (lane BETWEEN 1 AND 5),
    channel      text NOT NULL CHECK (channel IN ('email', 'webhook', 'sms')),
    address      text NOT NULL CHECK (address <> ''),
    language     text NOT NULL DEFAULT '',
    timezone     text NOT NULL DEFAULT '',
    since        bigint NOT NULL,            -- first missed event (I4)
    told         bigint NOT NULL DEFAULT 0,  -- last event of the incident that was sent to this reader
    state        text NOT NULL,
    attempts     smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- charged to the reader
    due_at       bigint NOT NULL,
    behind       bigint NOT NULL DEFAULT 0,  -- held until this delivery, in flight, is settled
    awaited      boolean NOT NULL DEFAULT false, -- another one is held behind this one
    worker       text NOT NULL DEFAULT '',
    lease_until  bigint NOT NULL DEFAULT 0,
    tried_at     bigint NOT NULL DEFAULT 0,
    sent_at      bigint NOT NULL DEFAULT 0,
    relay        text NOT NULL DEFAULT '',
    reply        text NOT NULL DEFAULT '',
    remote       text NOT NULL DEFAULT '',
    CHECK (id > 0 AND event_number = id >> 32),
    CHECK (since > 0 AND since <= event_number AND told >= 0 AND told < event_number),
    -- One condition and not eight: it is most of what writing a row costs.
    CHECK (CASE state
        WHEN 'pending' THEN worker = '' AND lease_until = 0 AND behind = 0 AND NOT awaited
        WHEN 'sending' THEN worker <> '' AND lease_until > 0 AND behind = 0
        WHEN 'sent' THEN worker = '' AND lease_until = 0 AND behind = 0 AND NOT awaited AND sent_at > 0
        WHEN 'held' THEN worker = '' AND lease_until = 0 AND NOT awaited
        WHEN 'bounced' THEN worker = '' AND lease_until = 0 AND behind = 0 AND NOT awaited AND sent_at > 0
        ELSE state IN ('failed', 'superseded', 'suppressed', 'cancelled', 'expired') AND worker = '' AND lease_until = 0 AND behind = 0 AND NOT awaited
    END)
);
CREATE INDEX deliveries_due ON deliveries (channel, lane, due_at, id) WHERE state IN ('pending', 'held');
CREATE INDEX deliveries_leased ON deliveries (lease_until, event_number) WHERE state = 'sending';
CREATE INDEX deliveries_behind ON deliveries (behind) WHERE behind > 0;

CREATE TABLE pauses (
    scope text NOT NULL CHECK (scope IN ('all', 'channel', 'lane', 'relay', 'domain', 'resumed')), -- resumed: a domain whose deliveries are being freed
    key   text NOT NULL DEFAULT '',
    by    text NOT NULL,
    since bigint NOT NULL,
    PRIMARY KEY (scope, key),
    CHECK ((scope = 'all') = (key = ''))
);

CREATE TABLE tokens (
    id         text PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    role       text NOT NULL CHECK (role IN ('viewer', 'poster', 'sender', 'approver', 'admin')),
    hash       bytea NOT NULL UNIQUE, -- SHA-256 of the token
    created_at bigint NOT NULL,
    revoked_at bigint NOT NULL DEFAULT 0
);

CREATE TABLE answers (
    scope      text NOT NULL,
    key_hash   bytea NOT NULL, -- SHA-256 of the client's key
    body_hash  bytea NOT NULL,
    answer     bytea NOT NULL, -- sealed with the service's key
    created_at bigint NOT NULL,
    PRIMARY KEY (scope, key_hash)
);
CREATE INDEX answers_age ON answers (created_at);

CREATE TABLE audit (
    id      text PRIMARY KEY, -- begins with the time, so that the order of ids is the order of time
    at      bigint NOT NULL,
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    detail  text NOT NULL DEFAULT ''
);

-- event: the last event's number. subscriber: the last subscriber's number.
-- work, halts: moved when there is something new to do, or something to stop.
-- identity: drawn once, tells this database from every other.
CREATE TABLE counters (
    name  text PRIMARY KEY,
    value bigint NOT NULL
);
INSERT INTO counters (name, value) VALUES ('event', 0), ('subscriber', 0), ('work', 0), ('halts', 0), ('identity', (random() * 9e18)::bigint);

-- +goose Down
DROP TABLE counters;
DROP TABLE audit;
DROP TABLE answers;
DROP TABLE tokens;
DROP TABLE pauses;
DROP TABLE deliveries;
DROP TABLE suppressions;
DROP TABLE subscriber_components;
DROP TABLE subscribers;
DROP TABLE event_latency;
DROP TABLE event_counts;
DROP TABLE events;
DROP TABLE updates;
DROP TABLE incident_components;
DROP TABLE incidents;
DROP TABLE components;
