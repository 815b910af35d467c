package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"allclear/notifier"
)

// calendar is every maintenance as an event (RFC 5545), for calendar programs
// that ask again and again. They know an event by its UID, and a newer version
// of it by its SEQUENCE.
func (s *site) calendar(r *http.Request) (answer, error) {
	return s.forPrograms(r, "maintenance.ics", func(ctx context.Context, lang string) (leaf, error) {
		work, changed, err := s.announced(ctx, notifier.IncidentQuery{Kind: notifier.KindMaintenance, Limit: 200})
		if err != nil {
			return leaf{}, err
		}
		parts, err := s.posts.Components(ctx)
		if err != nil {
			return leaf{}, err
		}
		f, err := s.pages.Feed(lang, work, parts)
		if err != nil {
			return leaf{}, err
		}
		cal := ics.NewCalendar()
		cal.SetProductId("-//allclear//maintenance//" + strings.ToUpper(f.Lang))
		cal.SetCalscale("GREGORIAN")
		cal.SetName(f.Plans)
		cal.SetUrl(f.Home)
		cal.SetRefreshInterval("PT1H") // the library adds its value type
		cal.SetXPublishedTTL("PT1H")
		for n, i := range work {
			e := f.Entries[n]
			event := cal.AddEvent(e.ID)
			event.SetSequence(sequence(i))
			event.SetDtStampTime(i.UpdatedAt)
			event.SetCreatedTime(i.CreatedAt)
			event.SetModifiedAt(i.UpdatedAt)
			event.SetStartAt(i.StartsAt)
			if !i.EndsAt.IsZero() {
				event.SetEndAt(i.EndsAt)
			}
			event.SetSummary(i.Title)
			event.SetURL(e.URL)
			event.SetStatus(ics.ObjectStatusConfirmed)
			if i.State == notifier.Retracted {
				event.SetStatus(ics.ObjectStatusCancelled)
			}
			event.SetTimeTransparency(ics.TransparencyTransparent) // it takes nobody's time
			for _, t := range e.Tags {
				event.AddCategory(t)
			}
			if last := len(e.Updates) - 1; last >= 0 {
				event.SetDescription(strings.TrimSpace(e.State + "\n\n" + e.Updates[last].Text))
			}
		}
		// By itself the library ends lines as the machine does.
		l := newLeaf([]byte(cal.Serialize(ics.WithNewLineWindows)), "text/calendar; charset=utf-8")
		l.lang = f.Lang
		return s.dated(l, changed, parts), nil
	})
}

// sequence rises with every change: by the seconds since the maintenance was
// written down, and by the updates, of which there may be two within a second.
func sequence(i notifier.Incident) int {
	return int(i.UpdatedAt.Sub(i.CreatedAt)/time.Second) + max(len(i.Updates)-1, 0)
}
