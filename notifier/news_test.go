package notifier

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestThatThingsAreAsTheyWereToldIsNoNews(t *testing.T) {
	d := desk()
	for kind, end := range map[Kind]Status{KindIncident: Resolved, KindMaintenance: Completed} {
		starts := time.Time{}
		if kind == KindMaintenance {
			starts = d.Now.Add(time.Hour)
		}
		now := openedAt(t, Announcement{Title: "x", Kind: kind, StartsAt: starts, Components: []string{"a", "b"}}, d).Incident
		say := func(s Saying) error {
			p, err := now.Say(s, d)
			if err != nil {
				return err
			}
			if p.Event != nil {
				p.Update.Event = 7
			}
			now = p.Incident
			now.Updates = append(now.Updates, *p.Update)
			return nil
		}
		refused := func(s Saying) {
			t.Helper()
			var bad *Invalid
			if err := say(s); !errors.As(err, &bad) || bad.Field != "status" || !strings.Contains(bad.Message, "already") {
				t.Errorf("%s, %+v: %v", kind, s, err)
			}
		}
		taken := func(s Saying) {
			t.Helper()
			if err := say(s); err != nil {
				t.Errorf("%s, %+v: %v", kind, s, err)
			}
		}
		taken(Saying{Status: end, Quiet: true})
		refused(Saying{Status: end, Quiet: true})
		taken(Saying{Status: end}) // which nobody was told
		refused(Saying{Status: end})
		refused(Saying{Status: end, Severity: &now.Severity, Components: &[]string{"b", "a"}, StartsAt: &now.StartsAt, EndsAt: &now.EndsAt, Impact: &Impact{}})
		taken(Saying{Status: end, Body: "why"})
		taken(Saying{Status: end, Impact: &Impact{ErrorRate: ptr(0.5)}})
		refused(Saying{Status: end, Impact: &Impact{ErrorRate: ptr(0.5)}})
		taken(Saying{Status: Statuses(kind)[1]})
		taken(Saying{Status: end})
	}
}
