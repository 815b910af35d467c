-- A digest although there is nothing to tell, for who asked for it.

-- +goose Up
ALTER TABLE subscribers ADD COLUMN all_quiet boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE subscribers DROP COLUMN all_quiet;
