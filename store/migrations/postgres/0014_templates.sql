-- Texts that are edited while the service runs. See store/templates.go.

-- +goose Up
CREATE TABLE templates (
    name      text PRIMARY KEY CHECK (name <> ''), -- of the embedded file whose place it takes
    body      text NOT NULL CHECK (body <> ''),
    edited_at bigint NOT NULL CHECK (edited_at > 0),
    edited_by text NOT NULL DEFAULT ''
);

-- Moves with every edit, so that all processes notice.
INSERT INTO counters (name, value) VALUES ('templates', 0);

-- +goose Down
DELETE FROM counters WHERE name = 'templates';
DROP TABLE templates;
