-- A second address stays in use until the one that is to take its place is
-- confirmed: of a subscriber there may be one that is, and one that is asked.

-- +goose Up
DROP INDEX subscribers_second;
CREATE UNIQUE INDEX subscribers_second ON subscribers (second_of) WHERE second_of > 0 AND state <> 'unsubscribed' AND state <> 'pending';
CREATE UNIQUE INDEX subscribers_second_asked ON subscribers (second_of) WHERE second_of > 0 AND state = 'pending';

-- +goose Down
DROP INDEX subscribers_second_asked;
DROP INDEX subscribers_second;
UPDATE subscribers SET second_of = 0, state = 'unsubscribed', unsubscribed_at = created_at WHERE second_of > 0 AND state = 'pending'
    AND EXISTS (SELECT 1 FROM subscribers AS z WHERE z.second_of = subscribers.second_of AND z.state <> 'unsubscribed' AND z.number <> subscribers.number);
CREATE UNIQUE INDEX subscribers_second ON subscribers (second_of) WHERE second_of > 0 AND state <> 'unsubscribed';
