-- What owners of somebody's second address chose for a subscription of their own,
-- until they confirm: the address goes on as the second one meanwhile.

-- +goose Up
CREATE TABLE wishes (
    subscriber bigint PRIMARY KEY REFERENCES subscribers (number) ON DELETE CASCADE,
    choices    text NOT NULL CHECK (choices <> ''), -- as signups has them
    asked_at   bigint NOT NULL CHECK (asked_at > 0)
);

-- +goose Down
DROP TABLE wishes;
