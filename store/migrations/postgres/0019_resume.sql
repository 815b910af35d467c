-- Uploads of audiences that go on where an earlier one broke off.

-- +goose Up
ALTER TABLE audiences ADD COLUMN taken text NOT NULL DEFAULT ''; -- JSON: how far an open file was read; '' is nothing to go on from
ALTER TABLE audiences ADD COLUMN turn bigint NOT NULL DEFAULT 0; -- how often somebody went on with it

-- +goose Down
ALTER TABLE audiences DROP COLUMN turn;
ALTER TABLE audiences DROP COLUMN taken;
