-- Readers who want to hear only of what touches them: of components on whose
-- list of members they are, or that have none.

-- +goose Up
ALTER TABLE subscribers ADD COLUMN mine boolean NOT NULL DEFAULT false CHECK (NOT mine OR channel = 'email' AND second_of = 0);
CREATE INDEX subscribers_mine ON subscribers (number) WHERE mine;

-- +goose Down
DROP INDEX subscribers_mine;
ALTER TABLE subscribers DROP COLUMN mine;
