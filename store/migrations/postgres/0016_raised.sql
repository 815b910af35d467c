-- Readers of milestones hear that an incident got worse. See store/events.go.

-- +goose Up
ALTER TABLE events ADD COLUMN raised boolean NOT NULL DEFAULT false; -- it made the incident worse than they know it

-- +goose Down
ALTER TABLE events DROP COLUMN raised;
