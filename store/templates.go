package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
)

type templateRow struct {
	Name, Body string
	EditedAt   int64
	EditedBy   string
}

func (templateRow) TableName() string { return "templates" }

func (r *templateRow) edit() notifier.TemplateEdit {
	return notifier.TemplateEdit{Name: r.Name, Text: r.Body, At: instant(r.EditedAt), By: r.EditedBy}
}

// TemplateEdits lists the texts that are edited, by name, and how often that
// changed so far: every process has the same.
func (s *Store) TemplateEdits(ctx context.Context) ([]notifier.TemplateEdit, int64, error) {
	var rows []templateRow
	var revision int64
	// The number first: where something changes in between, it is read again.
	if err := s.conn(ctx).Raw(`SELECT value FROM counters WHERE name = 'templates'`).Row().Scan(&revision); err != nil {
		return nil, 0, translate(fmt.Errorf("read how often templates changed: %w", err))
	}
	if err := s.conn(ctx).Raw(`SELECT name, body, edited_at, edited_by FROM templates ORDER BY name`).Scan(&rows).Error; err != nil {
		return nil, 0, translate(fmt.Errorf("read the edited templates: %w", err))
	}
	out := make([]notifier.TemplateEdit, len(rows))
	for i := range rows {
		out[i] = rows[i].edit()
	}
	return out, revision, nil
}

// SaveTemplate keeps an edited text in the place of one with the hash was
// (notifier.HashTemplate; "" where there was no edit), for all processes.
// ErrConflict where somebody else changed it meanwhile. It is not checked here
// whether it can be used.
func (s *Store) SaveTemplate(ctx context.Context, e notifier.TemplateEdit, was string) error {
	if e.Name == "" || e.Text == "" {
		return notifier.Invalidf("template", "a name and a text are needed")
	}
	return s.editTemplate(ctx, e.Name, was, func(tx *gorm.DB) (string, string, error) {
		row := templateRow{e.Name, e.Text, micros(s.Now()), notifier.ActorFrom(ctx).Name}
		err := tx.Exec(`INSERT INTO templates (name, body, edited_at, edited_by) VALUES (?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET body = excluded.body, edited_at = excluded.edited_at, edited_by = excluded.edited_by`,
			row.Name, row.Body, row.EditedAt, row.EditedBy).Error
		return "template.save", notifier.HashTemplate(e.Text), err
	})
}

// DropTemplate takes an edit back: what stood there before is used again.
func (s *Store) DropTemplate(ctx context.Context, name, was string) error {
	if was == "" {
		return notifier.Refuse(notifier.ErrNotFound, "%s is not edited", notifier.Clip(name))
	}
	return s.editTemplate(ctx, name, was, func(tx *gorm.DB) (string, string, error) {
		return "template.drop", "none", tx.Exec(`DELETE FROM templates WHERE name = ?`, name).Error
	})
}

// editTemplate changes one edit that nobody else changed meanwhile. The counter
// comes first: its row is the lock that two editors wait for.
func (s *Store) editTemplate(ctx context.Context, name, was string, change func(*gorm.DB) (action, is string, err error)) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if _, err := next(tx, "templates", 1); err != nil {
			return err
		}
		have := ""
		var row templateRow
		err := tx.Where("name = ?", name).Take(&row).Error
		switch {
		case err == nil:
			have = notifier.HashTemplate(row.Body)
		case !errors.Is(translate(err), notifier.ErrNotFound):
			return fmt.Errorf("read a template: %w", err)
		}
		if have != was {
			by := "nobody edits it any more"
			if have != "" {
				by = "by " + row.EditedBy
			}
			return notifier.Refuse(notifier.ErrConflict, "%s was changed since you opened it (%s)", name, by)
		}
		action, is, err := change(tx)
		if err != nil {
			return fmt.Errorf("edit a template: %w", err)
		}
		if have == "" {
			have = "none"
		}
		return s.audit(ctx, tx, action, name, "edit "+is+", before it "+have)
	})
}
