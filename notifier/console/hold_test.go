package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/store/storetest"
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

func TestWhatWaitsForItsAllClearIsSaidSoBeforeAndAfterItIsPosted(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0], func(o *console.Options) { o.HoldDown = 5 * time.Minute })
	w := b.enter(b.hire("ann", notifier.RolePoster))
	const at, waits = "/console/incidents/new", "16:16 UTC</time>, unless it is over by then"
	post := func(at string, form []string, says string) string {
		t.Helper()
		shown := w.send(at, at, append(form, "do", "preview")...).is(http.StatusOK, "As readers will get it", says)
		if says == "" && strings.Contains(shown.body, "unless it is over") {
			t.Errorf("%v is said to wait", form)
		}
		once, seen := marks(shown)
		to := w.send(at, at, append(form, "do", "post", "once", once, "seen", seen)...).is(http.StatusSeeOther).header.Get("Location")
		return to
	}
	form := func(severity string, more ...string) []string {
		return append([]string{"kind", "incident", "title", "Mail is slow", "severity", severity, "body", "x"}, more...)
	}
	for severity, done := range map[string]string{"minor": "held", "critical": "posted"} {
		says := map[string]string{"held": waits}[done]
		if to := post(at, form(severity), says); !strings.HasSuffix(to, "?done="+done) {
			t.Errorf("%s leads to %s", severity, to)
		} else if here, _, _ := strings.Cut(to, "?"); done == "held" {
			w.get(to).is(http.StatusOK, "Posted, and held back", "Held until", "16:16 UTC", "Send now")
			update := func(severity, status string, more ...string) []string {
				return append([]string{"known", known(w.get(here + "/update")), "severity", severity, "status", status, "body", "y"}, more...)
			}
			say := here + "/update"
			w.send(say, say, append(update("critical", "identified"), "do", "preview")...).is(http.StatusOK, "it goes out at once, with what was held back, as one message")
			w.send(say, say, append(update("minor", "resolved", "quiet", "1"), "do", "preview")...).is(http.StatusOK, "is held back is told to nobody")
			if to := post(say, update("minor", "identified"), "this goes out with what is held back, at"); !strings.HasSuffix(to, "?done=held") {
				t.Errorf("an update leads to %s", to)
			}
			if to := post(say, update("minor", "resolved"), "as one message"); !strings.HasSuffix(to, "?done=posted") {
				t.Errorf("the all-clear leads to %s", to)
			}
		}
	}
	if to := post(at, form("minor", "quiet", "1"), ""); !strings.HasSuffix(to, "?done=published") {
		t.Errorf("what nobody is told of leads to %s", to)
	}
	draft := w.send(at, at, append(form("minor"), "do", "draft")...).header.Get("Location")
	here, _, _ := strings.Cut(draft, "?")
	w.get(draft).is(http.StatusOK, waits)
	w.send(here, here+"/publish", "do", "tell", "version", w.field(here, version)).leads(here + "?done=held")
}
