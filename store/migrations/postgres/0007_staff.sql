-- The staff who use the console, and where they are signed in. See store/staff.go.

-- +goose Up
CREATE TABLE staff (
    id           text PRIMARY KEY,
    name         text NOT NULL UNIQUE CHECK (name <> ''),
    role         text NOT NULL CHECK (role IN ('viewer', 'poster', 'sender', 'approver', 'admin')),
    password     text NOT NULL DEFAULT '', -- a hash in the PHC string format; '' until it is set
    secret       bytea, -- of the second factor, sealed with the service's key; NULL until it is set
    step         bigint NOT NULL DEFAULT 0, -- the last step of time whose code was taken
    link_hash    bytea UNIQUE, -- SHA-256 of the link to set both
    link_until   bigint NOT NULL DEFAULT 0,
    created_at   bigint NOT NULL,
    ready_at     bigint NOT NULL DEFAULT 0,
    signed_in_at bigint NOT NULL DEFAULT 0,
    CHECK ((password = '') = (secret IS NULL) AND (password = '') = (ready_at = 0)),
    CHECK ((link_hash IS NULL) = (link_until = 0))
);

-- Codes that stand in for the second factor, by their SHA-256. A used one is gone.
CREATE TABLE staff_codes (
    staff text NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    hash  bytea NOT NULL,
    PRIMARY KEY (staff, hash)
);

CREATE TABLE sessions (
    id         text PRIMARY KEY,
    hash       bytea NOT NULL UNIQUE, -- SHA-256 of what the browser holds
    staff      text NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    created_at bigint NOT NULL,
    seen_at    bigint NOT NULL,
    network    text NOT NULL DEFAULT '',
    agent      text NOT NULL DEFAULT ''
);
CREATE INDEX sessions_staff ON sessions (staff);
CREATE INDEX sessions_seen ON sessions (seen_at);

-- How much guessing is left, by the hash of a name and by network.
CREATE TABLE sign_ins (
    scope    text NOT NULL CHECK (scope IN ('name', 'network')),
    key      text NOT NULL,
    whole_at bigint NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX sign_ins_whole ON sign_ins (whole_at);

ALTER TABLE audit ADD COLUMN network text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE audit DROP COLUMN network;
DROP TABLE sign_ins;
DROP TABLE sessions;
DROP TABLE staff_codes;
DROP TABLE staff;
