package store

import (
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// anySeconds reports whether anybody has a second address. It asks for the first
// by an index: without statistics PostgreSQL believes that a third of all have
// one, and reads through everybody to find any.
func anySeconds(tx *gorm.DB) (some bool, err error) {
	if err := tx.Raw(`SELECT count(*) > 0 FROM (SELECT 1 FROM subscribers WHERE second_of > 0 ORDER BY second_of LIMIT 1) AS one`).Scan(&some).Error; err != nil {
		return false, fmt.Errorf("look for second addresses: %w", err)
	}
	return some, nil
}

// addFirsts fills in whose second addresses claimed mails of incidents, maintenance
// and posts go to.
func (s *Store) addFirsts(tx *gorm.DB, ds []notifier.Delivery) error {
	var readers []int64
	for _, d := range ds {
		if d.Lane == notifier.LaneIncident || d.Lane == notifier.LaneRoutine {
			readers = append(readers, d.ID.Reader())
		}
	}
	if len(readers) == 0 {
		return nil
	}
	// A look first: mostly there are none at all.
	if some, err := anySeconds(tx); err != nil || !some {
		return err
	}
	from, arg := s.each(readers, `SELECT number, second_of FROM subscribers WHERE number = u.value AND second_of > 0 OFFSET 0`,
		`subscribers AS d ON d.number = u.value AND d.second_of > 0`)
	var found []struct {
		Number  int64
		Address string
	}
	if err := tx.Raw(`SELECT d.number, f.address FROM `+from+` JOIN subscribers AS f ON f.number = d.second_of`, arg).Scan(&found).Error; err != nil {
		return fmt.Errorf("look whose second addresses they are: %w", err)
	}
	first := make(map[int64]string, len(found))
	for _, f := range found {
		first[f.Number] = subscribers.Veil(f.Address)
	}
	for i := range ds {
		if ds[i].Lane == notifier.LaneIncident || ds[i].Lane == notifier.LaneRoutine {
			ds[i].First = first[ds[i].ID.Reader()]
		}
	}
	return nil
}
