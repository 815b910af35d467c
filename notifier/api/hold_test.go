package api_test

import (
	"net/http"
	"testing"
	"time"

	"allclear/notifier"
)

// held opens an incident whose first news is held down.
func (b *bench) held(title string) notifier.Posting {
	b.t.Helper()
	n := 0
	desk := notifier.Desk{Now: clock(), Zone: time.UTC, HoldDown: 10 * time.Minute, NewID: func() string { n++; return title + string(rune('a'+n)) }}
	p, err := notifier.Open(notifier.Announcement{Title: title, Severity: notifier.SeverityMajor}, desk)
	if err == nil {
		p, err = b.store.OpenIncident(b.t.Context(), p)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func TestAnEventThatIsHeldDownSaysUntilWhenAndIsSentNowWhereThatIsAskedFor(t *testing.T) {
	b := newBench(t)
	p := b.held("x")
	event := b.as(notifier.RoleViewer, http.MethodGet, "/events/"+p.Event.ID, "").is(http.StatusOK)
	if event.text("state") != "expanding" || event.text("held_until") != "2026-11-23T16:21:00.123456Z" || event.field("total") != 0.0 || event.field("first_sent_at") != nil {
		t.Errorf("event %s", event.body)
	}
	// So says the incident, wherever it is shown, and the queue.
	until := func(want any) {
		t.Helper()
		here := "/incidents/" + p.Incident.ID
		list := b.as(notifier.RoleViewer, http.MethodGet, "/incidents", "").is(http.StatusOK).field("items").([]any)
		update := b.as(notifier.RolePoster, http.MethodPost, here+"/updates", `{"body":"more","notify":false}`).is(http.StatusCreated)
		said := []any{
			update.field("held_until"), b.as(notifier.RolePoster, http.MethodPatch, here+"/updates/"+update.text("id"), `{"body":"more of it"}`).is(http.StatusOK).field("held_until"),
			b.as(notifier.RoleViewer, http.MethodGet, here, "").is(http.StatusOK).field("held_until"),
			b.as(notifier.RolePoster, http.MethodPatch, here, `{"title":"x y"}`).is(http.StatusOK).field("held_until"), list[0].(map[string]any)["held_until"],
		}
		for n, got := range said {
			if got != want {
				t.Errorf("%d: held until %v, want %v", n, got, want)
			}
		}
		if holds := b.as(notifier.RoleViewer, http.MethodGet, "/queue", "").is(http.StatusOK).field("holds").([]any); len(holds) == 1 != (want != nil) {
			t.Errorf("the queue says %v", holds)
		}
	}
	until("2026-11-23T16:21:00.123456Z")
	path := "/incidents/" + p.Incident.ID + "/release"
	b.as(notifier.RoleViewer, http.MethodPost, path, "").is(http.StatusForbidden)
	b.as(notifier.RolePoster, http.MethodPost, path, `{"x":1}`).is(http.StatusUnprocessableEntity)
	b.as(notifier.RolePoster, http.MethodPost, path, "").is(http.StatusNoContent)
	b.as(notifier.RolePoster, http.MethodPost, path, "").is(http.StatusConflict)
	b.as(notifier.RolePoster, http.MethodPost, "/incidents/none/release", "").is(http.StatusNotFound)
	until(nil)
	if s, err := b.store.ExpandSlice(t.Context(), 10); err != nil || s.Event != p.Event.Number || !s.Complete {
		t.Errorf("%+v, %v", s, err)
	}
	if event = b.as(notifier.RoleViewer, http.MethodGet, "/events/"+p.Event.ID, "").is(http.StatusOK); event.field("held_until") != nil || event.text("state") != "done" || event.field("unsaid") != false {
		t.Errorf("afterwards: %s", event.body)
	}
	taken := b.held("y")
	b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+taken.Incident.ID+"/updates", `{"status":"resolved","notify":false}`).is(http.StatusCreated)
	if event = b.as(notifier.RoleViewer, http.MethodGet, "/events/"+taken.Event.ID, "").is(http.StatusOK); event.field("unsaid") != true || event.text("state") != "done" {
		t.Errorf("what was taken back: %s", event.body)
	}
}

func TestWhatIsCommittedIsNotAnsweredWithAnErrorOfALaterQuestion(t *testing.T) {
	b := newBench(t)
	p := b.held("x")
	b.store.unheld = notifier.ErrUnavailable
	here := "/incidents/" + p.Incident.ID + "/updates"
	update := b.as(notifier.RolePoster, http.MethodPost, here, `{"body":"more","notify":false}`).is(http.StatusCreated)
	b.as(notifier.RolePoster, http.MethodPatch, here+"/"+update.text("id"), `{"body":"more of it"}`).is(http.StatusOK)
}
