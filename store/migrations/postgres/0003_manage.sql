-- What subscribers manage by themselves: breaks, moves, shared addresses, and
-- how they left.

-- +goose Up
ALTER TABLE subscribers ADD COLUMN shared boolean NOT NULL DEFAULT false; -- many read the address
ALTER TABLE subscribers ADD COLUMN contact text NOT NULL DEFAULT '' CHECK ((contact <> '') = shared); -- who decides for them
ALTER TABLE subscribers ADD COLUMN paused_until bigint NOT NULL DEFAULT 0 CHECK (paused_until >= 0 AND (paused_until = 0 OR state IN ('paused', 'unsubscribed')));
ALTER TABLE subscribers ADD COLUMN left_by text NOT NULL DEFAULT '' CHECK (left_by IN ('', 'link', 'move') AND (left_by = '' OR state = 'unsubscribed' OR state = 'pending' AND unsubscribed_at > 0)); -- pending: was asked again
ALTER TABLE subscribers ADD COLUMN left_from text NOT NULL DEFAULT '' CHECK (left_from IN ('', 'pending', 'active', 'paused', 'quarantined'));
ALTER TABLE subscribers ADD COLUMN left_reason text NOT NULL DEFAULT '' CHECK (length(left_reason) <= 500);
CREATE INDEX subscribers_resuming ON subscribers (paused_until) WHERE state = 'paused' AND paused_until > 0;
CREATE INDEX subscribers_contact ON subscribers (contact) WHERE contact <> '';

-- A reader's number belongs to one address for ever (see deliveries), so that a
-- subscription moves by one row ending and another one taking over its choices.
CREATE TABLE moves (
    subscriber bigint PRIMARY KEY REFERENCES subscribers (number) ON DELETE CASCADE,
    target     bigint NOT NULL UNIQUE REFERENCES subscribers (number) ON DELETE CASCADE,
    asked_at   bigint NOT NULL CHECK (asked_at > 0),
    from_at    bigint NOT NULL DEFAULT 0, -- when the old address agreed; 0: not yet
    to_at      bigint NOT NULL DEFAULT 0, -- when the new one did
    CHECK (subscriber <> target)
);

CREATE INDEX events_of_reader ON events (reader, number);

-- +goose Down
DROP INDEX events_of_reader;
DROP TABLE moves;
DROP INDEX subscribers_contact;
DROP INDEX subscribers_resuming;
ALTER TABLE subscribers DROP COLUMN left_reason;
ALTER TABLE subscribers DROP COLUMN left_from;
ALTER TABLE subscribers DROP COLUMN left_by;
ALTER TABLE subscribers DROP COLUMN paused_until;
ALTER TABLE subscribers DROP COLUMN contact;
ALTER TABLE subscribers DROP COLUMN shared;
