-- Second addresses: where readers are told while the component that their mail
-- depends on is down. See store/outages.go and store/seconds.go.

-- +goose Up
ALTER TABLE subscribers ADD COLUMN second_of bigint NOT NULL DEFAULT 0 CHECK (second_of >= 0 AND second_of <> number AND (second_of = 0 OR cadence = 'instant')); -- whose second this is
CREATE INDEX subscribers_seconds ON subscribers (second_of, number) WHERE second_of > 0;
CREATE UNIQUE INDEX subscribers_second ON subscribers (second_of) WHERE second_of > 0 AND state <> 'unsubscribed';

-- What a subscriber named as its second address. Whether there is one that is
-- confirmed says the subscriber who has it.
CREATE TABLE seconds (
    first    bigint PRIMARY KEY REFERENCES subscribers (number) ON DELETE CASCADE,
    channel  text NOT NULL CHECK (channel IN ('email', 'webhook', 'sms')),
    address  text NOT NULL CHECK (address <> ''),
    asked_at bigint NOT NULL CHECK (asked_at > 0)
);

-- The domains whose mail depends on a component, as the setting names them.
CREATE TABLE own_domains (
    domain    text PRIMARY KEY CHECK (domain <> ''),
    component text NOT NULL CHECK (component <> '')
);

-- When they were down: of events from one on, up to another. What second
-- addresses were sent of these, their readers' first ones are told when it is over.
CREATE TABLE outages (
    number       bigint PRIMARY KEY CHECK (number > 0),
    domain       text NOT NULL CHECK (domain <> ''),
    component    text NOT NULL CHECK (component <> ''),
    down_at      bigint NOT NULL CHECK (down_at > 0),
    from_event   bigint NOT NULL CHECK (from_event > 0), -- the first that happened while it was down
    back_at      bigint NOT NULL DEFAULT 0 CHECK (back_at = 0 OR back_at >= down_at), -- 0: it is down
    until_event  bigint NOT NULL DEFAULT 0, -- the last
    event_number bigint NOT NULL DEFAULT 0, -- what the summaries belong to; 0: nobody was sent anything so far
    progress     bigint NOT NULL DEFAULT 0, -- the last reader looked at for a summary
    told_at      bigint NOT NULL DEFAULT 0, -- when all summaries were made
    CHECK (back_at > 0 OR (until_event = 0 AND event_number = 0 AND progress = 0 AND told_at = 0))
);
CREATE UNIQUE INDEX outages_down ON outages (domain) WHERE back_at = 0;
CREATE INDEX outages_untold ON outages (number) WHERE told_at = 0;

-- A digest that is such a summary names the domain.
ALTER TABLE digests ADD COLUMN domain text NOT NULL DEFAULT '' CHECK (domain = '' OR cadence = '');

-- A sign-up for a second address names whose it is.
ALTER TABLE signups ADD COLUMN second_of bigint NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE signups DROP COLUMN second_of;
ALTER TABLE digests DROP COLUMN domain;
DROP TABLE outages;
DROP TABLE own_domains;
DROP TABLE seconds;
DROP INDEX subscribers_second;
DROP INDEX subscribers_seconds;
DELETE FROM subscribers WHERE second_of > 0;
ALTER TABLE subscribers DROP COLUMN second_of;
