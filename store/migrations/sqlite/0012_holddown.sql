-- Hold-down: what an incident has to say waits a while for its all-clear. See store/hold.go.

-- +goose Up
ALTER TABLE events ADD COLUMN held_until bigint NOT NULL DEFAULT 0 CHECK (held_until >= 0); -- no delivery of it is made before; 0: it was never held

-- +goose Down
ALTER TABLE events DROP COLUMN held_until;
