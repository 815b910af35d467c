package api_test

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

// deliver expands everything and settles it: what settle says for each
// delivery, in the order they were claimed.
func (b *bench) deliver(settle func(n int, d notifier.Delivery) notifier.Settlement) {
	b.t.Helper()
	ctx := b.t.Context()
	for more := true; more; {
		var err error
		if more, err = b.store.TendNotices(ctx); err != nil {
			b.t.Fatal(err)
		}
	}
	for {
		slice, err := b.store.ExpandSlice(ctx, 2000)
		if err != nil {
			b.t.Fatal(err)
		}
		if slice.Idle {
			break
		}
	}
	var claimed []notifier.Delivery
	for _, channel := range []notifier.Channel{notifier.Email, notifier.Webhook} {
		some, err := b.store.Claim(ctx, notifier.Claim{Worker: "w", Channel: channel, Lanes: notifier.Lanes, Limit: 100, Lease: time.Minute})
		if err != nil {
			b.t.Fatal(err)
		}
		claimed = append(claimed, some...)
	}
	var batch []notifier.Settlement
	for n, d := range claimed {
		s := settle(n, d)
		s.ID, s.Worker, s.At = d.ID, "w", clock()
		batch = append(batch, s)
	}
	if err := b.store.Settle(ctx, batch); err != nil {
		b.t.Fatal(err)
	}
}

func taken(int, notifier.Delivery) notifier.Settlement {
	return notifier.Settlement{State: notifier.Sent, Tried: true, Receipt: notifier.Receipt{Relay: "relay-1", Reply: "250 ok", Remote: "Q1"}}
}

func TestAnEventTellsHowFarItCame(t *testing.T) {
	b := newBench(t)
	for n := range 3 {
		b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", fmt.Sprintf(`{"address":"reader%d@example.com","state":"active"}`, n)).is(http.StatusCreated)
	}
	event := b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"Mail is late"}`).is(http.StatusCreated).text("event_id")
	b.deliver(func(n int, d notifier.Delivery) notifier.Settlement {
		if n == 0 {
			return notifier.Settlement{State: notifier.Failed, Tried: true, Charged: true, Receipt: notifier.Receipt{Relay: "relay-1", Reply: "550 5.1.1 no such user"}}
		}
		return taken(n, d)
	})
	got := b.as(notifier.RoleViewer, http.MethodGet, "/events/"+event, "").is(http.StatusOK)
	for path, want := range map[string]any{
		"id": event, "type": "incident.created", "state": "done", "total": 3.0, "tried": 3.0, "counts.sent": 2.0, "counts.failed": 1.0, "counts.pending": 0.0,
		"accepted_at": "2026-11-23T16:11:00.123456Z", "first_sent_at": "2026-11-23T16:11:00.123456Z",
	} {
		if v := got.field(path); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}

	list := b.as(notifier.RoleSender, http.MethodGet, "/deliveries?event="+event+"&state=failed", "").is(http.StatusOK)
	if len(list.field("items").([]any)) != 1 || list.text("items.0.reply") != "550 5.1.1 no such user" || list.text("items.0.event_id") != event ||
		list.text("items.0.lane") != "incident" || list.field("items.0.due_at") != nil {
		t.Errorf("failed: %s", list.body)
	}
	who := list.text("items.0.address")
	mine := b.as(notifier.RoleSender, http.MethodGet, "/deliveries?address="+who, "").is(http.StatusOK)
	if mine.text("items.0.id") != list.text("items.0.id") || mine.text("items.0.event_id") != event {
		t.Errorf("by address: %s", mine.body)
	}
	if got := b.as(notifier.RoleViewer, http.MethodGet, "/subscribers/"+list.text("items.0.subscriber_id"), ""); got.status != http.StatusForbidden {
		t.Errorf("a viewer saw %s", got.body)
	}

	if got := b.as(notifier.RolePoster, http.MethodPost, "/events/"+event+"/retry-failed", "").is(http.StatusAccepted); got.field("retried") != 1.0 {
		t.Errorf("retried %s", got.body)
	}
	queue := b.as(notifier.RoleViewer, http.MethodGet, "/queue", "").is(http.StatusOK)
	if queue.field("depths.0.pending") != 1.0 || queue.text("depths.0.lane") != "incident" {
		t.Errorf("queue %s", queue.body)
	}
	b.deliver(taken)
	if got := b.as(notifier.RoleViewer, http.MethodGet, "/events/"+event, ""); got.field("counts.sent") != 3.0 || got.field("counts.failed") != 0.0 {
		t.Errorf("after the retry: %s", got.body)
	}
}

func TestOneDeliveryIsTriedAgain(t *testing.T) {
	b := newBench(t)
	b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"ann@example.com","state":"active"}`).is(http.StatusCreated)
	b.incident(`{"title":"Mail is late"}`)
	b.deliver(func(int, notifier.Delivery) notifier.Settlement {
		return notifier.Settlement{State: notifier.Failed, Tried: true, Charged: true}
	})
	id := b.as(notifier.RoleSender, http.MethodGet, "/deliveries", "").is(http.StatusOK).text("items.0.id")
	b.as(notifier.RoleSender, http.MethodPost, "/deliveries/"+id+"/retry", "{}").is(http.StatusAccepted)
	if got := b.as(notifier.RoleSender, http.MethodGet, "/deliveries", ""); got.text("items.0.state") != "pending" {
		t.Errorf("delivery %s", got.body)
	}
	b.as(notifier.RoleSender, http.MethodPost, "/deliveries/999-999/retry", "").problem(404, "", "")
	b.as(notifier.RoleSender, http.MethodPost, "/deliveries/"+id+"/retry", `{"now":true}`).problem(422, "now", "is not a known field")
}

func TestEveryCallOfTheDocumentWorksOnBothDatabases(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) { everyCall(benchOn(t, open)) })
}

// everyStep sends notices and does all that one can do about them then.
func everyStep(b *bench) {
	as := func(method, path, body string) {
		b.t.Helper()
		if got := b.as(notifier.RoleAdmin, method, path, body); got.status >= 300 {
			b.t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
		}
	}
	sent := b.notice(`{"title":"x","template":"blank","body":"y","approvals":1}`, "email,x\nann@example.com,1\n")
	as(http.MethodPost, "/notices/"+sent+"/send", `{"expect":1,"canary":0}`)
	b.as(notifier.RoleApprover, http.MethodPost, "/notices/"+sent+"/approve", `{}`).is(http.StatusAccepted)
	for _, step := range []string{"pause", "resume", "retry-failed", "cancel"} {
		as(http.MethodPost, "/notices/"+sent+"/"+step, "")
	}
	incident := b.incident(`{"title":"x"}`)
	held := b.notice(`{"title":"x","template":"blank","body":"y"}`, "")
	uid := b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+incident+"/updates", `{"body":"x","after_notice":{"id":"`+held+`","when":"tried"}}`).text("id")
	as(http.MethodDelete, "/incidents/"+incident+"/updates/"+uid, "")
	as(http.MethodPost, "/incidents/"+b.held("held").Incident.ID+"/release", "")
	as(http.MethodDelete, "/notices/"+b.notice(`{"title":"x","template":"blank","body":"y"}`, ""), "")
}

func everyCall(b *bench) {
	t := b.t
	b.component("web")
	b.component("imap7")
	id := b.incident(`{"title":"x","state":"draft"}`)
	uid := b.as(notifier.RoleViewer, http.MethodGet, "/incidents/"+id, "").text("updates.0.id")
	event := b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+id+"/publish", "{}").text("event_id")
	who := b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"ann@example.com","state":"active"}`).text("id")
	hook := b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"channel":"webhook","address":"https://example.com/hook","contact":"ops@example.com","state":"active"}`).text("id")
	b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+id+"/updates", `{"body":"x"}`).is(http.StatusCreated)
	b.as(notifier.RoleAdmin, http.MethodPost, "/suppressions", `{"address":"bob@example.com"}`)
	b.deliver(func(int, notifier.Delivery) notifier.Settlement {
		return notifier.Settlement{State: notifier.Failed, Tried: true}
	})
	delivery := b.as(notifier.RoleSender, http.MethodGet, "/deliveries?state=failed", "").text("items.0.id")
	posted := b.as(notifier.RoleSender, http.MethodGet, "/deliveries?state=failed&address=https://example.com/hook", "").text("items.0.id")
	b.as(notifier.RoleSender, http.MethodPost, "/subscribers/"+hook+"/replay", `{"delivery":"`+posted+`"}`).is(http.StatusAccepted) // before others are tried again
	b.as(notifier.RoleAdmin, http.MethodPost, "/queue/pause", "{}").is(http.StatusOK)
	b.as(notifier.RoleAdmin, http.MethodPost, "/queue/resume", "{}").is(http.StatusOK)
	notice := b.notice(`{"title":"x","template":"blank","body":"y"}`, "email,x\nbob@example.com,1\n")
	everyStep(b)
	bodies := map[string]string{
		"PATCH /notices/{id}": `{"title":"y"}`, "PUT /components/{key}/members": "ann@example.com\n", "PUT /notices/{id}/audience": "email,x\nbob@example.com,1\n", "POST /notices/{id}/audience": "email,x\nbob@example.com,1\n",
		"POST /notices/{id}/test": `{"to":"me@example.com","address":"bob@example.com"}`, "POST /notices/{id}/preview": `{"address":"bob@example.com"}`,
		"PATCH /components/{key}": `{"name":"Web"}`, "PATCH /incidents/{id}": `{"title":"y"}`, "PATCH /incidents/{id}/updates/{uid}": `{"body":"y"}`,
		"PATCH /subscribers/{id}": `{"language":"de"}`, "DELETE /suppressions": `{"address":"bob@example.com"}`, "POST /subscribers/import": "address\n",
		"PATCH /subscribers/{id}/limits": `{"rate":2.5,"concurrency":2}`, "POST /subscribers/{id}/recover": `{"since":"2026-11-01T00:00:00Z"}`,
		"POST /intake/alertmanager": groupFires, "POST /intake/statuspage": pagePosts, "POST /intake/events": cloudFires,
	}
	ops := b.spec.operations()
	slices.Reverse(ops)                                // what deletes comes last
	slices.SortStableFunc(ops, func(a, b string) int { // and a withdrawal, behind which nothing is tried again
		return cmp.Compare(strings.Count(a, "/retract"), strings.Count(b, "/retract"))
	})
	for _, op := range ops {
		if _, done := b.asked.Load(op); done {
			continue
		}
		var method, path string
		if _, err := fmt.Sscan(op, &method, &path); err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{
			"/components/{key}": "/components/web", "/incidents/{id}": "/incidents/" + id, "{uid}": uid,
			"/events/{id}": "/events/" + event, "/deliveries/{id}": "/deliveries/" + delivery, "/subscribers/{id}": "/subscribers/" + who, "/notices/{id}": "/notices/" + notice,
		} {
			path = strings.Replace(path, from, to, 1)
		}
		for _, of := range []string{"attempts", "test", "rotate-secret", "limits", "recover", "replay", "token"} {
			path = strings.Replace(path, "/subscribers/"+who+"/"+of, "/subscribers/"+hook+"/"+of, 1)
		}
		media := "application/json"
		if op == "POST /subscribers/import" || strings.HasSuffix(op, "/audience") || strings.HasSuffix(op, "/members") {
			media = "text/csv"
		}
		if got := b.as(notifier.RoleAdmin, method, path, bodies[op], "Content-Type", media); got.status >= 300 {
			t.Errorf("%s: %d %s", op, got.status, got.body)
		}
	}
}
