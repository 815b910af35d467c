package store

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"

	"allclear/notifier"
)

// Incident returns one incident with its updates, or ErrNotFound.
func (s *Store) Incident(ctx context.Context, id string) (notifier.Incident, error) {
	db := s.conn(ctx)
	var row incidentRow
	if err := db.Where("id = ?", id).Take(&row).Error; err != nil {
		return notifier.Incident{}, translate(fmt.Errorf("incident %q: %w", id, err))
	}
	found, err := fillIncidents(db, []incidentRow{row}, true)
	if err != nil {
		return notifier.Incident{}, translate(err)
	}
	return found[0], nil
}

// maxIncidents is the most that a page holds.
const maxIncidents = 200

// Incidents returns a page, newest first, and the cursor of the next one; "" is the end.
func (s *Store) Incidents(ctx context.Context, q notifier.IncidentQuery) ([]notifier.Incident, string, error) {
	db := s.conn(ctx)
	limit := between(q.Limit, 1, maxIncidents)
	find := db.Order("created_at DESC, id DESC").Limit(limit + 1)
	if q.Kind != "" {
		find = find.Where("kind = ?", string(q.Kind))
	}
	if q.State != "" {
		find = find.Where("state = ?", string(q.State))
	}
	if q.Open {
		find = find.Where("state = 'published' AND kind <> 'post' AND resolved_at = 0")
	}
	if !q.From.IsZero() {
		find = find.Where("opened_at >= ?", micros(q.From))
	}
	if !q.Until.IsZero() {
		find = find.Where("opened_at < ?", micros(q.Until))
	}
	if q.Cursor != "" {
		at, id, err := openCursor(q.Cursor)
		if err != nil {
			return nil, "", err
		}
		find = find.Where("(created_at, id) < (?, ?)", at, id)
	}
	var rows []incidentRow
	if err := find.Find(&rows).Error; err != nil {
		return nil, "", translate(fmt.Errorf("list incidents: %w", err))
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		next = cursor(rows[limit-1].CreatedAt, rows[limit-1].ID)
	}
	out, err := fillIncidents(db, rows, q.Updates)
	return out, next, translate(err)
}

// fillIncidents adds what other tables hold of incidents.
func fillIncidents(db *gorm.DB, rows []incidentRow, updates bool) ([]notifier.Incident, error) {
	out := make([]notifier.Incident, len(rows))
	ids := make([]string, len(rows))
	place := make(map[string]int, len(rows))
	for n, r := range rows {
		i, err := r.incident()
		if err != nil {
			return nil, err
		}
		out[n], ids[n], place[r.ID] = i, r.ID, n
	}
	if len(rows) == 0 {
		return out, nil
	}
	var named []incidentComponentRow
	if err := db.Where("incident_id IN ?", ids).Order("incident_id, place").Find(&named).Error; err != nil {
		return nil, fmt.Errorf("read the components of incidents: %w", err)
	}
	for _, c := range named {
		i := &out[place[c.IncidentID]]
		i.Components = append(i.Components, c.ComponentKey)
	}
	if !updates {
		return out, nil
	}
	var said []updateRow
	if err := db.Where("incident_id IN ?", ids).Order("incident_id, place").Find(&said).Error; err != nil {
		return nil, fmt.Errorf("read the updates of incidents: %w", err)
	}
	for _, r := range said {
		u, err := r.update()
		if err != nil {
			return nil, err
		}
		i := &out[place[r.IncidentID]]
		i.Updates = append(i.Updates, u)
	}
	return out, nil
}

// cursor names the last row of a page by its place in the order.
func cursor(n int64, text string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(n, 10) + " " + text))
}

// openCursor reads what cursor wrote; anything else is an *notifier.Invalid.
func openCursor(c string) (int64, string, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(c)
	number, text, ok := strings.Cut(string(raw), " ")
	n, numErr := strconv.ParseInt(number, 10, 64)
	if err != nil || !ok || numErr != nil || cursor(n, text) != c || !readable(text) {
		return 0, "", notifier.Invalidf("cursor", "is not one that a page of this list gave")
	}
	return n, text, nil
}

// readable reports whether both databases take text as a text.
func readable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// between keeps n in a range.
func between(n, least, most int) int { return max(least, min(n, most)) }
