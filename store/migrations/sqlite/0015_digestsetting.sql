-- By which hour and zone of the service digests are planned. See store/digestsetting.go.

-- +goose Up
CREATE TABLE digest_setting (
    one     smallint PRIMARY KEY CHECK (one = 1), -- there is one
    setting text NOT NULL CHECK (setting <> ''),
    set_at  bigint NOT NULL CHECK (set_at > 0)
);

-- +goose Down
DROP TABLE digest_setting;
