package console_test

import (
	"net/http"
	"strings"
	"testing"

	"allclear/notifier"
)

// stateOf is the state of a component as it is kept.
func (b *bench) stateOf(key string) notifier.ComponentState {
	b.t.Helper()
	all, err := b.store.Components(b.t.Context())
	b.must(err)
	for _, c := range all {
		if c.Key == key {
			return c.State
		}
	}
	b.t.Fatalf("there is no component %s", key)
	return ""
}

func TestWhoAnnouncesSaysHowAComponentDoesAndTheAuditKeepsWhoDid(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("pia", notifier.RolePoster))
		w.get("/console/components").is(http.StatusOK, "None yet", "allclear component add")
		for _, c := range []notifier.Component{{Key: "imap7", Name: "Reading <mail>", Group: "Mail"}, {Key: "web", Name: "Web site"}} {
			b.must(b.store.AddComponent(t.Context(), c))
		}
		w.get("/console/components").is(http.StatusOK, "Reading &lt;mail&gt;", "Web site", `<h2 dir="auto">Mail</h2>`, "partial outage")
		w.send("/console/components", "/console/components/imap7/state", "was", "operational", "state", "partial_outage").leads("/console/components?done=component")
		w.get("/console/components?done=component").is(http.StatusOK, "The state is set", `<span class="tag major">partial outage</span>`)
		if is, other := b.stateOf("imap7"), b.stateOf("web"); is != notifier.PartialOutage || other != notifier.Operational {
			t.Errorf("they are %s and %s", is, other)
		}
		log, _, err := b.store.AuditLog(t.Context(), notifier.AuditQuery{Action: "component.change", Limit: 5})
		b.must(err)
		if len(log) != 1 || log[0].Actor != "staff:pia" || log[0].Subject != "imap7" || log[0].Detail != "partial_outage" {
			t.Errorf("the audit has %+v", log)
		}
	})
}

func TestNobodySetsAComponentOverWhatSomebodyElseHasJustSet(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		b.must(b.store.AddComponent(t.Context(), notifier.Component{Key: "web", Name: "Web site"}))
		w := b.enter(b.hire("pia", notifier.RolePoster))
		set := func(was, state string) page {
			t.Helper()
			return w.send("/console/components", "/console/components/web/state", "was", was, "state", state)
		}
		set("operational", "major_outage").leads("/console/components?done=component")
		set("operational", "maintenance").is(http.StatusConflict, "Somebody has set Web site to major outage")
		set("operational", "major_outage").leads("/console/components?done=component") // as both of them found
		for _, state := range []string{"", "on fire"} {
			if got := set("major_outage", state); got.status != http.StatusUnprocessableEntity {
				t.Errorf("the state %q: %d", state, got.status)
			}
		}
		if is := b.stateOf("web"); is != notifier.MajorOutage {
			t.Errorf("it is %s", is)
		}
		if got := w.send("/console/components", "/console/components/nosuch/state", "was", "operational", "state", "degraded"); got.status != http.StatusNotFound {
			t.Errorf("one that is not there: %d", got.status)
		}
	})
}

func TestWhoOnlyLooksSeesHowComponentsDoAndNoForm(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		b.must(b.store.AddComponent(t.Context(), notifier.Component{Key: "web", Name: "Web site", State: notifier.Degraded}))
		w := b.enter(b.hire("vic", notifier.RoleViewer))
		if got := w.get("/console/components").is(http.StatusOK, "Web site", "degraded"); strings.Contains(got.body, "/state\"") {
			t.Error("a viewer has a form")
		}
		w.send("/console/account", "/console/components/web/state", "was", "degraded", "state", "operational").is(http.StatusForbidden)
	})
}
