-- Signing up on the public form: who asked and waits, what may still be mailed,
-- and the proof of who agreed to what.

-- +goose Up
ALTER TABLE subscribers ADD COLUMN incident text NOT NULL DEFAULT ''; -- wants to hear of this one only

CREATE INDEX subscribers_pending ON subscribers (created_at) WHERE state = 'pending';

-- A row stays until it has been looked at, which is hardly ever long.
CREATE TABLE signups (
    id       text PRIMARY KEY CHECK (id <> ''),
    solved   boolean NOT NULL, -- the browser did its work for it
    address  text NOT NULL CHECK (address <> ''),
    choices  text NOT NULL, -- JSON
    network  text NOT NULL DEFAULT '', -- truncated, such as 192.0.2.0/24
    consent  text NOT NULL, -- the words that were agreed to
    asked_at bigint NOT NULL,
    due_at   bigint NOT NULL CHECK (due_at >= asked_at)
);
CREATE INDEX signups_due ON signups (solved, due_at, id);

-- When a budget of confirmations will be whole again; one without a row is.
CREATE TABLE budgets (
    scope    text NOT NULL CHECK (scope IN ('address', 'network', 'domain', 'all', 'domain-solved', 'all-solved')),
    key      text NOT NULL, -- of an address an HMAC, so that nothing of it stays behind
    whole_at bigint NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX budgets_whole ON budgets (whole_at);

CREATE TABLE consent_texts (
    version text PRIMARY KEY CHECK (version <> ''), -- language and a hash of the words
    words   text NOT NULL
);

-- Never changed; gone with its subscriber.
CREATE TABLE consents (
    subscriber bigint NOT NULL REFERENCES subscribers (number) ON DELETE CASCADE,
    at         bigint NOT NULL,
    step       text NOT NULL CHECK (step IN ('asked', 'confirmed')),
    version    text NOT NULL DEFAULT '', -- of consent_texts; '' where staff or a file asked
    network    text NOT NULL DEFAULT '',
    PRIMARY KEY (subscriber, at, step)
);

-- +goose Down
DROP TABLE consents;
DROP TABLE consent_texts;
DROP TABLE budgets;
DROP TABLE signups;
DROP INDEX subscribers_pending;
ALTER TABLE subscribers DROP COLUMN incident;
