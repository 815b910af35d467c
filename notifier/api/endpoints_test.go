package api_test

import (
	"fmt"
	"net/http"
	"testing"

	"allclear/notifier"
)

func (b *bench) hook(name string) string {
	b.t.Helper()
	return b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers",
		fmt.Sprintf(`{"channel":"webhook","address":"https://example.com/%s","contact":"ops@example.com","state":"active"}`, name)).text("id")
}

func TestTestsReplaysAndRecoveriesOfAnEndpointAreNotEndless(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		what, body string
		most       int
	}{{"test", "", 5}, {"recover", `{"since":"2000-01-01T00:00:00Z"}`, 5}, {"replay", `{"delivery":"1-1"}`, 30}} {
		id := b.hook(c.what)
		path := "/subscribers/" + id + "/" + c.what
		for i := range c.most {
			if got := b.as(notifier.RoleSender, http.MethodPost, path, c.body); got.status == http.StatusTooManyRequests {
				t.Fatalf("%s: refused at the %d. time", c.what, i+1)
			}
		}
		refused := b.as(notifier.RoleSender, http.MethodPost, path, c.body)
		refused.is(http.StatusTooManyRequests)
		if got := refused.header.Get("Retry-After"); got == "" || got == "0" {
			t.Errorf("%s: Retry-After %q", c.what, got)
		}
		b.as(notifier.RoleSender, http.MethodPost, "/subscribers/"+b.hook("other-"+c.what)+"/"+c.what, c.body).is(map[string]int{"test": 200, "recover": 202, "replay": 404}[c.what])
	}
}

func TestAnEndpointThatLeftIsNotTested(t *testing.T) {
	b := newBench(t)
	id := b.hook("left")
	b.as(notifier.RoleAdmin, http.MethodDelete, "/subscribers/"+id, "").is(http.StatusNoContent)
	b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers/"+id+"/test", "").is(http.StatusConflict)
}

func TestAnEndpointsTokenIsToldTheTruthWhereItMayNot(t *testing.T) {
	b := newBench(t)
	id, other := b.hook("mine"), b.hook("other")
	token := b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers/"+id+"/token", "").text("token")
	owner := http.Header{"Authorization": {"Bearer " + token}}
	b.raw(http.MethodGet, "/api/v1/subscribers/"+id+"/attempts", "", owner).is(http.StatusOK)
	b.raw(http.MethodGet, "/api/v1/subscribers", "", owner).problem(403, "", "an endpoint's own token is good for that endpoint's calls alone")
	b.raw(http.MethodDelete, "/api/v1/subscribers/"+id, "", owner).problem(403, "", "needs the role admin")
	b.raw(http.MethodGet, "/api/v1/subscribers/"+other+"/attempts", "", owner).is(http.StatusNotFound)
	owner.Set("Authorization", "Bearer "+token[:len(token)-1]+"_")
	b.raw(http.MethodGet, "/api/v1/subscribers", "", owner).problem(401, "", "token is not known")
}

func TestASecondRotationWithinTheOverlapHasToBeMeant(t *testing.T) {
	b := newBench(t)
	path := "/subscribers/" + b.hook("rotated") + "/rotate-secret"
	b.as(notifier.RoleAdmin, http.MethodPost, path, "").is(http.StatusOK)
	b.as(notifier.RoleAdmin, http.MethodPost, path, "").problem(409, "", "an earlier secret of this endpoint still signs, until")
	b.as(notifier.RoleAdmin, http.MethodPost, path, `{"again":true}`).is(http.StatusOK)
	b.as(notifier.RoleAdmin, http.MethodPost, path, `{"overlap_hours":0}`).is(http.StatusOK)
	b.as(notifier.RoleAdmin, http.MethodPost, path, "").is(http.StatusOK) // nothing signs beside the newest
}
