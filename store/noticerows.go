package store

import (
	"encoding/json"
	"fmt"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"allclear/notifier"
)

type noticeRow struct {
	ID             string `gorm:"primaryKey"`
	Title          string
	Template       string
	Subject        string
	Body           string
	IncidentID     *string
	State          string
	Halted         string
	Approvals      int
	Approved       string
	Recipients     int64
	Lines          int64
	Rejected       int64
	WithoutAddress int64
	CaseTwins      int64
	Wish           string
	EventNumber    int64
	EventID        string
	Canary         int64
	WatchedUntil   int64
	ReleasedAt     int64
	Pace           int64
	CreatedAt      int64 `gorm:"autoCreateTime:false"`
	CreatedBy      string
	ChangedBy      string
	OrderedAt      int64
	OrderedBy      string
	BegunAt        int64
	DoneAt         int64
	CleanedAt      int64
	ForgettingAt   int64
	ChangedAt      int64
}

func (noticeRow) TableName() string { return "notices" }

// course is a notice with what the store alone knows of how it goes out.
type course struct {
	notifier.Notice
	canary       int64 // how many go first
	watchedUntil int64 // so long failures of those who go first halt it
	releasedAt   int64 // when more were released last
	pace         int64 // how many may wait for their first try at a time
	released     int64 // how many may be made by now; known where the standing was read
	forgettingAt int64 // since when its audience is being deleted; 0: it is whole
}

func (r noticeRow) course() (course, error) {
	c := course{canary: r.Canary, watchedUntil: r.WatchedUntil, releasedAt: r.ReleasedAt, pace: r.Pace, forgettingAt: r.ForgettingAt, Notice: notifier.Notice{
		ID: r.ID, Title: r.Title, Template: r.Template, Subject: r.Subject, Body: r.Body, State: notifier.NoticeState(r.State), Halted: r.Halted,
		Approvals: r.Approvals, Recipients: r.Recipients, Rows: r.Lines, Rejected: r.Rejected, WithoutAddress: r.WithoutAddress, CaseTwins: r.CaseTwins,
		Event: r.EventNumber, EventID: r.EventID, CreatedAt: instant(r.CreatedAt), CreatedBy: r.CreatedBy, OrderedAt: instant(r.OrderedAt),
		OrderedBy: r.OrderedBy, BegunAt: instant(r.BegunAt), DoneAt: instant(r.DoneAt), CleanedAt: instant(r.CleanedAt), ChangedAt: instant(r.ChangedAt),
	}}
	if r.IncidentID != nil {
		c.IncidentID = *r.IncidentID
	}
	for text, into := range map[string]any{r.Approved: &c.Approved, r.ChangedBy: &c.ChangedBy, r.Wish: &c.Order} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			return c, fmt.Errorf("read notice %s: %w", r.ID, err)
		}
	}
	if len(c.Approved) == 0 {
		c.Approved = nil
	}
	if len(c.ChangedBy) == 0 {
		c.ChangedBy = nil
	}
	return c, nil
}

func (c *course) row() (noticeRow, error) {
	n := c.Notice
	r := noticeRow{
		ID: n.ID, Title: n.Title, Template: n.Template, Subject: n.Subject, Body: n.Body, State: string(n.State), Halted: n.Halted,
		Approvals: n.Approvals, Recipients: n.Recipients, Lines: n.Rows, Rejected: n.Rejected, WithoutAddress: n.WithoutAddress, CaseTwins: n.CaseTwins,
		EventNumber: n.Event, EventID: n.EventID, CreatedAt: micros(n.CreatedAt), CreatedBy: n.CreatedBy, OrderedAt: micros(n.OrderedAt),
		OrderedBy: n.OrderedBy, BegunAt: micros(n.BegunAt), DoneAt: micros(n.DoneAt), CleanedAt: micros(n.CleanedAt),
		Canary: c.canary, WatchedUntil: c.watchedUntil, ReleasedAt: c.releasedAt, Pace: c.pace, ForgettingAt: c.forgettingAt, ChangedAt: micros(n.ChangedAt),
	}
	if n.IncidentID != "" {
		r.IncidentID = &n.IncidentID
	}
	approved, changed := n.Approved, n.ChangedBy
	if approved == nil {
		approved = []notifier.Approval{}
	}
	if changed == nil {
		changed = []string{}
	}
	for _, part := range []struct {
		into *string
		v    any
	}{{&r.Approved, approved}, {&r.ChangedBy, changed}, {&r.Wish, n.Order}} {
		text, err := json.Marshal(part.v)
		if err != nil {
			return r, fmt.Errorf("write notice %s: %w", n.ID, err)
		}
		*part.into = string(text)
	}
	return r, nil
}

// changed notes who wrote the notice, and that what others agreed to is not
// what it is any more: their approvals fall, and so does what was ordered.
func (c *course) changed(by string) {
	if by != c.CreatedBy && !slices.Contains(c.ChangedBy, by) {
		c.ChangedBy = append(c.ChangedBy, by)
	}
	c.fallBack()
}

// fallBack makes what others agreed to, and what was ordered, void.
func (c *course) fallBack() {
	c.Approved = nil
	if !c.State.Begun() {
		c.State, c.Order, c.OrderedAt, c.OrderedBy = notifier.NoticeDraft, notifier.NoticeOrder{}, instant(0), ""
	}
}

// mayChange refuses to change what others are being sent, or soon will be.
func (c *course) mayChange() error {
	switch c.State {
	case notifier.NoticeDraft, notifier.NoticeAwaiting:
		return nil
	case notifier.NoticeScheduled:
		return notifier.Refuse(notifier.ErrConflict, "this notice is scheduled; pause it, which makes it a draft again")
	case notifier.NoticeCancelled:
		return notifier.Refuse(notifier.ErrConflict, "this notice was cancelled; write another one")
	}
	return notifier.Refuse(notifier.ErrConflict, "this notice has been sent already, or is being sent; write another one")
}

// lockNotice reads a notice and keeps others from changing it until the transaction ends.
func lockNotice(tx *gorm.DB, id string) (course, error) {
	return takeNotice(tx.Clauses(clause.Locking{Strength: "UPDATE"}), id)
}

func takeNotice(db *gorm.DB, id string) (course, error) {
	var row noticeRow
	found := db.Where("id = ?", id).Limit(1).Find(&row)
	switch {
	case found.Error != nil:
		return course{}, fmt.Errorf("read a notice: %w", found.Error)
	case found.RowsAffected == 0:
		return course{}, notifier.Refuse(notifier.ErrNotFound, "there is no notice %s", notifier.Clip(id))
	}
	c, err := row.course()
	if err != nil {
		return c, err
	}
	if err := db.Session(&gorm.Session{NewDB: true}).Raw(`SELECT coalesce(max(number), 0) FROM audiences WHERE notice_id = ? AND notice_id <> '' AND state = 'current'`, id).Scan(&c.Edition).Error; err != nil {
		return c, fmt.Errorf("find the audience of notice %s: %w", id, err)
	}
	return c, nil
}

// saveNotice writes a notice as it is from now on.
func (s *Store) saveNotice(tx *gorm.DB, c *course) error {
	c.ChangedAt = s.Now()
	row, err := c.row()
	if err != nil {
		return err
	}
	if err := tx.Model(&noticeRow{}).Where("id = ?", row.ID).Select("*").Updates(&row).Error; err != nil {
		return fmt.Errorf("write a notice: %w", err)
	}
	return nil
}
