-- Rows of files in which everybody's are mixed wait aside until they can be
-- taken up by recipient; and counts of whole rows have a table of their own.

-- +goose Up
CREATE TABLE rows_aside (
    audience bigint NOT NULL,
    place    bigint NOT NULL, -- in the file's order
    text     text NOT NULL, -- the row, in lines
    PRIMARY KEY (audience, place)
) WITHOUT ROWID;
ALTER TABLE audiences ADD COLUMN aside bigint NOT NULL DEFAULT 0; -- rows that were put there
ALTER TABLE audiences ADD COLUMN gathered bigint NOT NULL DEFAULT 0; -- of these, from the first on, those taken up since
ALTER TABLE audiences ADD COLUMN gathering bigint NOT NULL DEFAULT 0; -- how far those behind them are

-- How many recipients of a file have a column in every row.
CREATE TABLE audience_whole (
    audience bigint NOT NULL,
    name     text NOT NULL CHECK (name <> ''),
    count    bigint NOT NULL,
    PRIMARY KEY (audience, name)
);
ALTER TABLE audiences ADD COLUMN judged bigint NOT NULL DEFAULT 0; -- rows looked at for that
-- What was counted elsewhere is counted anew when it is asked for.
DELETE FROM audience_shares WHERE audience < 0;

-- +goose Down
ALTER TABLE audiences DROP COLUMN judged;
DROP TABLE audience_whole;
-- What waits there belongs to uploads that are not finished: they begin anew.
UPDATE audiences SET state = 'dropped', taken = '' WHERE state = 'open' AND aside > gathered;
ALTER TABLE audiences DROP COLUMN gathering;
ALTER TABLE audiences DROP COLUMN gathered;
ALTER TABLE audiences DROP COLUMN aside;
DROP TABLE rows_aside;
