package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"allclear/notifier"
)

// OpenIncident writes a new incident, its first update and its event in one
// transaction, and returns them with the event's number. A component that does
// not exist is an *notifier.Invalid that names its place.
func (s *Store) OpenIncident(ctx context.Context, p notifier.Posting) (notifier.Posting, error) {
	var out notifier.Posting
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if err := checkComponents(tx, p.Incident.Components); err != nil {
			return err
		}
		row, err := rowOfIncident(p.Incident)
		if err != nil {
			return err
		}
		if err := tx.Create(&row).Error; err != nil {
			return fmt.Errorf("open the incident: %w", err)
		}
		if err := nameComponents(tx, row.ID, p.Incident.Components); err != nil {
			return err
		}
		out, err = s.post(ctx, tx, "incident.open", nil, p)
		return err
	})
	return out, err
}

// ReviseIncident locks an incident and writes what change makes of it: the
// incident's own fields, an update, an event. change gets the incident with
// its updates and may be called again when the transaction is repeated.
func (s *Store) ReviseIncident(ctx context.Context, id string, change func(notifier.Incident) (notifier.Posting, error)) (notifier.Posting, error) {
	var out notifier.Posting
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		was, err := lockIncident(tx, id)
		if err != nil {
			return err
		}
		given := was
		given.Components, given.Updates = slices.Clone(was.Components), slices.Clone(was.Updates)
		if err := forgetUnsaid(tx, &given); err != nil {
			return err
		}
		p, err := change(given)
		if err != nil {
			return err
		}
		if p.Held != nil {
			out, err = s.hold(ctx, tx, was, p)
			return err
		}
		p.Incident.ID, p.Incident.Kind, p.Incident.CreatedAt = was.ID, was.Kind, was.CreatedAt
		if err := rewriteIncident(tx, was, p.Incident); err != nil {
			return err
		}
		before, err := amend(tx, was.Updates, p.Incident.Updates)
		if err != nil {
			return err
		}
		if p.Incident.Status.Final() && !was.Status.Final() {
			if err := s.shorten(tx, id); err != nil {
				return err
			}
		}
		if p.Released, err = s.settleHold(ctx, tx, id, p.HoldFate(was)); err != nil {
			return err
		}
		if err := regrade(tx, was, p); err != nil {
			return err
		}
		if p.Incident.State == notifier.Retracted && was.State != notifier.Retracted && p.Event == nil {
			if err := s.cancel(tx, id); err != nil {
				return err
			}
		}
		out, err = s.post(ctx, tx, revision(was, p), before, p)
		return err
	})
	return out, err
}

// amend gives updates that are there the times and severities that they have in changed.
func amend(tx *gorm.DB, there, changed []notifier.Update) ([]notifier.Update, error) {
	out := slices.Clone(there)
	for n := range out {
		if n >= len(changed) || changed[n].ID != out[n].ID || changed[n].At.Equal(out[n].At) && changed[n].Severity == out[n].Severity {
			continue
		}
		out[n].At, out[n].Severity = changed[n].At, changed[n].Severity
		if err := tx.Exec(`UPDATE updates SET at = ?, severity = ? WHERE id = ?`, micros(out[n].At), int(out[n].Severity), out[n].ID).Error; err != nil {
			return nil, fmt.Errorf("amend an update: %w", err)
		}
	}
	return out, nil
}

// regrade lets what is not handed out yet go by the severity as it was corrected.
func regrade(tx *gorm.DB, was notifier.Incident, p notifier.Posting) error {
	if p.Update != nil || p.Incident.Severity == was.Severity {
		return nil
	}
	return wrapped("correct the severity of what waits", tx.Exec(`UPDATE events SET severity = ? WHERE incident_id = ? AND expanded_at = 0 AND progress = 0`,
		int(p.Incident.Severity), was.ID).Error)
}

// revision is what the audit calls it.
func revision(was notifier.Incident, p notifier.Posting) string {
	switch {
	case was.State != p.Incident.State && p.Incident.State == notifier.Retracted:
		return "incident.retract"
	case was.State != p.Incident.State && p.Incident.State == notifier.Published:
		return "incident.publish"
	case p.Update != nil:
		return "incident.update"
	}
	return "incident.correct"
}

// post writes a posting's update and event behind what was said before.
func (s *Store) post(ctx context.Context, tx *gorm.DB, action string, before []notifier.Update, p notifier.Posting) (notifier.Posting, error) {
	detail := string(p.Incident.Status)
	if p.Event != nil {
		detail += " event " + p.Event.ID
	}
	if err := s.audit(ctx, tx, action, p.Incident.ID, detail); err != nil {
		return p, err
	}
	if err := s.planReminders(tx, p.Incident, p.Event != nil); err != nil {
		return p, err
	}
	p.Incident.Updates = slices.Clone(before)
	if p.Event != nil {
		e := *p.Event
		e.IncidentID = p.Incident.ID
		if err := s.accept(tx, &e); err != nil {
			return p, err
		}
		p.Event = &e
		if err := announce(tx, p.Incident.Updates, e); err != nil {
			return p, err
		}
	}
	// What is told now is told by how things stand now.
	accepted := int64(0)
	if p.Event != nil {
		accepted = p.Event.Number
	}
	if err := s.reckon(tx, accepted); err != nil {
		return p, err
	}
	if p.Update == nil {
		return p, nil
	}
	u := *p.Update
	u.IncidentID = p.Incident.ID
	if p.Event != nil && p.Event.UpdateID == u.ID {
		u.Event = p.Event.Number
	}
	row, err := rowOfUpdate(u, len(before)+1)
	if err != nil {
		return p, err
	}
	if err := tx.Create(&row).Error; err != nil {
		return p, fmt.Errorf("write the update: %w", err)
	}
	p.Update = &u
	p.Incident.Updates = append(p.Incident.Updates, u)
	return p, nil
}

// announce notes an event with the update it tells of, where that was there
// before. A corrected update stays where it is in the order in which things were told.
func announce(tx *gorm.DB, there []notifier.Update, e notifier.Event) error {
	n := slices.IndexFunc(there, func(u notifier.Update) bool { return u.ID == e.UpdateID })
	if n < 0 || e.Type == notifier.IncidentCorrected {
		return nil
	}
	there[n].Event = e.Number
	if err := tx.Exec(`UPDATE updates SET event_number = ? WHERE id = ?`, e.Number, e.UpdateID).Error; err != nil {
		return fmt.Errorf("note the event with the update: %w", err)
	}
	return nil
}

// shorten ends the life of everything an incident still has to say a day after
// its resolution was written down.
func (s *Store) shorten(tx *gorm.DB, incident string) error {
	end := micros(s.Now().Add(notifier.ResolvedLife))
	err := tx.Exec(`UPDATE events SET expires_at = ? WHERE incident_id = ? AND expires_at > ? AND accepted_at < ?`, end, incident, end, end).Error
	if err != nil {
		return fmt.Errorf("shorten the incident's events: %w", err)
	}
	return nil
}

func rewriteIncident(tx *gorm.DB, was, is notifier.Incident) error {
	row, err := rowOfIncident(is)
	if err != nil {
		return err
	}
	if err := tx.Model(&incidentRow{}).Where("id = ?", was.ID).Select("*").Updates(&row).Error; err != nil {
		return fmt.Errorf("change the incident: %w", err)
	}
	if slices.Equal(was.Components, is.Components) {
		return nil
	}
	if err := checkComponents(tx, is.Components); err != nil {
		return err
	}
	if err := tx.Exec(`DELETE FROM incident_components WHERE incident_id = ?`, was.ID).Error; err != nil {
		return fmt.Errorf("change the incident's components: %w", err)
	}
	return nameComponents(tx, was.ID, is.Components)
}

// CorrectUpdate changes the text or the time of one update; the event, if change
// answers one, tells of it. The incident's beginning and end follow the updates
// that set them.
func (s *Store) CorrectUpdate(ctx context.Context, incident, update string,
	change func(notifier.Incident, notifier.Update) (notifier.Update, *notifier.Event, error),
) (notifier.Update, error) {
	var out notifier.Update
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		inc, err := lockIncident(tx, incident)
		if err != nil {
			return err
		}
		n := slices.IndexFunc(inc.Updates, func(u notifier.Update) bool { return u.ID == update })
		if n < 0 {
			return fmt.Errorf("update %q: %w", update, notifier.ErrNotFound)
		}
		was := inc.Updates[n]
		var event *notifier.Event
		if out, event, err = change(inc, was); err != nil {
			return err
		}
		opened, resolved := inc.OpenedAt, inc.ResolvedAt
		if n == 0 {
			opened = out.At
		}
		if !resolved.IsZero() && resolved.Equal(was.At) && was.Status.Final() {
			resolved = out.At
		}
		if !resolved.IsZero() && resolved.Before(opened) {
			return notifier.Invalidf("at", "the incident would end (%s) before it began (%s)", resolved.Format(time.RFC3339), opened.Format(time.RFC3339))
		}
		if err := tx.Exec(`UPDATE updates SET body = ?, at = ? WHERE id = ?`, out.Body, micros(out.At), was.ID).Error; err != nil {
			return fmt.Errorf("correct the update: %w", err)
		}
		if err := tx.Exec(`UPDATE incidents SET opened_at = ?, resolved_at = ?, updated_at = ? WHERE id = ?`,
			micros(opened), micros(resolved), micros(s.Now()), incident).Error; err != nil {
			return fmt.Errorf("correct the incident: %w", err)
		}
		body, at := out.Body, out.At
		out = was
		out.Body, out.At = body, at
		detail := update
		if event != nil {
			e := *event
			e.IncidentID = incident
			if err := s.accept(tx, &e); err != nil {
				return err
			}
			detail += " event " + e.ID
		}
		return s.audit(ctx, tx, "update.correct", incident, detail)
	})
	return out, err
}

// lockIncident reads an incident with its updates, and keeps others from
// changing it until the transaction ends.
func lockIncident(tx *gorm.DB, id string) (notifier.Incident, error) {
	var row incidentRow
	if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("id = ?", id).Take(&row).Error; err != nil {
		return notifier.Incident{}, fmt.Errorf("incident %q: %w", id, err)
	}
	found, err := fillIncidents(tx, []incidentRow{row}, true)
	if err != nil {
		return notifier.Incident{}, err
	}
	return found[0], nil
}

// checkComponents reports the first key that is no component's.
func checkComponents(tx *gorm.DB, keys []string) error {
	unknown, err := unknownComponent(tx, keys)
	if err != nil || unknown < 0 {
		return err
	}
	return notifier.Invalidf("components["+strconv.Itoa(unknown)+"]", "there is no component %q", keys[unknown])
}

// unknownComponent is the place of the first key that is no component's; -1 if all are.
func unknownComponent(tx *gorm.DB, keys []string) (int, error) {
	there := map[string]bool{}
	for part := range slices.Chunk(keys, 500) {
		var found []string
		if err := tx.Raw(`SELECT key FROM components WHERE key IN ?`, part).Scan(&found).Error; err != nil {
			return 0, fmt.Errorf("look for components: %w", err)
		}
		for _, k := range found {
			there[k] = true
		}
	}
	return slices.IndexFunc(keys, func(k string) bool { return !there[k] }), nil
}

func nameComponents(tx *gorm.DB, incident string, keys []string) error {
	rows := make([]incidentComponentRow, len(keys))
	for i, k := range keys {
		rows[i] = incidentComponentRow{IncidentID: incident, ComponentKey: k, Place: i}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := tx.CreateInBatches(rows, 500).Error; err != nil {
		return fmt.Errorf("name the incident's components: %w", err)
	}
	return nil
}
