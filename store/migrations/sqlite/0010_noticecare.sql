-- What was left open about notices: that one which stands still ends, and costs
-- claims nothing; that nothing is tried again while an audience is being
-- forgotten; and who brought what. See store/noticeforget.go, noticepark.go and
-- audience.go.

-- +goose Up
ALTER TABLE notices ADD COLUMN changed_at bigint NOT NULL DEFAULT 0; -- by staff, or a step of its own
ALTER TABLE notices ADD COLUMN forgetting_at bigint NOT NULL DEFAULT 0; -- since when its audience is being deleted: nothing of it is tried again
UPDATE notices SET changed_at = max(created_at, ordered_at, begun_at, done_at,
    coalesce((SELECT max(a.touched_at) FROM audiences AS a WHERE a.notice_id = notices.id AND a.state = 'current'), 0));
-- Nobody wrote down when these were touched last: none ends before its time.
UPDATE notices SET changed_at = max(changed_at, CAST(strftime('%s', 'now') AS integer) * 1000000)
    WHERE state IN ('draft', 'awaiting_approval', 'paused', 'halted');
UPDATE notices SET forgetting_at = cleaned_at;
-- Of some the audience may be half deleted by now. Who was erased has no rows.
UPDATE notices SET forgetting_at = done_at WHERE cleaned_at = 0 AND done_at > 0 AND EXISTS (SELECT 1 FROM audiences AS a WHERE a.notice_id = notices.id
    AND a.state = 'current' AND (a.forgotten > 0 OR a.lines > 0 AND NOT EXISTS (SELECT 1 FROM recipient_rows AS r WHERE r.audience = a.number
        AND r.place <= (SELECT p.place FROM recipients AS p WHERE p.audience = a.number AND p.address NOT LIKE 'erased:%' ORDER BY p.place LIMIT 1))));

ALTER TABLE audiences ADD COLUMN brought_by text NOT NULL DEFAULT '';
ALTER TABLE audiences ADD COLUMN excludes text NOT NULL DEFAULT ''; -- the notice whose recipients are left out as rows come

-- A header stood before the first reject of a file, to be guessed.
ALTER TABLE rejects ADD COLUMN header text NOT NULL DEFAULT ''; -- the first line of the file, with the first reject of a CSV file
UPDATE rejects SET header = substr(text, 1, instr(text, char(10))), text = substr(text, instr(text, char(10)) + 1)
    WHERE instr(text, char(10)) > 0 AND place = (SELECT min(o.place) FROM rejects AS o WHERE o.audience = rejects.audience);

-- Whether deliveries of a stopped event are put aside: 0 none, 1 some, 2 all.
ALTER TABLE events ADD COLUMN parked smallint NOT NULL DEFAULT 0 CHECK (parked BETWEEN 0 AND 2);
CREATE INDEX events_parked ON events (number) WHERE parked > 0;

-- +goose Down
UPDATE deliveries SET due_at = (SELECT e.accepted_at FROM events AS e WHERE e.number = deliveries.event_number)
    WHERE event_number IN (SELECT number FROM events WHERE parked > 0) AND due_at > 253370764800000000 AND state = 'pending';
DROP INDEX events_parked;
ALTER TABLE events DROP COLUMN parked;
UPDATE rejects SET text = header || text WHERE header <> '';
ALTER TABLE rejects DROP COLUMN header;
ALTER TABLE audiences DROP COLUMN excludes;
ALTER TABLE audiences DROP COLUMN brought_by;
ALTER TABLE notices DROP COLUMN forgetting_at;
ALTER TABLE notices DROP COLUMN changed_at;
