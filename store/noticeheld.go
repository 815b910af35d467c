package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

type heldRow struct {
	ID          string `gorm:"primaryKey"`
	IncidentID  string
	NoticeID    string
	Moment      string
	Saying      string
	CreatedAt   int64 `gorm:"autoCreateTime:false"`
	CreatedBy   string
	PublishedAt int64
	Trouble     string
	Notice      string `gorm:"->;-:migration"` // its state, where it was read
}

func (heldRow) TableName() string { return "held_updates" }

func (r heldRow) held() (notifier.HeldUpdate, error) {
	h := notifier.HeldUpdate{
		ID: r.ID, IncidentID: r.IncidentID, After: notifier.AfterNotice{ID: r.NoticeID, When: notifier.NoticeMoment(r.Moment)},
		CreatedAt: instant(r.CreatedAt), CreatedBy: r.CreatedBy, PublishedAt: instant(r.PublishedAt), Trouble: r.Trouble, Notice: notifier.NoticeState(r.Notice),
	}
	if err := json.Unmarshal([]byte(r.Saying), &h.Saying); err != nil {
		return h, fmt.Errorf("read held update %s: %w", r.ID, err)
	}
	return h, nil
}

// hold keeps an update that waits for a notice; of the incident nothing changes.
func (s *Store) hold(ctx context.Context, tx *gorm.DB, was notifier.Incident, p notifier.Posting) (notifier.Posting, error) {
	h := *p.Held
	var state []string
	if err := tx.Raw(`SELECT state FROM notices WHERE id = ?`, h.After.ID).Scan(&state).Error; err != nil {
		return p, fmt.Errorf("look for a notice: %w", err)
	}
	switch {
	case len(state) == 0:
		return p, notifier.Invalidf("after_notice.id", "there is no notice %q", notifier.Clip(h.After.ID))
	case state[0] == string(notifier.NoticeCancelled):
		return p, notifier.Invalidf("after_notice.id", "this notice was cancelled; an update would wait for it for ever")
	}
	if p.Update != nil {
		if err := checkComponents(tx, p.Incident.Components); err != nil {
			return p, err
		}
	}
	if h.Saying.Components != nil {
		if err := checkComponents(tx, *h.Saying.Components); err != nil {
			return p, err
		}
	}
	text, err := json.Marshal(h.Saying)
	if err != nil {
		return p, fmt.Errorf("hold an update: %w", err)
	}
	h.IncidentID, h.CreatedBy, h.Notice = was.ID, notifier.ActorFrom(ctx).Name, notifier.NoticeState(state[0])
	row := heldRow{
		ID: h.ID, IncidentID: was.ID, NoticeID: h.After.ID, Moment: string(h.After.When), Saying: string(text),
		CreatedAt: micros(h.CreatedAt), CreatedBy: h.CreatedBy,
	}
	if err := tx.Omit("Notice").Create(&row).Error; err != nil {
		return p, fmt.Errorf("hold an update: %w", err)
	}
	p.Held, p.Incident = &h, was
	return p, s.audit(ctx, tx, "incident.hold", was.ID, "update "+h.ID+" after notice "+h.After.ID)
}

// HeldUpdates lists the updates of an incident that wait for notices, oldest
// first; those that were published since are not among them.
func (s *Store) HeldUpdates(ctx context.Context, incident string) ([]notifier.HeldUpdate, error) {
	var rows []heldRow
	if err := s.conn(ctx).Raw(`SELECT h.*, n.state AS notice FROM held_updates AS h JOIN notices AS n ON n.id = h.notice_id
		WHERE h.incident_id = ? AND h.published_at = 0 ORDER BY h.created_at, h.id`, incident).Scan(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("list held updates: %w", err))
	}
	out := make([]notifier.HeldUpdate, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = r.held(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// DropHeldUpdate takes an update back that was not published yet.
func (s *Store) DropHeldUpdate(ctx context.Context, incident, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		done := tx.Exec(`DELETE FROM held_updates WHERE id = ? AND incident_id = ? AND published_at = 0`, id, incident)
		if done.Error != nil {
			return fmt.Errorf("drop a held update: %w", done.Error)
		}
		if done.RowsAffected == 0 {
			return notifier.Refuse(notifier.ErrNotFound, "there is no held update %s", notifier.Clip(id))
		}
		return s.audit(ctx, tx, "incident.unhold", incident, "update "+id)
	})
}

// ripe is the condition that the moment of a held update has come.
const ripe = `h.published_at = 0 AND h.trouble = '' AND (n.state = 'done' OR n.state = 'settling' AND h.moment = 'tried')`

// publishHeld publishes the updates whose moments have come, each in one
// transaction, and reports whether there was any. One that cannot be published
// any more stays held, with the reason; one that says nothing new any more is
// dropped.
func (s *Store) publishHeld(ctx context.Context) (did bool, err error) {
	var ids []string
	if err := s.conn(ctx).Raw(`SELECT h.id FROM held_updates AS h JOIN notices AS n ON n.id = h.notice_id WHERE ` + ripe + ` ORDER BY h.created_at, h.id LIMIT 10`).
		Scan(&ids).Error; err != nil {
		return false, translate(fmt.Errorf("look for held updates: %w", err))
	}
	for _, id := range ids {
		err := s.work(ctx, func(ctx context.Context, tx *gorm.DB) error { return s.publishOne(ctx, tx, id) })
		var invalid *notifier.Invalid
		var refusal *notifier.Refusal
		if errors.As(err, &invalid) || errors.As(err, &refusal) {
			err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
				return tx.Exec(`UPDATE held_updates SET trouble = ? WHERE id = ? AND published_at = 0`, notifier.Clip(err.Error()), id).Error
			})
		}
		if err != nil {
			return did, fmt.Errorf("publish held update %s: %w", id, err)
		}
		did = true
	}
	return did, nil
}

var errSaid = errors.New("all that was held was said in the meantime")

func (s *Store) publishOne(ctx context.Context, tx *gorm.DB, id string) error {
	var row heldRow
	// The incident first, as everybody who writes an update.
	if err := tx.Raw(`SELECT * FROM held_updates WHERE id = ?`, id).Scan(&row).Error; err != nil || row.ID == "" {
		return err
	}
	if _, err := lockIncident(tx, row.IncidentID); err != nil {
		return err
	}
	row = heldRow{}
	if err := tx.Raw(`SELECT h.* FROM held_updates AS h JOIN notices AS n ON n.id = h.notice_id WHERE h.id = ? AND `+ripe, id).Scan(&row).Error; err != nil || row.ID == "" {
		return err // another process was quicker
	}
	h, err := row.held()
	if err != nil {
		return err
	}
	n, err := s.Notice(ctx, h.After.ID)
	if err != nil {
		return err
	}
	desk := notifier.Desk{Now: s.Now(), Zone: time.UTC, NewID: randomText}
	_, err = s.ReviseIncident(notifier.WithActor(ctx, notifier.Actor{Name: h.CreatedBy}), h.IncidentID, func(i notifier.Incident) (notifier.Posting, error) {
		if h.Stale(i) {
			return notifier.Posting{}, errSaid
		}
		return h.Publish(i, &n, desk)
	})
	if errors.Is(err, errSaid) {
		return s.DropHeldUpdate(ctx, h.IncidentID, id)
	}
	if err != nil {
		return err
	}
	return tx.Exec(`UPDATE held_updates SET published_at = ? WHERE id = ?`, micros(desk.Now), id).Error
}
