package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"allclear/notifier"
)

// An alert is locked by its row before anything about it is read: the incident
// that a report opens is committed together with the memory of that, and a twin
// of the report waits until then.

type alertRow struct {
	Source      string `gorm:"primaryKey"`
	Fingerprint string `gorm:"primaryKey"`
	State       string
	Severity    int
	IncidentID  *string
	SeenAt      int64
}

func (alertRow) TableName() string { return "alerts" }

type alertPartRow struct {
	Source      string `gorm:"primaryKey"`
	Fingerprint string `gorm:"primaryKey"`
	Part        string `gorm:"primaryKey"`
	StartsAt    int64
	EndsAt      int64
	SeenAt      int64
}

func (alertPartRow) TableName() string { return "alert_parts" }

type alertMessageRow struct {
	Source      string `gorm:"primaryKey"`
	Fingerprint string `gorm:"primaryKey"`
	Message     string `gorm:"primaryKey"`
	SeenAt      int64
}

func (alertMessageRow) TableName() string { return "alert_messages" }

// TakeReports does what monitors' reports ask for, in their order and in one
// transaction: all of it, or nothing. The same report again changes nothing,
// whoever sends it and when.
func (s *Store) TakeReports(ctx context.Context, reports []notifier.Report, desk notifier.Desk) ([]notifier.Taken, error) {
	var out []notifier.Taken
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		rows, err := s.lockAlerts(tx, reports)
		if err != nil {
			return err
		}
		out = make([]notifier.Taken, len(reports))
		for i := range reports {
			row := rows[alertKey(reports[i])]
			if out[i], err = s.takeReport(ctx, tx, row, &reports[i], desk); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func alertKey(r notifier.Report) [2]string { return [2]string{r.Source, r.Fingerprint} }

// lockAlerts locks the rows of all alerts that are reported, in the order of
// their keys, so that two requests cannot wait for each other.
func (s *Store) lockAlerts(tx *gorm.DB, reports []notifier.Report) (map[[2]string]*alertRow, error) {
	var keys [][2]string
	for _, r := range reports {
		if r.Source == "" || r.Fingerprint == "" {
			return nil, notifier.Invalidf("fingerprint", "must not be empty")
		}
		keys = append(keys, alertKey(r))
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	out := map[[2]string]*alertRow{}
	for _, key := range slices.Compact(keys) {
		row := &alertRow{}
		for row.Source == "" { // once, unless it was forgotten in between
			if err := tx.Exec(`INSERT INTO alerts (source, fingerprint, state, severity, seen_at) VALUES (?, ?, 'resolved', 0, ?) ON CONFLICT (source, fingerprint) DO NOTHING`,
				key[0], key[1], micros(s.Now())).Error; err != nil {
				return nil, fmt.Errorf("claim the alert: %w", err)
			}
			if err := tx.Raw(`SELECT source, fingerprint, state, severity, incident_id, seen_at FROM alerts WHERE source = ? AND fingerprint = ?`+s.forUpdate(),
				key[0], key[1]).Scan(row).Error; err != nil {
				return nil, fmt.Errorf("lock the alert: %w", err)
			}
		}
		out[key] = row
	}
	return out, nil
}

func (s *Store) takeReport(ctx context.Context, tx *gorm.DB, row *alertRow, r *notifier.Report, desk notifier.Desk) (notifier.Taken, error) {
	was, err := recall(tx, row, r)
	if err != nil {
		return notifier.Taken{}, err
	}
	var is *notifier.Incident
	if was.IncidentID != "" {
		found, err := lockIncident(tx, was.IncidentID)
		if err != nil {
			return notifier.Taken{}, err
		}
		is = &found
	}
	next, step := r.Weigh(was, is, desk)
	taken := notifier.Taken{Outcome: step.Outcome, Reason: step.Reason}
	if is != nil {
		taken.Incident = *is
	}
	if step.Outcome != notifier.ReportUnchanged {
		if err := s.carryOut(ctx, step, desk, &taken); err != nil {
			return taken, err
		}
		if err := s.audit(ctx, tx, "alert."+string(step.Outcome), taken.Incident.ID, r.Source+" "+notifier.Clip(r.Fingerprint)); err != nil {
			return taken, err
		}
	}
	next.IncidentID = taken.Incident.ID
	return taken, s.remember(tx, row, r, was, next)
}

// carryOut opens the incident and says the updates of a step.
func (s *Store) carryOut(ctx context.Context, step notifier.Step, desk notifier.Desk, taken *notifier.Taken) error {
	note := func(p notifier.Posting) {
		taken.Incident = p.Incident
		taken.Warnings = append(taken.Warnings, p.Warnings...)
		if p.Event != nil {
			taken.Events = append(taken.Events, *p.Event)
		}
	}
	if step.Open != nil {
		p, err := notifier.Open(*step.Open, desk)
		if err != nil {
			return err
		}
		if p, err = s.OpenIncident(ctx, p); err != nil {
			return err
		}
		note(p)
	}
	for _, say := range step.Say {
		if !taken.Incident.News(say) {
			continue
		}
		p, err := s.ReviseIncident(ctx, taken.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Say(say, desk) })
		if err != nil {
			return err
		}
		note(p)
	}
	return nil
}

// recall reads as much of the memory as the report can touch: what is wrong,
// and what the report names.
func recall(tx *gorm.DB, row *alertRow, r *notifier.Report) (notifier.Memory, error) {
	m := notifier.Memory{Severity: notifier.Severity(row.Severity), Spans: map[string]notifier.Span{}, Heard: map[string]bool{}}
	if row.IncidentID != nil {
		m.IncidentID = *row.IncidentID
	}
	var found []alertPartRow
	read := func(where string, args ...any) error {
		var some []alertPartRow
		err := tx.Where("source = ? AND fingerprint = ?", row.Source, row.Fingerprint).Where(where, args...).Find(&some).Error
		found = append(found, some...)
		return err
	}
	err := read("starts_at > ends_at")
	for part := range slices.Chunk(named(r), 500) {
		err = errors.Join(err, read("part IN ?", part))
	}
	for _, p := range found {
		m.Spans[p.Part] = notifier.Span{StartsAt: instant(p.StartsAt), EndsAt: instant(p.EndsAt)}
	}
	for part := range slices.Chunk(messages(r), 500) {
		var heard []string
		err = errors.Join(err, tx.Raw(`SELECT message FROM alert_messages WHERE source = ? AND fingerprint = ? AND message IN ?`, row.Source, row.Fingerprint, part).Scan(&heard).Error)
		for _, h := range heard {
			m.Heard[h] = true
		}
	}
	if err != nil {
		return m, fmt.Errorf("recall the alert: %w", err)
	}
	return m, nil
}

func named(r *notifier.Report) (out []string) {
	for _, a := range r.Alerts {
		out = append(out, a.Fingerprint)
	}
	return out
}

func messages(r *notifier.Report) (out []string) {
	if r.ID != "" {
		out = append(out, r.ID)
	}
	for _, n := range r.Notes {
		out = append(out, n.ID)
	}
	return out
}

// remember writes the memory, as far as it has changed or was spoken of.
func (s *Store) remember(tx *gorm.DB, row *alertRow, r *notifier.Report, was, next notifier.Memory) error {
	now := micros(s.Now())
	row.State, row.Severity, row.SeenAt = "resolved", int(next.Severity), now
	if next.Firing() {
		row.State = "firing"
	}
	if next.IncidentID != "" {
		row.IncidentID = &next.IncidentID
	}
	if err := tx.Model(&alertRow{}).Where("source = ? AND fingerprint = ?", row.Source, row.Fingerprint).
		Select("state", "severity", "incident_id", "seen_at").Updates(row).Error; err != nil {
		return fmt.Errorf("remember the alert: %w", err)
	}
	var parts []alertPartRow
	seen := map[string]bool{}
	for _, name := range named(r) {
		if span, ok := next.Spans[name]; ok && !seen[name] {
			seen[name] = true
			parts = append(parts, alertPartRow{row.Source, row.Fingerprint, name, micros(span.StartsAt), micros(span.EndsAt), now})
		}
	}
	if len(parts) > 0 {
		err := tx.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "source"}, {Name: "fingerprint"}, {Name: "part"}}, DoUpdates: clause.AssignmentColumns([]string{"starts_at", "ends_at", "seen_at"}),
		}).CreateInBatches(parts, 500).Error
		if err != nil {
			return fmt.Errorf("remember the alert's parts: %w", err)
		}
	}
	for name := range was.Spans {
		if _, there := next.Spans[name]; !there {
			if err := tx.Exec(`DELETE FROM alert_parts WHERE source = ? AND fingerprint = ? AND part = ?`, row.Source, row.Fingerprint, name).Error; err != nil {
				return fmt.Errorf("forget an alert's part: %w", err)
			}
		}
	}
	var heard []alertMessageRow
	for id := range next.Heard {
		if !was.Heard[id] {
			heard = append(heard, alertMessageRow{row.Source, row.Fingerprint, id, now})
		}
	}
	if len(heard) > 0 {
		if err := tx.CreateInBatches(heard, 500).Error; err != nil {
			return fmt.Errorf("remember what was heard: %w", err)
		}
	}
	return nil
}

// forgetAlerts forgets a few alerts, parts and messages that are over and were
// not spoken of since before. What is wrong is never forgotten.
func (s *Store) forgetAlerts(tx *gorm.DB, before time.Time, max int) error {
	for _, of := range []struct{ table, key, over string }{
		{"alert_messages", "source, fingerprint, message", ""},
		{"alert_parts", "source, fingerprint, part", " AND starts_at <= ends_at"},
		{"alerts", "source, fingerprint", " AND state = 'resolved'"},
	} {
		err := tx.Exec(`DELETE FROM `+of.table+` WHERE (`+of.key+`) IN (SELECT `+of.key+` FROM `+of.table+` WHERE seen_at < ?`+of.over+` ORDER BY seen_at LIMIT ?`+s.skipLocked()+`)`,
			micros(before), max).Error
		if err != nil {
			return fmt.Errorf("forget old %s: %w", of.table, err)
		}
	}
	return nil
}

// oldAlerts finds one thing that forgetAlerts would forget.
const oldAlerts = `SELECT count(*) FROM (SELECT 1 FROM alerts WHERE seen_at < ? AND state = 'resolved'
	UNION ALL SELECT 1 FROM alert_parts WHERE seen_at < ? AND starts_at <= ends_at
	UNION ALL SELECT 1 FROM alert_messages WHERE seen_at < ? LIMIT 1) AS one`
