package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

func TestEverybodySeesWhatIsWrongWithTheServiceSinceWhenAndWhoWasTold(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("kari", notifier.RoleViewer))
		w.get("/console").is(http.StatusOK, "Nobody is told of trouble", "ALLCLEAR_ALERT")
		relay := notifier.Trouble{Key: "relay:a:25", About: "relay:a:25", Title: "Relay a:25 is down", Ended: "relay a:25 works again", URL: b.site.URL + "/console/queue", Since: b.Now()}
		b.must(b.store.NoteTroubles(t.Context(), []notifier.Trouble{relay}))
		w.get("/console").is(http.StatusOK, "Relay a:25 is down", "lasts", "nobody was told yet")
		told := func() {
			t.Helper()
			due, err := b.store.TakeAlarms(t.Context(), true)
			b.must(err)
			if len(due) != 1 {
				t.Fatalf("%+v", due)
			}
			due[0].To = []string{"endpoint 1"}
			b.must(b.store.AlarmTold(t.Context(), due[0]))
		}
		told()
		w.get("/console").is(http.StatusOK, "to endpoint 1")
		b.Advance(notifier.AlarmCalm + time.Second)
		told()
		w.get("/console").is(http.StatusOK, "Relay a:25 is down", ">over<")
	})
}

func TestEverybodySeesWhoWasLetInForSomeDays(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w, ann := b.enter(b.hire("kari", notifier.RoleViewer)), b.enter(b.hire("ann", notifier.RoleAdmin))
		ann.send("/console/staff", "/console/staff", "name", "ann.two", "role", "viewer").is(http.StatusOK)
		ann.send("/console/staff", "/console/staff/ann.two/role", "role", "approver").leads("/console/staff?done=role")
		w.get("/console").is(http.StatusOK, "staff:ann added ann.two to the staff, with the role viewer", "staff:ann gave ann.two the role approver")
		for range 25 { // nothing else that is done to the staff hides it
			b.must(b.store.Audit(t.Context(), "staff.recovery", "x", ""))
		}
		w.get("/console").is(http.StatusOK, "staff:ann added ann.two to the staff, with the role viewer")
		b.Advance(4 * 24 * time.Hour)
		if later := b.enter(b.hire("ola", notifier.RoleViewer)).get("/console").is(http.StatusOK); strings.Contains(later.body, "gave ann.two the role") {
			t.Error("it stands there for ever")
		}
	})
}
