package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

const (
	// seenStep is how exactly a session's last use is kept: writing it on every
	// request would be a write a request.
	seenStep = time.Minute
	// noteWait is how long a page waits at most for its session's use to be noted.
	noteWait = 2 * time.Second
)

type sessionRow struct {
	Person    staffRow `gorm:"embedded"`
	SessionID string
	BegunAt   int64
	SeenAt    int64
	Network   string
	Agent     string
}

const sessionColumns = `p.id, p.name, p.role, p.created_at, p.ready_at, p.link_until, p.signed_in_at,
	x.id AS session_id, x.created_at AS begun_at, x.seen_at, x.network, x.agent FROM sessions AS x JOIN staff AS p ON p.id = x.staff`

func (r sessionRow) session() notifier.Session {
	return notifier.Session{
		ID: r.SessionID, Staff: r.Person.staff(), CreatedAt: instant(r.BegunAt), SeenAt: instant(r.SeenAt), Network: r.Network, Agent: r.Agent,
	}
}

// BeginSession signs a person in by what they just proved, and keeps the
// session under the SHA-256 of what the browser holds. The code is used up:
// ErrConflict where it was before. The password must still be the one that was
// checked. Their tries are given back.
func (s *Store) BeginSession(ctx context.Context, x notifier.Session, hash [32]byte, password string, p notifier.Proof) (notifier.Session, error) {
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		now := s.Now()
		x.ID, x.CreatedAt, x.SeenAt = randomText(), now, now
		row, err := oneStaff(tx, `id = ? AND password = ? AND ready_at > 0`+s.forUpdate(), x.Staff.ID, password)
		if err != nil {
			return err
		}
		x.Staff = row.staff()
		if err := useProof(tx, x.Staff.ID, p); err != nil {
			return err
		}
		if err := tx.Exec(`UPDATE staff SET signed_in_at = ? WHERE id = ?`, micros(now), x.Staff.ID).Error; err != nil {
			return fmt.Errorf("note the sign-in: %w", err)
		}
		if err := s.keepSession(tx, x, hash, now); err != nil {
			return err
		}
		if err := giveBack(tx, x.Staff.Name, x.Network); err != nil {
			return err
		}
		how := "code"
		if p.Recovery != nil {
			how = "recovery code"
		}
		return s.audit(notifier.WithActor(ctx, own(ctx, x.Staff)), tx, "session.begin", x.Staff.ID, how)
	})
	return x, err
}

// FirstSession signs a person in who just set themselves up.
func (s *Store) FirstSession(ctx context.Context, x notifier.Session, hash [32]byte) (notifier.Session, error) {
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		now := s.Now()
		x.ID, x.CreatedAt, x.SeenAt = randomText(), now, now
		if err := tx.Exec(`UPDATE staff SET signed_in_at = ? WHERE id = ?`, micros(now), x.Staff.ID).Error; err != nil {
			return fmt.Errorf("note the sign-in: %w", err)
		}
		if err := s.keepSession(tx, x, hash, now); err != nil {
			return err
		}
		return s.audit(notifier.WithActor(ctx, own(ctx, x.Staff)), tx, "session.begin", x.Staff.ID, "set-up")
	})
	return x, err
}

func (s *Store) keepSession(tx *gorm.DB, x notifier.Session, hash [32]byte, now time.Time) error {
	if err := tx.Exec(`DELETE FROM sessions WHERE seen_at <= ? OR created_at <= ?`,
		micros(now.Add(-notifier.SessionIdle)), micros(now.Add(-notifier.SessionLife))).Error; err != nil {
		return fmt.Errorf("forget old sessions: %w", err)
	}
	if err := tx.Exec(`INSERT INTO sessions (id, hash, staff, created_at, seen_at, network, agent) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		x.ID, hash[:], x.Staff.ID, micros(x.CreatedAt), micros(x.SeenAt), x.Network, x.Agent).Error; err != nil {
		return fmt.Errorf("keep the session: %w", err)
	}
	return nil
}

// useProof uses a code up. Steps only go on, so that neither the code nor an
// older one is ever taken again; of two who send it at once one is told so.
func useProof(tx *gorm.DB, staff string, p notifier.Proof) error {
	done := tx.Exec(`UPDATE staff SET step = ? WHERE id = ? AND step < ?`, p.Step, staff, p.Step)
	if p.Recovery != nil {
		done = tx.Exec(`DELETE FROM staff_codes WHERE staff = ? AND hash = ?`, staff, p.Recovery)
	}
	if done.Error != nil {
		return fmt.Errorf("use the code up: %w", done.Error)
	}
	if done.RowsAffected == 0 {
		return notifier.Refuse(notifier.ErrConflict, "this code was used already")
	}
	if err := tx.Exec(`DELETE FROM sign_ins WHERE scope = 'name' AND key = ?`, codeKey(staff)).Error; err != nil {
		return fmt.Errorf("give tries of codes back: %w", err)
	}
	return nil
}

// Session is the session whose browser holds what has this SHA-256, and whose
// it is as they are now; ErrNotFound where there is none, or its time is up.
// That it was used is noted, to the minute; where
// the database takes no writes it lets staff in to read all the same.
func (s *Store) Session(ctx context.Context, hash [32]byte) (notifier.Session, error) {
	x, err := s.SessionStill(ctx, hash)
	if err != nil {
		return x, err
	}
	if now := s.Now(); now.Sub(x.SeenAt) >= seenStep {
		if err := s.noteUse(ctx, x.ID, now); err != nil {
			s.log.WarnContext(ctx, "a session's use is not noted", "part", "store", "error", err)
		} else {
			x.SeenAt = now
		}
	}
	return x, nil
}

// SessionStill is Session, but no use of it: a page that keeps itself fresh on a
// desk that nobody sits at keeps nobody signed in.
func (s *Store) SessionStill(ctx context.Context, hash [32]byte) (notifier.Session, error) {
	var row sessionRow
	found := s.conn(ctx).Raw(`SELECT `+sessionColumns+` WHERE x.hash = ?`, hash[:]).Scan(&row)
	if found.Error != nil {
		return notifier.Session{}, translate(fmt.Errorf("look for the session: %w", found.Error))
	}
	x := row.session()
	if found.RowsAffected == 0 || x.Over(s.Now()) {
		return notifier.Session{}, fmt.Errorf("session: %w", notifier.ErrNotFound)
	}
	return x, nil
}

func (s *Store) noteUse(ctx context.Context, session string, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, noteWait)
	defer cancel()
	return s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		return tx.Exec(`UPDATE sessions SET seen_at = ? WHERE id = ? AND seen_at < ?`, micros(now), session, micros(now)).Error
	})
}

// Sessions lists the sessions of a person, or of everybody where staff is "",
// latest used first.
func (s *Store) Sessions(ctx context.Context, staff string) ([]notifier.Session, error) {
	now := s.Now()
	var rows []sessionRow
	if err := s.conn(ctx).Raw(`SELECT `+sessionColumns+` WHERE (x.staff = ? OR ? = '') AND x.seen_at > ? AND x.created_at > ? ORDER BY x.seen_at DESC, x.id`,
		staff, staff, micros(now.Add(-notifier.SessionIdle)), micros(now.Add(-notifier.SessionLife))).Scan(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("list sessions: %w", err))
	}
	out := make([]notifier.Session, len(rows))
	for i, r := range rows {
		out[i] = r.session()
	}
	return out, nil
}

// EndSession ends one session of a person, or of anybody where staff is "".
func (s *Store) EndSession(ctx context.Context, staff, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		done := tx.Exec(`DELETE FROM sessions WHERE id = ? AND (staff = ? OR ? = '')`, id, staff, staff)
		if done.Error != nil {
			return fmt.Errorf("end the session: %w", done.Error)
		}
		if done.RowsAffected == 0 {
			return notifier.Refuse(notifier.ErrNotFound, "this session is over already")
		}
		return s.audit(ctx, tx, "session.end", id, "")
	})
}

// ChangeOwnPassword gives a person another password and ends all of their
// sessions but one. The code is used up, as for signing in.
func (s *Store) ChangeOwnPassword(ctx context.Context, staff, keep, password string, p notifier.Proof) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if err := useProof(tx, staff, p); err != nil {
			return err
		}
		if err := tx.Exec(`UPDATE staff SET password = ? WHERE id = ? AND ready_at > 0`, password, staff).Error; err != nil {
			return fmt.Errorf("change the password: %w", err)
		}
		if err := tx.Exec(`DELETE FROM sessions WHERE staff = ? AND id <> ?`, staff, keep).Error; err != nil {
			return fmt.Errorf("end sessions: %w", err)
		}
		return s.audit(ctx, tx, "staff.password", staff, "")
	})
}

// RenewRecovery gives a person new recovery codes in place of all before.
func (s *Store) RenewRecovery(ctx context.Context, staff string, hashes [][]byte, p notifier.Proof) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if err := useProof(tx, staff, p); err != nil {
			return err
		}
		if err := putCodes(tx, staff, hashes); err != nil {
			return err
		}
		return s.audit(ctx, tx, "staff.recovery", staff, "")
	})
}
