package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

func TestAnIncidentsPageSaysUntilWhenItIsHeldAndSendsItNow(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		d := b.desk()
		d.HoldDown = 10 * time.Minute
		p, err := notifier.Open(notifier.Announcement{Title: "Mail is slow", Severity: notifier.SeverityMinor}, d)
		b.must(err)
		p, err = b.store.OpenIncident(t.Context(), p)
		b.must(err)
		here := "/console/incidents/" + p.Incident.ID
		viewer := b.enter(b.hire("vera", notifier.RoleViewer))
		seen := viewer.get(here).is(http.StatusOK, "Held back", "Held until", "16:21 UTC", "Nobody was told yet")
		if strings.Contains(seen.body, "Send now") {
			t.Error("a viewer is offered to send it")
		}
		w := b.enter(b.hire("ann", notifier.RolePoster))
		w.get(here).is(http.StatusOK, "Send now")
		w.send(here, here+"/release").leads(here + "?done=released")
		after := w.get(here+"?done=released").is(http.StatusOK, "It goes out now")
		if strings.Contains(after.body, "Held until") {
			t.Error("it is said to be held still")
		}
		w.send(here, here+"/release").is(http.StatusConflict, "nothing of this incident is held back")
	})
}

func TestAnEventThatWasTakenBackWhileItWasHeldIsSaidToBe(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		d := b.desk()
		d.HoldDown = 10 * time.Minute
		p, err := notifier.Open(notifier.Announcement{Title: "Mail is slow"}, d)
		b.must(err)
		p, err = b.store.OpenIncident(t.Context(), p)
		b.must(err)
		_, err = b.store.ReviseIncident(t.Context(), p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Retract("", false, b.desk()) })
		b.must(err)
		b.enter(b.hire("ann", notifier.RolePoster)).get("/console/incidents/"+p.Incident.ID).is(http.StatusOK, "taken back while it was held")
	})
}
