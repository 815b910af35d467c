package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"allclear/notifier"
	"allclear/store/storetest"
)

func TestWithoutATokenNothingIsAnswered(t *testing.T) {
	b := newBench(t)
	if err := b.store.RevokeToken(context.Background(), "t-"+string(notifier.RoleSender)); err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string]http.Header{
		"none":         {},
		"another kind": {"Authorization": {"Basic YTpi"}},
		"empty":        {"Authorization": {"Bearer "}},
		"unknown":      {"Authorization": {"Bearer nosuch"}},
		"revoked":      {"Authorization": {"Bearer " + secretOf(notifier.RoleSender)}},
		"as a cookie":  {"Cookie": {"token=" + secretOf(notifier.RoleAdmin)}},
	} {
		for _, op := range b.spec.operations() {
			method, path, _ := strings.Cut(op, " ")
			got := b.raw(method, "/api/v1"+strings.NewReplacer("{", "", "}", "").Replace(path), "", header).problem(401, "", "token")
			if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), `Bearer realm="allclear"`) {
				t.Errorf("%s, %s: WWW-Authenticate %q", name, op, got.header.Get("WWW-Authenticate"))
			}
		}
	}
}

func TestTheSchemeMayBeWrittenInAnyCase(t *testing.T) {
	b := newBench(t)
	b.raw(http.MethodGet, "/api/v1/queue", "", http.Header{"Authorization": {"bearer " + secretOf(notifier.RoleViewer)}}).is(http.StatusOK)
}

func TestEveryCallNeedsTheRoleThatItsDocumentNames(t *testing.T) {
	b := newBench(t)
	for _, op := range b.spec.operations() {
		method, path, _ := strings.Cut(op, " ")
		needed := notifier.Role(b.spec.at("paths", path, strings.ToLower(method))["x-role"].(string))
		if _, err := notifier.ParseRole(string(needed)); err != nil {
			t.Errorf("%s: %v", op, err)
		}
		for _, has := range notifier.Roles {
			got := b.as(has, method, strings.NewReplacer("{", "", "}", "").Replace(path), "")
			if may := has.Can(needed); may == (got.status == http.StatusForbidden) {
				t.Errorf("%s with the role %s: status %d, the document says %s", op, has, got.status, needed)
			}
			if got.status == http.StatusForbidden && got.problem(403, "", "needs the role "+string(needed)).text("role") != string(needed) {
				t.Errorf("%s: %s", op, got.body)
			}
		}
	}
}

func TestAViewerSeesNoAddress(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/subscribers", "/subscribers/s1", "/subscribers/export.csv", "/suppressions", "/deliveries"} {
		b.as(notifier.RoleViewer, http.MethodGet, path, "").problem(403, "", "needs the role")
	}
}

func TestAWrongMethodNamesTheRightOnes(t *testing.T) {
	b := newBench(t)
	got := b.as(notifier.RoleAdmin, http.MethodDelete, "/incidents", "").problem(405, "", "DELETE is not possible here; use GET, HEAD, POST")
	if allow := got.header.Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("Allow %q", allow)
	}
	b.raw(http.MethodHead, "/api/v1/queue", "", http.Header{"Authorization": {"Bearer " + secretOf(notifier.RoleViewer)}}).is(http.StatusOK)
}

func TestWhatIsNotThereIsAProblemToo(t *testing.T) {
	b := newBench(t)
	b.raw(http.MethodGet, "/api/v1/nosuch", "", nil).problem(404, "", "/api/docs")
	b.raw(http.MethodGet, "/api/v2/incidents", "", nil).problem(404, "", "/api/docs")
}

func TestAnUnknownParameterIsRefused(t *testing.T) {
	b := newBench(t)
	for path, field := range map[string]string{
		"/incidents?colour=red": "colour", "/incidents?kind=party": "kind", "/incidents?open=maybe": "open", "/incidents?limit=0": "limit",
		"/incidents?limit=201": "limit", "/incidents?limit=x": "limit", "/incidents?limit=1&limit=2": "limit", "/incidents?cursor=nonsense!": "cursor",
		"/subscribers?state=asleep": "state", "/subscribers?address=ann": "address", "/deliveries?state=lost": "state", "/suppressions?page=2": "page",
		"/deliveries?address=ann%0d%0a": "address", "/incidents?cursor=%00": "cursor",
	} {
		b.as(notifier.RoleAdmin, http.MethodGet, path, "").problem(422, field, "")
	}
}

func TestAFaultOfOursTellsNothingButWhereToLook(t *testing.T) {
	b := newBench(t)
	b.store.broken = errors.New("password=hunter2 in table incidents")
	got := b.as(notifier.RoleAdmin, http.MethodGet, "/components", "")
	got.problem(500, "", "log under id")
	if strings.Contains(string(got.body), "hunter2") {
		t.Errorf("it told %s", got.body)
	}
	id := strings.TrimPrefix(got.text("instance"), "urn:allclear:error:")
	if log := b.log.String(); !strings.Contains(log, "hunter2") || !strings.Contains(log, "id="+id) {
		t.Errorf("the log says %q", log)
	}
}

func TestAnUnavailableDatabaseSaysWhenToComeBack(t *testing.T) {
	b := newBench(t)
	b.store.broken = fmt.Errorf("dial: %w", notifier.ErrUnavailable)
	got := b.as(notifier.RoleAdmin, http.MethodPost, "/incidents", `{"title":"x"}`).problem(503, "", "send the same request again")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestARequestWithAKeyTakesEffectOnce(t *testing.T) {
	b := newBench(t)
	first := b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"once"}`, "Idempotency-Key", "k1").is(http.StatusCreated)
	again := b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"once"}`, "Idempotency-Key", "k1").is(http.StatusCreated)
	if string(first.body) != string(again.body) || first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("first %v %s\nagain %v %s", first.header, first.body, again.header, again.body)
	}
	if again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("Location %q, then %q", first.header.Get("Location"), again.header.Get("Location"))
	}
	b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"twice"}`, "Idempotency-Key", "k1").problem(409, "", "Idempotency-Key was used for another request")
	// Another token and another path have keys of their own.
	b.as(notifier.RoleAdmin, http.MethodPost, "/incidents", `{"title":"other"}`, "Idempotency-Key", "k1").is(http.StatusCreated)
	b.as(notifier.RolePoster, http.MethodPost, "/components", `{"key":"web"}`, "Idempotency-Key", "k1").is(http.StatusCreated)
	if got := b.as(notifier.RoleViewer, http.MethodGet, "/incidents", ""); len(got.field("items").([]any)) != 2 {
		t.Errorf("incidents: %s", got.body)
	}
}

func TestARefusedRequestMayBeMendedUnderTheSameKey(t *testing.T) {
	b := newBench(t)
	b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":""}`, "Idempotency-Key", "k").problem(422, "title", "")
	b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"mended"}`, "Idempotency-Key", "k").is(http.StatusCreated)
}

func TestTwinsAtTheSameMomentTakeEffectOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) { twins(t, benchOn(t, open)) })
}

func twins(t *testing.T, b *bench) {
	var wait sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wait.Go(func() {
			ids[i] = b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"twins"}`, "Idempotency-Key", "k").text("id")
		})
	}
	wait.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("ids %v", ids)
			break
		}
	}
}

func TestABadKeyIsRefused(t *testing.T) {
	b := newBench(t)
	for name, key := range map[string]string{"too long": strings.Repeat("k", 256), "a tab inside": "a\tb", "C1 control": "a\u0085b", "broken UTF-8": "a\xffb", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"x"}`, "Idempotency-Key", key).problem(422, "Idempotency-Key", "")
		})
	}
	b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"x"}`, "Idempotency-Key", strings.Repeat("k", 255)).is(http.StatusCreated)
}
