CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
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
CREATE TABLE incident_components (
    incident_id   text NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    component_key text NOT NULL REFERENCES components (key),
    place         smallint NOT NULL,
    PRIMARY KEY (incident_id, component_key)
);
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
CREATE TABLE event_latency (
    event_number bigint NOT NULL,
    step         integer NOT NULL,
    messages     bigint NOT NULL CHECK (messages >= 0),
    PRIMARY KEY (event_number, step)
);
CREATE TABLE subscribers (
    number          integer PRIMARY KEY CHECK (number > 0 AND number < 4294967296),
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
CREATE TABLE subscriber_components (
    subscriber    bigint NOT NULL REFERENCES subscribers (number) ON DELETE CASCADE,
    component_key text NOT NULL REFERENCES components (key),
    PRIMARY KEY (subscriber, component_key)
);
CREATE TABLE suppressions (
    channel    text NOT NULL CHECK (channel IN ('email', 'webhook', 'sms')),
    address    text NOT NULL CHECK (address <> ''),
    reason     text NOT NULL CHECK (reason IN ('manual', 'bounce', 'complaint', 'erased')),
    note       text NOT NULL DEFAULT '',
    created_at bigint NOT NULL,
    PRIMARY KEY (channel, address)
);
CREATE TABLE deliveries (
    id           integer PRIMARY KEY,
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
    hash       blob NOT NULL UNIQUE, -- SHA-256 of the token
    created_at bigint NOT NULL,
    revoked_at bigint NOT NULL DEFAULT 0
);
CREATE TABLE answers (
    scope      text NOT NULL,
    key_hash   blob NOT NULL, -- SHA-256 of the client's key
    body_hash  blob NOT NULL,
    answer     blob NOT NULL, -- sealed with the service's key
    created_at bigint NOT NULL,
    PRIMARY KEY (scope, key_hash)
);
CREATE TABLE audit (
    id      text PRIMARY KEY, -- begins with the time, so that the order of ids is the order of time
    at      bigint NOT NULL,
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    detail  text NOT NULL DEFAULT ''
);
CREATE TABLE counters (
    name  text PRIMARY KEY,
    value bigint NOT NULL
);
INSERT INTO goose_db_version VALUES (1, 0, 1, '2026-11-25 20:34:56');
INSERT INTO goose_db_version VALUES (2, 1, 1, '2026-11-25 20:34:56');
INSERT INTO components VALUES ('web', 'The web', 'front', 'degraded', 1795447200000001);
INSERT INTO components VALUES ('imap7', 'imap7', '', 'operational', 1795447200000002);
INSERT INTO incidents VALUES ('inc1', 'Mail is slow, “very”', 'incident', 2, 'identified', 'published', '{"delay_min_minutes":5,"delay_max_minutes":10}', 0, 0, 1795447200000000, 0, 1795447200000003, 1795447260000000);
INSERT INTO incidents VALUES ('inc2', 'New disks', 'maintenance', 0, 'completed', 'published', '{}', 1795447200000000, 1795450800000000, 1795447200000000, 1795450800000000, 1795447200000004, 1795450800000000);
INSERT INTO incidents VALUES ('inc3', 'We moved', 'post', 0, '', 'draft', '{}', 0, 0, 1795447200000000, 0, 1795447200000005, 1795447200000005);
INSERT INTO incident_components VALUES ('inc1', 'web', 0);
INSERT INTO incident_components VALUES ('inc1', 'imap7', 1);
INSERT INTO updates VALUES ('upd1', 'inc1', 1, 'investigating', 'It began {{at "2026-11-23T15:00:00Z"}}.', 2, '{"delay_max_minutes":10}', 0, 0, 1795447200000000, 1795447200000003, 1);
INSERT INTO updates VALUES ('upd2', 'inc1', 2, 'identified', 'Zażółć gęślą jaźń', 2, '{}', 0, 0, 1795447260000000, 1795447260000000, 2);
INSERT INTO events VALUES (1, 'evt1', 'incident.created', 2, 'incident', 2, '["web","imap7"]', 'inc1', 'upd1', 0, 1795447200000003, 1795792800000003, 1795447200100000, 4294967295, 0, 0);
INSERT INTO events VALUES (2, 'evt2', 'incident.updated', 2, 'incident', 2, '["web","imap7"]', 'inc1', 'upd2', 0, 1795447260000000, 1795792860000000, 1795447260100000, 4294967295, 0, 0);
INSERT INTO events VALUES (3, 'evt3', 'subscriber.confirm', 1, 'post', 0, '[]', NULL, '', 3, 1795447260000000, 1796052060000000, 0, 0, 0, 0);
INSERT INTO event_counts VALUES (1, 'email', 2, 0, 0, 2, 1, 0, 0, 1, 0, 0, 0, 1795447201000000, 1795447201000000);
INSERT INTO event_counts VALUES (2, 'email', 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO event_latency VALUES (1, 349, 1);
INSERT INTO subscribers VALUES (1, 'email', 'a@example.org', 'active', 1, 1, 1, 'instant', 'Europe/Oslo', 'no', 1795447100000000, 1795447150000000, 0);
INSERT INTO subscribers VALUES (2, 'email', 'b@example.org', 'active', 0, 0, 0, 'milestones', '', '', 1795447100000001, 0, 0);
INSERT INTO subscribers VALUES (3, 'email', 'c@example.org', 'pending', 0, 5, 0, 'instant', '', '', 1795447100000002, 0, 0);
INSERT INTO subscribers VALUES (4, 'email', 'd@example.org', 'unsubscribed', 0, 0, 0, 'instant', '', '', 1795447100000003, 0, 1795447180000000);
INSERT INTO subscriber_components VALUES (1, 'web');
INSERT INTO suppressions VALUES ('email', 'x@example.org', 'bounce', '550 5.1.1', 1795447100000000);
INSERT INTO deliveries VALUES (4294967297, 1, 2, 'email', 'a@example.org', 'no', 'Europe/Oslo', 1, 0, 'sent', 0, 1795447200100000, 0, 0, '', 0, 1795447201000000, 1795447201000000, 'relay', '250 2.0.0 Ok: queued as 4', '4');
INSERT INTO deliveries VALUES (4294967298, 1, 2, 'email', 'b@example.org', '', '', 1, 0, 'superseded', 1, 1795447200100000, 0, 0, '', 0, 1795447201000000, 0, 'relay', '450 4.2.1', '');
INSERT INTO deliveries VALUES (8589934593, 2, 2, 'email', 'a@example.org', 'no', 'Europe/Oslo', 2, 1, 'sending', 0, 1795447260100000, 0, 0, 'w1', 1795447320000000, 0, 0, '', '', '');
INSERT INTO deliveries VALUES (8589934594, 2, 2, 'email', 'b@example.org', '', '', 1, 0, 'pending', 0, 1795447260100000, 0, 0, '', 0, 0, 0, '', '', '');
INSERT INTO pauses VALUES ('domain', 'example.net', 'local:ann', 1795447200000000);
INSERT INTO tokens VALUES ('tok1', 'monitor', 'poster', X'3132333435363738393031323334353637383930313233343536373839303132', 1795447000000000, 0);
INSERT INTO answers VALUES ('tok1 /api/v1/incidents', X'31', X'32', X'33', 1795447200000000);
INSERT INTO audit VALUES ('000660f4b4f3f001aaaa', 1795447200000001, 'local:ann', 'component.add', 'web', '');
INSERT INTO counters VALUES ('event', 3);
INSERT INTO counters VALUES ('subscriber', 4);
INSERT INTO counters VALUES ('work', 7);
INSERT INTO counters VALUES ('halts', 7);
INSERT INTO counters VALUES ('identity', 4711);
CREATE INDEX incidents_newest ON incidents (created_at, id);
CREATE INDEX incident_components_key ON incident_components (component_key);
CREATE INDEX events_to_expand ON events (lane, number) WHERE expanded_at = 0;
CREATE INDEX events_of_incident ON events (incident_id, number);
CREATE INDEX events_withdrawn ON events (number) WHERE withdrawn;
CREATE INDEX events_kept ON events (accepted_at, number) WHERE pruned_at = 0;
CREATE INDEX event_counts_unsettled ON event_counts (event_number) WHERE unsettled > 0;
CREATE INDEX subscribers_active ON subscribers (number) WHERE state = 'active';
CREATE INDEX subscriber_components_key ON subscriber_components (component_key);
CREATE INDEX deliveries_due ON deliveries (channel, lane, due_at, id) WHERE state IN ('pending', 'held');
CREATE INDEX deliveries_leased ON deliveries (lease_until, event_number) WHERE state = 'sending';
CREATE INDEX deliveries_behind ON deliveries (behind) WHERE behind > 0;
CREATE INDEX answers_age ON answers (created_at);
