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
