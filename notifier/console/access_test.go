package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/store/storetest"
)

// fillIn makes a path of a route's.
func fillIn(path string) string {
	return strings.NewReplacer("{$}", "", "{token}", "nosuch", "{id}", "nosuch", "{uid}", "nosuch", "{name}", "nobody", "{key}", "nosuch").Replace(path)
}

func TestEveryRouteNeedsTheRoleThatTheTableNamesAndNobodyGetsInWithoutASession(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	people := map[notifier.Role]*browser{}
	tokens := map[notifier.Role]string{}
	for _, role := range notifier.Roles {
		w := b.enter(b.hire("the-"+string(role), role))
		people[role], tokens[role] = w, w.token("/console/account")
	}
	outside := b.browser()
	open := 0
	for _, r := range console.Routes() {
		path := fillIn(r.Path)
		if r.Role == "" {
			open++
			continue
		}
		got := outside.do(r.Method, path, map[string]url.Values{http.MethodPost: {"form": {"x"}}}[r.Method])
		if r.Method == http.MethodGet && (got.status != http.StatusSeeOther || !strings.HasPrefix(got.header.Get("Location"), "/console/sign-in")) ||
			r.Method == http.MethodPost && (got.status != http.StatusForbidden || !strings.Contains(got.body, "not signed in")) {
			t.Errorf("%s %s without a session: %d\n%s", r.Method, path, got.status, got.body)
		}
		for _, has := range notifier.Roles {
			if path == "/console/sign-out" {
				continue // it would end the test's session
			}
			var form url.Values
			upload := strings.HasSuffix(path, "/audience") || r.Method == http.MethodPost && strings.HasSuffix(path, "/import")
			if r.Method == http.MethodPost {
				form = url.Values{"form": {tokens[has]}}
				if forged := people[has].do(r.Method, path, url.Values{"form": {"forged"}}); !upload && forged.status != http.StatusForbidden {
					t.Errorf("%s %s as %s with a form that is not theirs: %d", r.Method, path, has, forged.status)
				}
				if foreign := people[has].do(r.Method, path, form, "Sec-Fetch-Site", "cross-site"); foreign.status != http.StatusForbidden {
					t.Errorf("%s %s as %s from another site: %d", r.Method, path, has, foreign.status)
				}
			}
			got := people[has].do(r.Method, path, form)
			if upload && has.Can(r.Role) { // not such a form; see the test of uploads
				if got.status != http.StatusBadRequest {
					t.Errorf("%s %s as %s: %d", r.Method, path, has, got.status)
				}
				continue
			}
			if may := has.Can(r.Role); may == (got.status == http.StatusForbidden) {
				t.Errorf("%s %s as %s: %d, the table says %s\n%s", r.Method, path, has, got.status, r.Role, got.body)
			}
			if got.status == http.StatusInternalServerError {
				t.Errorf("%s %s as %s: %s\n%s", r.Method, path, has, got.body, b.log.String())
			}
		}
	}
	if open != 4 {
		t.Errorf("%d routes are open to everybody", open)
	}
}

func TestWhatIsNotThereIsNotToldToWhoeverIsOutside(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	b.browser().get("/console/nosuch").leads("/console/sign-in?to=%2Fconsole%2Fnosuch")
	b.enter(b.hire("ann", notifier.RoleAdmin)).get("/console/nosuch").is(http.StatusNotFound, "Not there")
}

func TestEveryPageIsKeptByNobodyAndRunsUnderAStrictPolicy(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	for _, path := range []string{"/console", "/console/sign-in?x", "/console/account", "/console/incidents/new", "/console/nosuch"} {
		h := w.get(path).header
		policy := h.Get("Content-Security-Policy")
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'; script-src 'self';") ||
			!strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestAPersonOfTheStaffCanActOnNobodyElsesSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		ann, kari := b.hire("ann", notifier.RoleAdmin), b.hire("kari", notifier.RoleViewer)
		hers, other := b.enter(ann), b.enter(kari)
		all, err := b.store.Sessions(t.Context(), ann.ID)
		b.must(err)
		other.send("/console/account", "/console/account/sessions/end", "session", all[0].ID).is(http.StatusNotFound)
		hers.get("/console").is(http.StatusOK)
		theirs, err := b.store.Sessions(t.Context(), kari.ID)
		b.must(err)
		hers.send("/console/staff", "/console/staff/sessions/end", "session", theirs[0].ID).leads("/console/staff?done=session")
		other.get("/console").leads("/console/sign-in")
	})
}

func TestAMethodThatIsNotPossibleNamesTheRightOnes(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	got := b.enter(b.hire("ann", notifier.RoleAdmin)).do(http.MethodDelete, "/console/incidents/new", nil).is(http.StatusMethodNotAllowed)
	if got.header.Get("Allow") != "GET, POST" {
		t.Errorf("Allow %q", got.header.Get("Allow"))
	}
}

func TestWhoeverAsksForTheHeadOfAFileOrOfNewsGetsThatAlone(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	for _, path := range []string{"/console/audit.csv", "/console/notices/nosuch/live"} {
		if got := w.do(http.MethodHead, path, nil).is(http.StatusOK); got.body != "" {
			t.Errorf("%s: %q", path, got.body)
		}
	}
	b.browser().do(http.MethodHead, "/console/audit.csv", nil).is(http.StatusSeeOther)
	w.get("/console/audit?action=audit.").is(http.StatusOK, "Nothing was done that fits")
}
