-- Which texts notices are written by where none is edited, as whoever sends them
-- said last: what others agreed to is void once these are others.

-- +goose Up
CREATE TABLE notice_texts (
    one    smallint PRIMARY KEY CHECK (one = 1),
    name   text NOT NULL CHECK (name <> ''),
    set_at bigint NOT NULL CHECK (set_at > 0)
);

-- +goose Down
DROP TABLE notice_texts;
