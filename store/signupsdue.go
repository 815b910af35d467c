package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"allclear/subscribers"
)

// DueSignUps lists at most max of the sign-ups that AnswerSignUps would take
// next and that would be asked by mail, so that what DNS says of their domains
// can be learnt outside of its transaction. One whose form was trapped has no
// domain: nothing is asked for it, of anybody.
func (s *Store) DueSignUps(ctx context.Context, max int) ([]subscribers.Waiting, error) {
	var out []subscribers.Waiting
	for _, solved := range []bool{true, false} {
		var rows []signUpRow
		if err := s.conn(ctx).Raw(`SELECT id, address, contact, choices FROM signups WHERE solved = ? AND channel <> 'sms' AND due_at <= ? ORDER BY due_at, id LIMIT ?`,
			solved, micros(s.Now()), max-len(out)).Scan(&rows).Error; err != nil {
			return nil, fmt.Errorf("list due sign-ups: %w", translate(err))
		}
		for i := range rows {
			x, err := rows[i].signUp()
			switch to := rows[i].Contact; {
			case err != nil:
				return nil, err
			case x.Trapped: // is asked by no mail
				out = append(out, subscribers.Waiting{ID: rows[i].ID})
			case to == "":
				out = append(out, subscribers.Waiting{ID: rows[i].ID, Domain: subscribers.Domain(rows[i].Address)})
			default:
				out = append(out, subscribers.Waiting{ID: rows[i].ID, Domain: subscribers.Domain(to)})
			}
		}
		if len(out) >= max {
			break
		}
	}
	return out, nil
}

// DropSignUps takes sign-ups out of the queue for which nothing can be done,
// and returns how many were still there.
func (s *Store) DropSignUps(ctx context.Context, ids []string) (n int, err error) {
	err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		done := tx.Exec(`DELETE FROM signups WHERE id IN ?`, ids)
		n = int(done.RowsAffected)
		return done.Error
	})
	if err != nil {
		return 0, fmt.Errorf("drop sign-ups: %w", err)
	}
	return n, nil
}
