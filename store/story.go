package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// Story returns everything there is to tell of an event, as it was when the
// event happened: later updates are left out, and so is what they changed. A
// correction shows, because nobody should be sent what was found wrong. Of who
// is asked to confirm that they follow one incident it is that one's id and title.
func (s *Store) Story(ctx context.Context, number int64) (notifier.Story, error) {
	return s.story(ctx, number, nil)
}

// story is an event's, after extend changed the event by how its incident is now.
func (s *Store) story(ctx context.Context, number int64, extend func(*notifier.Incident, *notifier.Event)) (notifier.Story, error) {
	db := s.conn(ctx)
	var row eventRow
	if err := db.Where("number = ?", number).Take(&row).Error; err != nil {
		return notifier.Story{}, translate(fmt.Errorf("event %d: %w", number, err))
	}
	e, err := row.event()
	if err != nil {
		return notifier.Story{}, err
	}
	out := notifier.Story{Event: e}
	if e.NoticeID != "" {
		c, err := takeNotice(db, e.NoticeID)
		out.Notice = c.Notice
		return out, translate(err)
	}
	if e.Type == notifier.DigestDue {
		out.Digest.Digest, err = digestHead(db, number)
		return out, translate(err)
	}
	if e.IncidentID == "" {
		if e.Type.Personal() {
			if out.Endpoint, err = s.endpointNews(db, e.Reader); err != nil {
				return out, err
			}
		}
		if e.Type == notifier.SubscriberLink {
			var first []string
			if err := db.Raw(`SELECT f.address FROM subscribers AS z JOIN subscribers AS f ON f.number = z.second_of WHERE z.second_of > 0 AND z.number = ?`, e.Reader).Scan(&first).Error; err != nil {
				return out, translate(fmt.Errorf("look whose second address it is: %w", err))
			}
			if len(first) > 0 {
				out.First = subscribers.Veil(first[0])
			}
		}
		if e.Type == notifier.SubscriberConfirm {
			if err := db.Raw(`SELECT NOT EXISTS (SELECT 1 FROM consents AS c WHERE c.subscriber = s.number AND c.step = ?) FROM subscribers AS s WHERE s.number = ? AND s.channel = ?`,
				subscribers.StepAsked, e.Reader, string(notifier.SMS)).Scan(&out.Unasked).Error; err != nil {
				return out, translate(fmt.Errorf("look who asked: %w", err))
			}
			err = db.Raw(`SELECT i.id, i.title FROM subscribers AS s JOIN incidents AS i ON i.id = s.incident WHERE s.number = ?`, e.Reader).
				Row().Scan(&out.Incident.ID, &out.Incident.Title)
			if errors.Is(err, sql.ErrNoRows) {
				err = nil
			}
		}
		return out, translate(err)
	}
	if out.Incident, err = s.Incident(ctx, e.IncidentID); err != nil {
		return out, err
	}
	if extend != nil {
		extend(&out.Incident, &out.Event)
		e = out.Event
	}
	asOf(&out.Incident, e)
	if out.Previous, err = previous(db, e); err != nil {
		return out, translate(err)
	}
	out.Components, err = componentNames(db, out.Incident.Components)
	return out, translate(err)
}

// asOf takes away what was said after the event.
func asOf(i *notifier.Incident, e notifier.Event) {
	end := len(i.Updates)
	for n, u := range i.Updates {
		if e.Type == notifier.IncidentCorrected { // its update is an old one, and what was said since stands
			if u.Event > e.Number || u.CreatedAt.After(e.AcceptedAt) {
				end = n
				break
			}
			continue
		}
		if u.ID == e.UpdateID {
			end = n + 1
			break
		}
		if u.Event > e.Number {
			end = n
			break
		}
	}
	i.Impact = i.ImpactThen(end)
	later := i.Updates[end:]
	i.Updates = slices.Clone(i.Updates[:end])
	if i.State == notifier.Retracted && e.Type != notifier.IncidentRetracted {
		i.State = notifier.Published
	}
	if len(later) == 0 || end == 0 {
		return
	}
	last := i.Updates[end-1]
	i.Components = slices.Clone(e.Components)
	i.Status, i.Severity, i.StartsAt, i.EndsAt = last.Status, last.Severity, last.StartsAt, last.EndsAt
	i.UpdatedAt = last.CreatedAt
	if !i.Status.Final() {
		i.ResolvedAt = time.Time{}
	}
}

func previous(db *gorm.DB, e notifier.Event) ([]notifier.Event, error) {
	var rows []eventRow
	if err := db.Where("incident_id = ? AND number < ?", e.IncidentID, e.Number).Order("number").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read earlier events: %w", err)
	}
	out := make([]notifier.Event, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = r.event(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func componentNames(db *gorm.DB, keys []string) (map[string]string, error) {
	out := make(map[string]string, len(keys))
	for part := range slices.Chunk(keys, 500) {
		var rows []componentRow
		if err := db.Where("key IN ?", part).Find(&rows).Error; err != nil {
			return nil, fmt.Errorf("read the names of components: %w", err)
		}
		for _, r := range rows {
			out[r.Key] = r.Name
		}
	}
	return out, nil
}
