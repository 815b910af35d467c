-- Who was told of an alarm, and what was over is kept for a while, to be looked up. See store/alarm.go.

-- +goose Up
ALTER TABLE alarms ADD COLUMN told_to text NOT NULL DEFAULT ''; -- names of ways, by comma; no addresses
ALTER TABLE alarms ADD COLUMN done_at bigint NOT NULL DEFAULT 0; -- when staff were told that it is over
DROP INDEX alarms_open;
CREATE INDEX alarms_open ON alarms (key) WHERE done_at = 0 AND (NOT once OR told_at = 0);

-- +goose Down
DELETE FROM alarms WHERE done_at > 0;
DROP INDEX alarms_open;
CREATE INDEX alarms_open ON alarms (key) WHERE NOT once OR told_at = 0;
ALTER TABLE alarms DROP COLUMN done_at;
ALTER TABLE alarms DROP COLUMN told_to;
