-- Which channels have a way out, as the service that was started last says, and
-- in plain words which second addresses ended only because their firsts left.

-- +goose Up
CREATE TABLE doors (
    channel text PRIMARY KEY CHECK (channel IN ('email', 'webhook', 'sms')),
    open    boolean NOT NULL -- a channel without a row has one
);
ALTER TABLE subscribers ADD COLUMN with_first boolean NOT NULL DEFAULT false CHECK (NOT with_first OR left_by = '' AND left_from <> '');
UPDATE subscribers SET with_first = true WHERE second_of > 0 AND state IN ('unsubscribed', 'pending') AND left_by = '' AND left_from <> '';

-- +goose Down
ALTER TABLE subscribers DROP COLUMN with_first;
DROP TABLE doors;
