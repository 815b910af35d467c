-- By which hour and zone of the service digests are planned. See store/digestsetting.go.

-- +goose Up
CREATE TABLE digest_setting (
    one     smallint PRIMARY KEY CHECK (one = 1), -- there is one
    setting text NOT NULL CHECK (setting <> ''),
    set_at  bigint NOT NULL CHECK (set_at > 0)
);

-- Who can be told at once, for the fan-out: it need not walk past all others.
CREATE INDEX subscribers_at_once ON subscribers (number) WHERE state = 'active' AND (cadence = 'instant' OR cadence = 'milestones' OR critical);

-- +goose Down
DROP INDEX subscribers_at_once;
DROP TABLE digest_setting;
