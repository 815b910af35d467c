package console_test

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

func TestAnAdminAddsAPersonByALinkAndEndsTheirSessionsWithTheirRole(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("ann", notifier.RoleAdmin))
		w.send("/console/staff", "/console/staff", "name", "Kari K", "role", "poster").is(http.StatusUnprocessableEntity, "a-z, 0-9")
		w.send("/console/staff", "/console/staff", "name", "ann", "role", "poster").is(http.StatusUnprocessableEntity, "already")
		made := w.send("/console/staff", "/console/staff", "name", "kari", "role", "poster").is(http.StatusOK, "A link for kari")
		link := regexp.MustCompile(`id="link">` + regexp.QuoteMeta(b.site.URL) + `(/console/set-up/[A-Za-z0-9_-]{43})<`).FindStringSubmatch(made.body)
		if link == nil {
			t.Fatalf("no link\n%s", made.body)
		}
		b.browser().get(link[1]).is(http.StatusOK, "kari")
		w.send("/console/staff", "/console/staff/kari/reset").is(http.StatusOK, "A link for kari")
		b.browser().get(link[1]).is(http.StatusNotFound)
		ola := b.enter(b.hire("ola", notifier.RoleApprover))
		w.send("/console/staff", "/console/staff/ola/role", "role", "king").is(http.StatusUnprocessableEntity)
		w.send("/console/staff", "/console/staff/ola/role", "role", "viewer").leads("/console/staff?done=role")
		ola.get("/console").leads("/console/sign-in")
		w.send("/console/staff", "/console/staff/ola/remove").leads("/console/staff?done=removed")
		for _, what := range []string{"role", "reset", "remove"} {
			w.send("/console/staff", "/console/staff/ann/"+what, "role", "viewer").is(http.StatusConflict, "yourself")
		}
	})
}

func TestATokenIsShownOnceAndRevoked(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	secret := regexp.MustCompile(`actk_[A-Za-z0-9_-]{43}`)
	if made := w.send("/console/tokens", "/console/tokens", "name", "monitor", "role", "poster").is(http.StatusOK); !secret.MatchString(made.body) {
		t.Errorf("no token\n%s", made.body)
	}
	if list := w.get("/console/tokens").is(http.StatusOK, "monitor"); secret.MatchString(list.body) {
		t.Error("it is shown again")
	}
	all, err := b.store.Tokens(t.Context())
	b.must(err)
	w.send("/console/tokens", "/console/tokens/"+all[0].ID+"/revoke").leads("/console/tokens?done=revoked")
	w.get("/console/tokens").is(http.StatusOK, "revoked")
	w.send("/console/tokens", "/console/tokens", "name", "", "role", "poster").is(http.StatusUnprocessableEntity, "1 to 80 characters")
}

func TestTheAuditSaysWhoDidWhatFromWhereAndHoldsNoSecret(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	b.hire("ann", notifier.RoleAdmin)
	w := b.browser()
	w.signIn("ann", password, b.code("ann")).leads("/console/queue")
	b.Advance(time.Second)
	w.send("/console/queue", "/console/queue/pause", "part", "lane bulk").leads("/console/queue?done=paused")
	w.get("/console/audit?action=queue.").is(http.StatusOK, "staff:ann", "192.0.2.0/24", "queue.pause", "lane bulk")
	w.get("/console/audit?actor=staff:ann&from=2000-01-01&until=2100-01-01").is(http.StatusOK, "session.begin", "queue.pause")
	w.get("/console/audit?from=yesterday").is(http.StatusUnprocessableEntity, "is no day")
	file := w.get("/console/audit.csv?action=queue.").is(http.StatusOK, "at,actor,network,action,subject,detail\n", ",staff:ann,192.0.2.0/24,queue.pause,lane bulk,")
	if file.header.Get("Content-Disposition") != `attachment; filename="audit.csv"` {
		t.Errorf("%v", file.header)
	}
	w.get("/console/audit?action=audit.export").is(http.StatusOK, "audit.export")
}
