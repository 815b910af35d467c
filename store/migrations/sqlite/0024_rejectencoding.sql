-- In which encoding a file of an audience was, so that the rows of it that could
-- not be used are given back as they stood there.

-- +goose Up
ALTER TABLE audiences ADD COLUMN encoding text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE audiences DROP COLUMN encoding;
