package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"allclear/notifier"
)

func rowOfComponent(c notifier.Component) componentRow {
	return componentRow{Key: c.Key, Name: c.Name, Heading: c.Group, State: string(c.State), CreatedAt: micros(c.CreatedAt)}
}

func (r componentRow) component() notifier.Component {
	return notifier.Component{Key: r.Key, Name: r.Name, Group: r.Heading, State: notifier.ComponentState(r.State), CreatedAt: instant(r.CreatedAt)}
}

// Components lists all of them by group, name and key.
func (s *Store) Components(ctx context.Context) ([]notifier.Component, error) {
	var rows []componentRow
	if err := s.conn(ctx).Find(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("list components: %w", err))
	}
	out := make([]notifier.Component, len(rows))
	for i, r := range rows {
		out[i] = r.component()
	}
	// Here and not in SQL: the two databases order letters differently.
	slices.SortFunc(out, func(a, b notifier.Component) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key))
	})
	return out, nil
}

// AddComponent writes a new component; ErrConflict if its key is taken.
func (s *Store) AddComponent(ctx context.Context, c notifier.Component) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if err := c.Validate(); err != nil {
			return err
		}
		if c.CreatedAt.IsZero() {
			c.CreatedAt = s.Now()
		}
		row := rowOfComponent(c)
		done := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if done.Error != nil {
			return fmt.Errorf("add the component: %w", done.Error)
		}
		if done.RowsAffected == 0 {
			return notifier.Refuse(notifier.ErrConflict, "there is a component %q already", c.Key)
		}
		if err := s.audit(ctx, tx, "component.add", c.Key, ""); err != nil {
			return err
		}
		return s.reckon(tx, 0)
	})
}

// ChangeComponent writes what change makes of a component; its key stays.
func (s *Store) ChangeComponent(ctx context.Context, key string, change func(*notifier.Component) error) (notifier.Component, error) {
	var out notifier.Component
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		var row componentRow
		if err := tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("key = ?", key).Take(&row).Error; err != nil {
			return fmt.Errorf("component %q: %w", key, err)
		}
		out = row.component()
		if err := change(&out); err != nil {
			return err
		}
		if out.Key != key {
			return notifier.Invalidf("key", "cannot be changed; add another component")
		}
		if err := out.Validate(); err != nil {
			return err
		}
		out.CreatedAt = instant(row.CreatedAt)
		is := rowOfComponent(out)
		if is == row {
			return nil
		}
		if err := tx.Model(&componentRow{}).Where("key = ?", key).Select("*").Updates(&is).Error; err != nil {
			return fmt.Errorf("change the component: %w", err)
		}
		if err := s.audit(ctx, tx, "component.change", key, is.State); err != nil || is.State == row.State {
			return err
		}
		return s.reckon(tx, 0)
	})
	return out, err
}

// RemoveComponent takes a component away; ErrConflict while an incident or a
// subscriber names it.
func (s *Store) RemoveComponent(ctx context.Context, key string) error {
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		done := tx.Exec(`DELETE FROM components WHERE key = ?`, key)
		if done.Error != nil {
			return done.Error
		}
		if done.RowsAffected == 0 {
			return fmt.Errorf("component %q: %w", key, notifier.ErrNotFound)
		}
		if err := s.dropMembers(tx, key); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, "component.remove", key, ""); err != nil {
			return err
		}
		return s.reckon(tx, 0)
	})
	if errors.Is(err, gorm.ErrForeignKeyViolated) {
		return notifier.Refuse(notifier.ErrConflict, "incidents or subscribers name the component %q", key)
	}
	return err
}
