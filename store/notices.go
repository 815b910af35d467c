package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
)

// CreateNotice keeps a new draft, whose ID the caller chose. An incident that
// does not exist is an *notifier.Invalid.
func (s *Store) CreateNotice(ctx context.Context, n notifier.Notice) error {
	if err := n.Check(); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		c := course{Notice: notifier.Notice{
			ID: n.ID, Title: n.Title, Template: n.Template, Subject: n.Subject, Body: n.Body, IncidentID: n.IncidentID, Approvals: n.Approvals,
			State: notifier.NoticeDraft, CreatedAt: n.CreatedAt, CreatedBy: n.CreatedBy, ChangedAt: s.Now(),
		}}
		if c.CreatedAt.IsZero() {
			c.CreatedAt = s.Now()
		}
		if c.CreatedBy == "" {
			c.CreatedBy = notifier.ActorFrom(ctx).Name
		}
		if err := checkIncident(tx, c.IncidentID); err != nil {
			return err
		}
		row, err := c.row()
		if err != nil {
			return err
		}
		if err := tx.Create(&row).Error; err != nil {
			return fmt.Errorf("create a notice: %w", err)
		}
		return s.audit(ctx, tx, "notice.create", n.ID, n.Template)
	})
}

// checkIncident refuses an incident that does not exist; "" is none.
func checkIncident(tx *gorm.DB, id string) error {
	if id == "" {
		return nil
	}
	var there bool
	if err := tx.Raw(`SELECT count(*) > 0 FROM incidents WHERE id = ?`, id).Scan(&there).Error; err != nil {
		return fmt.Errorf("look for an incident: %w", err)
	}
	if !there {
		return notifier.Invalidf("incident_id", "there is no incident %q", notifier.Clip(id))
	}
	return nil
}

// Notice returns a notice with what became of it; ErrNotFound if there is none.
func (s *Store) Notice(ctx context.Context, id string) (notifier.Notice, error) {
	db := s.conn(ctx)
	c, err := takeNotice(db, id)
	if err != nil {
		return notifier.Notice{}, translate(err)
	}
	if err := s.word(db, &c); err != nil {
		return notifier.Notice{}, translate(err)
	}
	out := []notifier.Notice{c.Notice}
	return out[0], translate(s.countNotices(db, out))
}

// Notices returns a page, newest first, and the cursor of the next one; "" is the end.
func (s *Store) Notices(ctx context.Context, after string, limit int) ([]notifier.Notice, string, error) {
	db := s.conn(ctx)
	limit = between(limit, 1, maxIncidents)
	find := db.Order("created_at DESC, id DESC").Limit(limit + 1)
	if after != "" {
		at, id, err := openCursor(after)
		if err != nil {
			return nil, "", err
		}
		find = find.Where("(created_at, id) < (?, ?)", at, id)
	}
	var rows []noticeRow
	if err := find.Find(&rows).Error; err != nil {
		return nil, "", translate(fmt.Errorf("list notices: %w", err))
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		next = cursor(rows[limit-1].CreatedAt, rows[limit-1].ID)
	}
	texts, err := s.textsNow(db)
	if err != nil {
		return nil, "", translate(err)
	}
	out := make([]notifier.Notice, len(rows))
	for i, r := range rows {
		c, err := r.course()
		if err != nil {
			return nil, "", err
		}
		c.wordedBy(texts)
		out[i] = c.Notice
	}
	return out, next, translate(s.countNotices(db, out))
}

// countNotices fills in what became of notices, from their events' accounts.
// Whoever has no delivery yet is pending, held while the notice stands still,
// and cancelled with it, so that the counts add up to the recipients.
func (s *Store) countNotices(db *gorm.DB, notices []notifier.Notice) error {
	var numbers []int64
	place := map[int64]int{}
	for i := range notices {
		n := &notices[i]
		n.Counts = map[notifier.DeliveryState]int64{}
		for _, state := range notifier.DeliveryStates {
			n.Counts[state] = 0
		}
		if n.Event > 0 {
			numbers, place[n.Event] = append(numbers, n.Event), i
		}
	}
	made := make([]int64, len(notices))
	if len(numbers) > 0 {
		found, err := accountsOf(db, numbers)
		if err != nil {
			return err
		}
		for _, c := range found {
			i := place[c.EventNumber]
			made[i] += c.Total
			notices[i].Tried += c.Tried
			c.addTo(notices[i].Counts)
		}
	}
	for i := range notices {
		n := &notices[i]
		n.Counts[notifier.Pending] += n.Recipients - made[i]
		var into notifier.DeliveryState
		switch n.State {
		case notifier.NoticePaused, notifier.NoticeHalted:
			into = notifier.Held
		case notifier.NoticeCancelled: // in small steps, but for good
			into = notifier.Cancelled
			n.Counts[notifier.Pending] += n.Counts[notifier.Held]
			n.Counts[notifier.Held] = 0
			n.Tried = n.Recipients - n.Counts[notifier.Cancelled] - n.Counts[notifier.Pending] - n.Counts[notifier.Sending]
		default:
			continue
		}
		n.Counts[into] += n.Counts[notifier.Pending]
		n.Counts[notifier.Pending] = 0
	}
	return nil
}

// ChangeNotice changes a notice that is not sent yet. What others agreed to
// falls, and one that waits for approval is a draft again.
func (s *Store) ChangeNotice(ctx context.Context, id string, change notifier.NoticeChange) (notifier.Notice, error) {
	return s.reviseNotice(ctx, id, "notice.change", func(ctx context.Context, tx *gorm.DB, c *course) (string, error) {
		if err := c.mayChange(); err != nil {
			return "", err
		}
		if err := change.Apply(&c.Notice); err != nil {
			return "", err
		}
		if change.IncidentID != nil {
			if err := checkIncident(tx, c.IncidentID); err != nil {
				return "", err
			}
		}
		c.changed(notifier.ActorFrom(ctx).Name)
		return "", nil
	})
}

// reviseNotice locks a notice, writes what change makes of it, audits it with
// the detail that change answers, and returns it with its counts.
func (s *Store) reviseNotice(ctx context.Context, id, action string, change func(context.Context, *gorm.DB, *course) (string, error)) (notifier.Notice, error) {
	return s.changeNotice(ctx, id, action, change, func() bool { return true })
}

// changeNotice is reviseNotice that audits only where something happened.
func (s *Store) changeNotice(ctx context.Context, id, action string, change func(context.Context, *gorm.DB, *course) (string, error), happened func() bool) (notifier.Notice, error) {
	var out notifier.Notice
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		c, err := lockNotice(tx, id)
		if err != nil {
			return err
		}
		if err := s.word(tx, &c); err != nil {
			return err
		}
		detail, err := change(ctx, tx, &c)
		if err != nil {
			return err
		}
		if err := s.saveNotice(tx, &c); err != nil {
			return err
		}
		if happened() {
			if err := s.audit(ctx, tx, action, id, detail); err != nil {
				return err
			}
		}
		one := []notifier.Notice{c.Notice}
		if err := s.countNotices(tx, one); err != nil {
			return err
		}
		out = one[0]
		return nil
	})
	return out, err
}

// DeleteNotice takes a draft away, and what was uploaded for it.
func (s *Store) DeleteNotice(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		c, err := lockNotice(tx, id)
		if err != nil {
			return err
		}
		if c.State != notifier.NoticeDraft {
			return notifier.Refuse(notifier.ErrConflict, "only a draft can be deleted; this one is %s", c.State)
		}
		var held int64
		if err := tx.Raw(`SELECT count(*) FROM held_updates WHERE notice_id = ?`, id).Scan(&held).Error; err != nil {
			return fmt.Errorf("look for updates that wait: %w", err)
		}
		if held > 0 {
			return notifier.Refuse(notifier.ErrConflict, "an update of an incident waits for this notice")
		}
		if err := tx.Exec(`UPDATE audiences SET state = 'dropped', touched_at = ? WHERE notice_id = ? AND state <> 'dropped'`, micros(s.Now()), id).Error; err != nil {
			return fmt.Errorf("drop its audience: %w", err)
		}
		if err := tx.Exec(`DELETE FROM notices WHERE id = ?`, id).Error; err != nil {
			return fmt.Errorf("delete a notice: %w", err)
		}
		return s.audit(ctx, tx, "notice.delete", id, "")
	})
}
