-- What monitors report. See store/alerts.go.

-- +goose Up
CREATE TABLE alerts (
    source      text NOT NULL CHECK (source <> ''), -- the monitor
    fingerprint text NOT NULL CHECK (fingerprint <> ''), -- its own incident, in its own words
    state       text NOT NULL CHECK (state IN ('firing', 'resolved')),
    severity    smallint NOT NULL CHECK (severity BETWEEN 0 AND 3), -- the highest it gave the incident
    incident_id text REFERENCES incidents (id), -- the last that was opened for it
    seen_at     bigint NOT NULL,
    PRIMARY KEY (source, fingerprint),
    CHECK (state = 'resolved' OR incident_id IS NOT NULL)
);
CREATE INDEX alerts_over ON alerts (seen_at) WHERE state = 'resolved';

-- The things that an alert is about: each is wrong while it began after it ended.
CREATE TABLE alert_parts (
    source      text NOT NULL,
    fingerprint text NOT NULL,
    part        text NOT NULL, -- '' where there is one only
    starts_at   bigint NOT NULL, -- the latest that was heard
    ends_at     bigint NOT NULL,
    seen_at     bigint NOT NULL,
    PRIMARY KEY (source, fingerprint, part),
    FOREIGN KEY (source, fingerprint) REFERENCES alerts (source, fingerprint) ON DELETE CASCADE
);
CREATE INDEX alert_parts_over ON alert_parts (seen_at) WHERE starts_at <= ends_at;

-- What a monitor said that is not to be said twice.
CREATE TABLE alert_messages (
    source      text NOT NULL,
    fingerprint text NOT NULL,
    message     text NOT NULL CHECK (message <> ''),
    seen_at     bigint NOT NULL,
    PRIMARY KEY (source, fingerprint, message),
    FOREIGN KEY (source, fingerprint) REFERENCES alerts (source, fingerprint) ON DELETE CASCADE
);
CREATE INDEX alert_messages_age ON alert_messages (seen_at);

-- +goose Down
DROP TABLE alert_messages;
DROP TABLE alert_parts;
DROP TABLE alerts;
