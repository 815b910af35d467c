package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

type staffRow struct {
	ID         string
	Name       string
	Role       string
	CreatedAt  int64
	ReadyAt    int64
	LinkUntil  int64
	SignedInAt int64
}

// staffColumns are all of a person that is shown.
const staffColumns = `id, name, role, created_at, ready_at, link_until, signed_in_at`

func (r staffRow) staff() notifier.Staff {
	return notifier.Staff{
		ID: r.ID, Name: r.Name, Role: notifier.Role(r.Role), CreatedAt: instant(r.CreatedAt), ReadyAt: instant(r.ReadyAt),
		LinkUntil: instant(r.LinkUntil), SignedIn: instant(r.SignedInAt),
	}
}

// AddStaff adds a person, who can sign in once they set a password by the link
// that has this SHA-256; ErrConflict if the name is taken. An empty ID or
// CreatedAt is filled in; LinkUntil says how long the link is good.
func (s *Store) AddStaff(ctx context.Context, who notifier.Staff, link [32]byte) (notifier.Staff, error) {
	if err := notifier.CheckStaffName(who.Name); err != nil {
		return who, err
	}
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if who.ID == "" {
			who.ID = randomText()
		}
		if who.CreatedAt.IsZero() {
			who.CreatedAt = s.Now()
		}
		done := tx.Exec(`INSERT INTO staff (id, name, role, link_hash, link_until, created_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			who.ID, who.Name, string(who.Role), link[:], micros(who.LinkUntil), micros(who.CreatedAt))
		if done.Error != nil {
			return fmt.Errorf("add staff: %w", done.Error)
		}
		if done.RowsAffected == 0 {
			return notifier.Refuse(notifier.ErrConflict, "there is a member of staff named %q already", who.Name)
		}
		return s.audit(ctx, tx, "staff.add", who.ID, who.Name+" "+string(who.Role))
	})
	return who, err
}

// ResetStaff takes a person's password, second factor and recovery codes, ends
// all of their sessions, and lets them set new ones by the link that has this SHA-256.
func (s *Store) ResetStaff(ctx context.Context, name string, link [32]byte, until time.Time) (notifier.Staff, error) {
	return s.changeStaff(ctx, name, "staff.reset", "", func(tx *gorm.DB, who *notifier.Staff) error {
		if err := tx.Exec(`DELETE FROM staff_codes WHERE staff = ?`, who.ID).Error; err != nil {
			return err
		}
		who.LinkUntil, who.ReadyAt = until, time.Time{}
		return tx.Exec(`UPDATE staff SET password = '', secret = NULL, ready_at = 0, link_hash = ?, link_until = ? WHERE id = ?`,
			link[:], micros(until), who.ID).Error
	})
}

// ChangeStaffRole gives a person another role, and ends all of their sessions.
func (s *Store) ChangeStaffRole(ctx context.Context, name string, role notifier.Role) (notifier.Staff, error) {
	return s.changeStaff(ctx, name, "staff.role", string(role), func(tx *gorm.DB, who *notifier.Staff) error {
		who.Role = role
		return tx.Exec(`UPDATE staff SET role = ? WHERE id = ?`, string(role), who.ID).Error
	})
}

// RemoveStaff removes a person and ends all of their sessions. What they did
// stays in the audit.
func (s *Store) RemoveStaff(ctx context.Context, name string) error {
	_, err := s.changeStaff(ctx, name, "staff.remove", name, func(tx *gorm.DB, who *notifier.Staff) error {
		return tx.Exec(`DELETE FROM staff WHERE id = ?`, who.ID).Error
	})
	return err
}

// changeStaff changes one person by name, and ends their sessions: what they
// were let in by is no longer so.
func (s *Store) changeStaff(ctx context.Context, name, action, detail string, change func(tx *gorm.DB, who *notifier.Staff) error) (notifier.Staff, error) {
	var who notifier.Staff
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		row, err := oneStaff(tx, `name = ?`+s.forUpdate(), name)
		if err != nil {
			return err
		}
		who = row.staff()
		if err := tx.Exec(`DELETE FROM sessions WHERE staff = ?`, who.ID).Error; err != nil {
			return fmt.Errorf("end sessions: %w", err)
		}
		if err := change(tx, &who); err != nil {
			return fmt.Errorf("change staff: %w", err)
		}
		return s.audit(ctx, tx, action, who.ID, detail)
	})
	return who, err
}

func oneStaff(tx *gorm.DB, where string, args ...any) (staffRow, error) {
	var row staffRow
	found := tx.Raw(`SELECT `+staffColumns+` FROM staff WHERE `+where, args...).Scan(&row)
	if found.Error != nil {
		return row, fmt.Errorf("look for staff: %w", found.Error)
	}
	if found.RowsAffected == 0 {
		return row, fmt.Errorf("staff: %w", notifier.ErrNotFound)
	}
	return row, nil
}

// StaffList lists everybody, by name.
func (s *Store) StaffList(ctx context.Context) ([]notifier.Staff, error) {
	var rows []staffRow
	if err := s.conn(ctx).Raw(`SELECT ` + staffColumns + ` FROM staff ORDER BY name`).Scan(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("list staff: %w", err))
	}
	out := make([]notifier.Staff, len(rows))
	for i, r := range rows {
		out[i] = r.staff()
	}
	return out, nil
}

// StaffByLink finds whose link to set a password this is; ErrNotFound for one
// that was used, or whose time is up.
func (s *Store) StaffByLink(ctx context.Context, link [32]byte) (notifier.Staff, error) {
	row, err := oneStaff(s.conn(ctx), `link_hash = ? AND link_until > ?`, link[:], micros(s.Now()))
	return row.staff(), translate(err)
}

// SetUpStaff keeps what a person will prove themselves with. The link is used
// up; ErrNotFound where it was before.
func (s *Store) SetUpStaff(ctx context.Context, link [32]byte, c notifier.Credentials) (notifier.Staff, error) {
	var who notifier.Staff
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		row, err := oneStaff(tx, `link_hash = ? AND link_until > ?`+s.forUpdate(), link[:], micros(s.Now()))
		if err != nil {
			return err
		}
		sealed, err := s.sealFactor(row.ID, c.Secret)
		if err != nil {
			return err
		}
		row.ReadyAt, row.LinkUntil = micros(s.Now()), 0
		who = row.staff()
		if err := tx.Exec(`UPDATE staff SET password = ?, secret = ?, step = ?, ready_at = ?, link_hash = NULL, link_until = 0 WHERE id = ?`,
			c.Password, sealed, c.Step, row.ReadyAt, row.ID).Error; err != nil {
			return fmt.Errorf("set staff up: %w", err)
		}
		if err := putCodes(tx, row.ID, c.Recovery); err != nil {
			return err
		}
		return s.audit(notifier.WithActor(ctx, own(ctx, who)), tx, "staff.set_up", row.ID, "")
	})
	return who, err
}

// SetUpAndEnter is SetUpStaff and FirstSession as one: who sets themselves up is
// in, or has the link still.
func (s *Store) SetUpAndEnter(ctx context.Context, link [32]byte, c notifier.Credentials, x notifier.Session, hash [32]byte) (notifier.Session, error) {
	err := s.write(ctx, func(ctx context.Context, _ *gorm.DB) error {
		var err error
		if x.Staff, err = s.SetUpStaff(ctx, link, c); err != nil {
			return err
		}
		x, err = s.FirstSession(ctx, x, hash)
		return err
	})
	return x, err
}

// own is the person as the actor of ctx: what they do before they are signed in
// is theirs, and from where stays known.
func own(ctx context.Context, who notifier.Staff) notifier.Actor {
	a := who.Actor()
	a.Network = notifier.ActorFrom(ctx).Network
	return a
}

func putCodes(tx *gorm.DB, staff string, hashes [][]byte) error {
	if err := tx.Exec(`DELETE FROM staff_codes WHERE staff = ?`, staff).Error; err != nil {
		return fmt.Errorf("forget recovery codes: %w", err)
	}
	for _, h := range hashes {
		if err := tx.Exec(`INSERT INTO staff_codes (staff, hash) VALUES (?, ?)`, staff, h).Error; err != nil {
			return fmt.Errorf("keep a recovery code: %w", err)
		}
	}
	return nil
}

// StaffCredentials is who has a name, and what they are to prove. ErrNotFound
// for a name that nobody has, or whose owner has set nothing yet.
func (s *Store) StaffCredentials(ctx context.Context, name string) (notifier.Staff, notifier.Credentials, error) {
	var row struct {
		Person   staffRow `gorm:"embedded"`
		Password string
		Secret   []byte
		Step     int64
	}
	found := s.conn(ctx).Raw(`SELECT `+staffColumns+`, password, secret, step FROM staff WHERE name = ? AND ready_at > 0`, name).Scan(&row)
	if found.Error != nil {
		return notifier.Staff{}, notifier.Credentials{}, translate(fmt.Errorf("look for staff: %w", found.Error))
	}
	c := notifier.Credentials{Password: row.Password, Step: row.Step}
	// Asked whether there is somebody or not, so that the time does not tell.
	var codes []struct{ Hash []byte }
	if err := s.conn(ctx).Raw(`SELECT hash FROM staff_codes WHERE staff = ?`, row.Person.ID).Scan(&codes).Error; err != nil {
		return notifier.Staff{}, c, translate(fmt.Errorf("read recovery codes: %w", err))
	}
	for _, h := range codes {
		c.Recovery = append(c.Recovery, h.Hash)
	}
	if found.RowsAffected == 0 {
		return notifier.Staff{}, notifier.Credentials{}, fmt.Errorf("staff: %w", notifier.ErrNotFound)
	}
	var err error
	c.Secret, err = s.openFactor(row.Person.ID, row.Secret)
	return row.Person.staff(), c, err
}

// FactorsOpen tries whether the service's secret is the one that second factors
// were sealed with: ErrConflict where it is not. It is so where there are none.
func (s *Store) FactorsOpen(ctx context.Context) error {
	var rows []struct {
		ID     string
		Secret []byte
	}
	if err := s.conn(ctx).Raw(`SELECT id, secret FROM staff WHERE ready_at > 0 ORDER BY ready_at DESC LIMIT 1`).Scan(&rows).Error; err != nil {
		return translate(fmt.Errorf("look for a second factor: %w", err))
	}
	for _, r := range rows {
		if _, err := s.openFactor(r.ID, r.Secret); err != nil {
			return err
		}
	}
	return nil
}

// sealFactor encrypts a second factor. Whose it is, is bound to it, so that one
// that was moved to another row does not open.
func (s *Store) sealFactor(staff string, secret []byte) ([]byte, error) {
	if len(s.secret) < leastSecret {
		return nil, errors.New("seal a second factor: the store was opened without a secret")
	}
	box, err := s.boxOf("staff")
	if err != nil {
		return nil, err
	}
	nonce := randomBytes(box.NonceSize())
	return box.Seal(nonce, nonce, secret, []byte(staff)), nil
}

func (s *Store) openFactor(staff string, sealed []byte) ([]byte, error) {
	if len(s.secret) < leastSecret {
		return nil, errors.New("open a second factor: the store was opened without a secret")
	}
	box, err := s.boxOf("staff")
	if err != nil {
		return nil, err
	}
	if n := box.NonceSize(); len(sealed) >= n {
		if plain, err := box.Open(nil, sealed[:n], sealed[n:], []byte(staff)); err == nil {
			return plain, nil
		}
	}
	return nil, fmt.Errorf("open a second factor: the service's secret has changed; allclear staff reset makes a new link: %w", notifier.ErrConflict)
}
