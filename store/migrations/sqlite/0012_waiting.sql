-- Hold-down: what an incident has to say waits a while for its all-clear. See
-- store/hold.go. And reminders of maintenance, see store/reminders.go.

-- +goose Up
ALTER TABLE events ADD COLUMN held_until bigint NOT NULL DEFAULT 0 CHECK (held_until >= 0); -- no delivery of it is made before; 0: it was never held

-- A maintenance that was announced and has not begun.
CREATE TABLE reminder_plans (
    incident_id text PRIMARY KEY REFERENCES incidents (id) ON DELETE CASCADE,
    starts_at   bigint NOT NULL CHECK (starts_at > 0),
    planned_at  bigint NOT NULL CHECK (planned_at > 0), -- since when it is to start then: what was due before is none
    reminded_at bigint NOT NULL DEFAULT 0 CHECK (reminded_at < starts_at) -- when the last reminder was due; 0: there was none
);
CREATE INDEX reminder_plans_next ON reminder_plans (starts_at);

-- +goose Down
DROP TABLE reminder_plans;
ALTER TABLE events DROP COLUMN held_until;
