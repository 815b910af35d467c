-- Other doors than mail: endpoints that are called, and phones.

-- +goose Up
ALTER TABLE subscribers ADD COLUMN types integer NOT NULL DEFAULT 0 CHECK (types BETWEEN 0 AND 1023); -- bits, see store/expand.go; 0 is all
ALTER TABLE subscribers ADD COLUMN format text NOT NULL DEFAULT '' CHECK (format IN ('', 'standard', 'statuspage', 'slack', 'teams', 'discord') AND (format = '' OR channel = 'webhook'));
ALTER TABLE subscribers ADD COLUMN quiet text NOT NULL DEFAULT '' CHECK (quiet = '' OR channel = 'sms');
UPDATE subscribers SET format = 'standard' WHERE channel = 'webhook';
-- SQLite cannot change a condition, and other tables refer to this one: the
-- column is made anew, while no group has a contact.
CREATE TABLE groups (number integer PRIMARY KEY, contact text NOT NULL);
INSERT INTO groups SELECT number, contact FROM subscribers WHERE shared;
UPDATE subscribers SET shared = false, contact = '' WHERE shared;
DROP INDEX subscribers_contact;
ALTER TABLE subscribers DROP COLUMN contact;
ALTER TABLE subscribers ADD COLUMN contact text NOT NULL DEFAULT '' CHECK (CASE WHEN shared THEN contact <> '' ELSE contact = '' OR channel = 'webhook' END); -- who decides for its readers, or looks after it
UPDATE subscribers SET shared = true, contact = (SELECT g.contact FROM groups AS g WHERE g.number = subscribers.number) WHERE number IN (SELECT number FROM groups);
DROP TABLE groups;
CREATE INDEX subscribers_contact ON subscribers (contact) WHERE contact <> '';

-- What belongs to an endpoint beside its choices. The row comes and goes with
-- its subscriber's.
CREATE TABLE endpoints (
    subscriber    integer PRIMARY KEY REFERENCES subscribers (number) ON DELETE CASCADE,
    secret        blob, -- sealed with the service's key; NULL until somebody needs it who has that
    old_secret    blob, -- the one before it, which signs as well until old_until
    old_until     bigint NOT NULL DEFAULT 0,
    shown_at      bigint NOT NULL DEFAULT 0, -- when the secret was shown
    contact_at    bigint NOT NULL DEFAULT 0, -- when the contact confirmed
    proven_at     bigint NOT NULL DEFAULT 0, -- when it answered a test
    failing_since bigint NOT NULL DEFAULT 0, -- 0: the last post was taken
    disabled_at   bigint NOT NULL DEFAULT 0,
    disabled_why  text NOT NULL DEFAULT '' CHECK (disabled_why IN ('', 'gone', 'failing')),
    rate          double precision NOT NULL DEFAULT 0 CHECK (rate >= 0), -- posts a second; 0 is no bound
    concurrency   smallint NOT NULL DEFAULT 1 CHECK (concurrency BETWEEN 1 AND 4),
    token_hash    blob UNIQUE, -- SHA-256 of the endpoint's own token
    CHECK ((disabled_at > 0) = (disabled_why <> ''))
);
CREATE INDEX endpoints_failing ON endpoints (subscriber) WHERE failing_since > 0;
INSERT INTO endpoints (subscriber) SELECT number FROM subscribers WHERE channel = 'webhook';

-- One post to an endpoint. The key begins with who it was to, so that a page of
-- one endpoint is a range, and so is what is forgotten of it. There is no
-- foreign key: its check would cost more than the rest of the insert.
CREATE TABLE attempts (
    reader   bigint NOT NULL,
    at       bigint NOT NULL,
    delivery bigint NOT NULL, -- 0: a test
    status   smallint NOT NULL, -- of HTTP; 0: there was no answer
    took     bigint NOT NULL, -- microseconds
    answer   text NOT NULL,
    trouble  text NOT NULL,
    state    text NOT NULL, -- where it left the delivery; '' for a test
    PRIMARY KEY (reader, at, delivery)
);

-- Deliveries that were asked for again, and until when they are worth sending.
CREATE TABLE replays (
    delivery integer PRIMARY KEY,
    until    bigint NOT NULL
);

-- How often a code was guessed, by an HMAC of the number.
CREATE TABLE codes (
    key      text PRIMARY KEY,
    asked_at bigint NOT NULL, -- when the code was sent, or else the first guess
    tries    smallint NOT NULL CHECK (tries >= 0)
);
CREATE INDEX codes_age ON codes (asked_at);

-- What was spent on messages, by day.
CREATE TABLE segments (
    day   text PRIMARY KEY CHECK (day <> ''),
    spent bigint NOT NULL CHECK (spent >= 0)
);

ALTER TABLE signups ADD COLUMN channel text NOT NULL DEFAULT 'email' CHECK (channel IN ('email', 'webhook', 'sms'));
ALTER TABLE signups ADD COLUMN contact text NOT NULL DEFAULT '' CHECK ((contact <> '') = (channel = 'webhook'));

CREATE TABLE new_budgets (
    scope    text NOT NULL CHECK (scope IN ('address', 'network', 'domain', 'all', 'domain-solved', 'all-solved', 'contact', 'number', 'prefix', 'all-sms')),
    key      text NOT NULL, -- of an address an HMAC, so that nothing of it stays behind
    whole_at bigint NOT NULL,
    PRIMARY KEY (scope, key)
);
INSERT INTO new_budgets SELECT scope, key, whole_at FROM budgets;
DROP TABLE budgets;
ALTER TABLE new_budgets RENAME TO budgets;
CREATE INDEX budgets_whole ON budgets (whole_at);

CREATE TABLE new_suppressions (
    channel    text NOT NULL CHECK (channel IN ('email', 'webhook', 'sms')),
    address    text NOT NULL CHECK (address <> ''),
    reason     text NOT NULL CHECK (reason IN ('manual', 'bounce', 'complaint', 'erased', 'stop')),
    note       text NOT NULL DEFAULT '',
    created_at bigint NOT NULL,
    PRIMARY KEY (channel, address)
);
INSERT INTO new_suppressions SELECT channel, address, reason, note, created_at FROM suppressions;
DROP TABLE suppressions;
ALTER TABLE new_suppressions RENAME TO suppressions;

-- +goose Down
DELETE FROM suppressions WHERE reason = 'stop';
CREATE TABLE new_suppressions (
    channel    text NOT NULL CHECK (channel IN ('email', 'webhook', 'sms')),
    address    text NOT NULL CHECK (address <> ''),
    reason     text NOT NULL CHECK (reason IN ('manual', 'bounce', 'complaint', 'erased')),
    note       text NOT NULL DEFAULT '',
    created_at bigint NOT NULL,
    PRIMARY KEY (channel, address)
);
INSERT INTO new_suppressions SELECT channel, address, reason, note, created_at FROM suppressions;
DROP TABLE suppressions;
ALTER TABLE new_suppressions RENAME TO suppressions;
DELETE FROM budgets WHERE scope IN ('contact', 'number', 'prefix', 'all-sms');
CREATE TABLE new_budgets (
    scope    text NOT NULL CHECK (scope IN ('address', 'network', 'domain', 'all', 'domain-solved', 'all-solved')),
    key      text NOT NULL, -- of an address an HMAC, so that nothing of it stays behind
    whole_at bigint NOT NULL,
    PRIMARY KEY (scope, key)
);
INSERT INTO new_budgets SELECT scope, key, whole_at FROM budgets;
DROP TABLE budgets;
ALTER TABLE new_budgets RENAME TO budgets;
CREATE INDEX budgets_whole ON budgets (whole_at);
DELETE FROM signups WHERE channel <> 'email';
ALTER TABLE signups DROP COLUMN contact;
ALTER TABLE signups DROP COLUMN channel;
DROP TABLE segments;
DROP TABLE codes;
DROP TABLE replays;
DROP TABLE attempts;
DROP TABLE endpoints;
UPDATE subscribers SET contact = '' WHERE NOT shared;
CREATE TABLE groups (number integer PRIMARY KEY, contact text NOT NULL);
INSERT INTO groups SELECT number, contact FROM subscribers WHERE shared;
UPDATE subscribers SET shared = false, contact = '' WHERE shared;
DROP INDEX subscribers_contact;
ALTER TABLE subscribers DROP COLUMN contact;
ALTER TABLE subscribers ADD COLUMN contact text NOT NULL DEFAULT '' CHECK ((contact <> '') = shared);
UPDATE subscribers SET shared = true, contact = (SELECT g.contact FROM groups AS g WHERE g.number = subscribers.number) WHERE number IN (SELECT number FROM groups);
DROP TABLE groups;
CREATE INDEX subscribers_contact ON subscribers (contact) WHERE contact <> '';
ALTER TABLE subscribers DROP COLUMN quiet;
ALTER TABLE subscribers DROP COLUMN format;
ALTER TABLE subscribers DROP COLUMN types;
