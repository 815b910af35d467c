package store

import (
	"context"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
)

// BeginMembers begins to take up the list of who lives on a component. What
// AddMembers brings is seen by nobody before FinishMembers, and takes the place
// of the list before then. ErrNotFound if there is no such component.
func (s *Store) BeginMembers(ctx context.Context, key string) (u notifier.Upload, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if err := s.lockComponent(tx, key); err != nil {
			return err
		}
		u, err = s.beginFile(ctx, tx, audienceRow{ComponentKey: key, Replaces: true})
		return err
	})
	return u, err
}

// lockComponent keeps a component from being removed until the transaction ends.
func (s *Store) lockComponent(tx *gorm.DB, key string) error {
	var there []string
	if err := tx.Raw(`SELECT key FROM components WHERE key = ?`+s.forUpdate(), key).Scan(&there).Error; err != nil {
		return fmt.Errorf("look for a component: %w", err)
	}
	if len(there) == 0 {
		return notifier.Refuse(notifier.ErrNotFound, "there is no component %q", notifier.Clip(key))
	}
	return nil
}

// AddMembers adds email addresses, as they are kept, to a list: some hundred to
// 2,000 at a time. One that is there already changes nothing.
func (s *Store) AddMembers(ctx context.Context, u notifier.Upload, addresses []string) error {
	rows := make([]notifier.AudienceRow, len(addresses))
	for i, a := range addresses {
		rows[i] = notifier.AudienceRow{Channel: notifier.Email, Address: a}
	}
	return s.AddToAudience(ctx, u, rows, nil)
}

// FinishMembers makes the list the component's, and returns how many they are.
func (s *Store) FinishMembers(ctx context.Context, u notifier.Upload) (members int64, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		a, err := s.lockFile(tx, u)
		if err != nil {
			return err
		}
		if err := s.lockComponent(tx, a.ComponentKey); err != nil {
			return err
		}
		if err := s.dropMembers(tx, a.ComponentKey); err != nil {
			return err
		}
		a.State, a.TouchedAt, members = "current", micros(s.Now()), a.Recipients
		if err := saveFile(tx, &a); err != nil {
			return err
		}
		return s.audit(ctx, tx, "component.members", a.ComponentKey, fmt.Sprintf("%d members", members))
	})
	return members, err
}

func (s *Store) dropMembers(tx *gorm.DB, key string) error {
	if err := tx.Exec(`UPDATE audiences SET state = 'dropped', touched_at = ? WHERE component_key = ? AND component_key <> '' AND state = 'current'`, micros(s.Now()), key).Error; err != nil {
		return fmt.Errorf("drop the members of a component: %w", err)
	}
	return nil
}

// Members is how many live on a component.
func (s *Store) Members(ctx context.Context, key string) (int64, error) {
	a, err := s.membersOf(s.conn(ctx), key)
	return a.Recipients, translate(err)
}

func (s *Store) membersOf(db *gorm.DB, key string) (a audienceRow, err error) {
	if err := db.Raw(`SELECT * FROM audiences WHERE component_key = ? AND component_key <> '' AND state = 'current' ORDER BY number DESC LIMIT 1`, key).Scan(&a).Error; err != nil {
		return a, fmt.Errorf("read the members of a component: %w", err)
	}
	return a, nil
}

// AudienceFromMembers takes who lives on a component as a notice's audience, in
// the place of what it had, but for those whom another notice was sent to (see
// BeginAudienceWithout); "" is none.
func (s *Store) AudienceFromMembers(ctx context.Context, notice, key, other string) (notifier.Notice, error) {
	a, err := s.membersOf(s.conn(ctx), key)
	if err != nil {
		return notifier.Notice{}, translate(err)
	}
	if a.Recipients == 0 {
		return notifier.Notice{}, notifier.Refuse(notifier.ErrConflict, "the component %q has no members", notifier.Clip(key))
	}
	u, err := s.BeginAudienceWithout(ctx, notice, true, other)
	if err != nil {
		return notifier.Notice{}, err
	}
	var out notifier.Notice
	// Whoever brought the list wrote the audience, and is no second person.
	err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		return tx.Exec(`UPDATE audiences SET brought_by = ? WHERE number = ? AND state = 'open'`, a.BroughtBy, u.Edition).Error
	})
	if err == nil {
		err = s.copyMembers(ctx, u, a.Number)
	}
	if err == nil {
		err = s.stillMembers(ctx, key, a.Number)
	}
	if err == nil {
		out, err = s.FinishAudience(ctx, u, 0, [32]byte{})
	}
	if err != nil {
		_ = s.DropAudience(context.WithoutCancel(ctx), u) // what is left is swept up in a day
		return notifier.Notice{}, err
	}
	return out, nil
}

// stillMembers refuses where another list has taken the place of the one that
// was copied: what is replaced is swept away, perhaps in front of who copies it.
func (s *Store) stillMembers(ctx context.Context, key string, list int64) error {
	now, err := s.membersOf(s.conn(ctx), key)
	if err == nil && now.Number != list {
		err = notifier.Refuse(notifier.ErrConflict, "the members of the component %q were replaced meanwhile; take them again", notifier.Clip(key))
	}
	return translate(err)
}

func (s *Store) copyMembers(ctx context.Context, u notifier.Upload, from int64) error {
	for place := int64(0); ; {
		var people []recipientRow
		if err := s.conn(ctx).Raw(`SELECT `+recipientColumns+` FROM recipients AS r WHERE r.audience = ? AND r.place > ? ORDER BY r.place LIMIT ?`, from, place, addStep).Scan(&people).Error; err != nil {
			return translate(fmt.Errorf("copy the members of a component: %w", err))
		}
		if len(people) == 0 {
			return nil
		}
		var rows []notifier.AudienceRow
		for _, p := range people {
			place = p.Place
			if !strings.HasPrefix(p.Address, erasedPrefix) {
				rows = append(rows, notifier.AudienceRow{Channel: notifier.Channel(p.Channel), Address: p.Address})
			}
		}
		if err := s.AddToAudience(ctx, u, rows, nil); err != nil {
			return err
		}
	}
}
