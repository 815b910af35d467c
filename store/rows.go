package store

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"time"

	"allclear/notifier"
)

var lower32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// micros is how an instant is kept: whole microseconds since 1970 UTC, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant reads what micros wrote.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// The rows below are tables as GORM reads and writes them, field by column.
// Where a column's name would make GORM fill in its own time, it is told not to.

type componentRow struct {
	Key       string `gorm:"primaryKey"`
	Name      string
	Heading   string
	State     string
	CreatedAt int64 `gorm:"autoCreateTime:false"`
}

func (componentRow) TableName() string { return "components" }

type incidentRow struct {
	ID         string `gorm:"primaryKey"`
	Title      string
	Kind       string
	Severity   int
	Status     string
	State      string
	Impact     string
	StartsAt   int64
	EndsAt     int64
	OpenedAt   int64
	ResolvedAt int64
	CreatedAt  int64 `gorm:"autoCreateTime:false"`
	UpdatedAt  int64 `gorm:"autoUpdateTime:false"`
}

func (incidentRow) TableName() string { return "incidents" }

func rowOfIncident(i notifier.Incident) (incidentRow, error) {
	impact, err := json.Marshal(i.Impact)
	if err != nil {
		return incidentRow{}, fmt.Errorf("write the impact: %w", err)
	}
	return incidentRow{
		ID: i.ID, Title: i.Title, Kind: string(i.Kind), Severity: int(i.Severity), Status: string(i.Status),
		State: string(i.State), Impact: string(impact), StartsAt: micros(i.StartsAt), EndsAt: micros(i.EndsAt),
		OpenedAt: micros(i.OpenedAt), ResolvedAt: micros(i.ResolvedAt), CreatedAt: micros(i.CreatedAt), UpdatedAt: micros(i.UpdatedAt),
	}, nil
}

func (r incidentRow) incident() (notifier.Incident, error) {
	i := notifier.Incident{
		ID: r.ID, Title: r.Title, Kind: notifier.Kind(r.Kind), Severity: notifier.Severity(r.Severity), Status: notifier.Status(r.Status),
		State: notifier.PublishState(r.State), StartsAt: instant(r.StartsAt), EndsAt: instant(r.EndsAt),
		OpenedAt: instant(r.OpenedAt), ResolvedAt: instant(r.ResolvedAt), CreatedAt: instant(r.CreatedAt), UpdatedAt: instant(r.UpdatedAt),
	}
	if err := json.Unmarshal([]byte(r.Impact), &i.Impact); err != nil {
		return i, fmt.Errorf("read the impact of incident %s: %w", r.ID, err)
	}
	return i, nil
}

type incidentComponentRow struct {
	IncidentID   string `gorm:"primaryKey"`
	ComponentKey string `gorm:"primaryKey"`
	Place        int
}

func (incidentComponentRow) TableName() string { return "incident_components" }

type updateRow struct {
	ID          string `gorm:"primaryKey"`
	IncidentID  string
	Place       int
	Status      string
	Body        string
	Severity    int
	Impact      string
	StartsAt    int64
	EndsAt      int64
	At          int64
	CreatedAt   int64 `gorm:"autoCreateTime:false"`
	EventNumber int64
}

func (updateRow) TableName() string { return "updates" }

func rowOfUpdate(u notifier.Update, place int) (updateRow, error) {
	impact, err := json.Marshal(u.Impact)
	if err != nil {
		return updateRow{}, fmt.Errorf("write the impact: %w", err)
	}
	return updateRow{
		ID: u.ID, IncidentID: u.IncidentID, Place: place, Status: string(u.Status), Body: u.Body, Severity: int(u.Severity),
		Impact: string(impact), StartsAt: micros(u.StartsAt), EndsAt: micros(u.EndsAt), At: micros(u.At),
		CreatedAt: micros(u.CreatedAt), EventNumber: u.Event,
	}, nil
}

func (r updateRow) update() (notifier.Update, error) {
	u := notifier.Update{
		ID: r.ID, IncidentID: r.IncidentID, Status: notifier.Status(r.Status), Body: r.Body, Severity: notifier.Severity(r.Severity),
		StartsAt: instant(r.StartsAt), EndsAt: instant(r.EndsAt), At: instant(r.At), CreatedAt: instant(r.CreatedAt), Event: r.EventNumber,
	}
	if err := json.Unmarshal([]byte(r.Impact), &u.Impact); err != nil {
		return u, fmt.Errorf("read the impact of update %s: %w", r.ID, err)
	}
	return u, nil
}

type eventRow struct {
	Number     int64 `gorm:"primaryKey;autoIncrement:false"`
	ID         string
	Type       string
	Lane       int
	Kind       string
	Severity   int
	Components string
	IncidentID *string
	UpdateID   string
	Reader     int64
	NoticeID   string
	AcceptedAt int64
	ExpiresAt  int64
	ExpandedAt int64
	HeldUntil  int64
	Raised     bool
}

func (eventRow) TableName() string { return "events" }

func (r eventRow) event() (notifier.Event, error) {
	e := notifier.Event{
		Number: r.Number, ID: r.ID, Type: notifier.EventType(r.Type), Lane: notifier.Lane(r.Lane), Kind: notifier.Kind(r.Kind),
		Severity: notifier.Severity(r.Severity), UpdateID: r.UpdateID, Reader: r.Reader, NoticeID: r.NoticeID,
		AcceptedAt: instant(r.AcceptedAt), ExpiresAt: instant(r.ExpiresAt), ExpandedAt: instant(r.ExpandedAt), HeldUntil: instant(r.HeldUntil), Raised: r.Raised,
	}
	if r.IncidentID != nil {
		e.IncidentID = *r.IncidentID
	}
	if err := json.Unmarshal([]byte(r.Components), &e.Components); err != nil {
		return e, fmt.Errorf("read the components of event %d: %w", r.Number, err)
	}
	if len(e.Components) == 0 {
		e.Components = nil
	}
	return e, nil
}
