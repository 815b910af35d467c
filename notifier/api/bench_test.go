package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// bench is the API on a real server, with a token of every role.
type bench struct {
	t      testing.TB
	store  *failing
	server *httptest.Server
	spec   *spec
	log    *logged
	asked  *sync.Map // operations that were used with success
	posted *outgoing
}

// whole is a real store, with what the tests do in the name of other rooms.
type whole interface {
	SetOwnDomains(ctx context.Context, own []subscribers.OwnDomain) error
	SetDoor(ctx context.Context, channel notifier.Channel, open bool) (bool, error)
	api.Store
	CreateToken(ctx context.Context, t notifier.Token, hash [32]byte) error
	RevokeToken(ctx context.Context, id string) error
	ExpandSlice(ctx context.Context, max int) (notifier.Slice, error)
	Claim(ctx context.Context, c notifier.Claim) ([]notifier.Delivery, error)
	Settle(ctx context.Context, batch []notifier.Settlement) error
	TendNotices(ctx context.Context) (changed bool, err error)
	AuditLog(ctx context.Context, q notifier.AuditQuery) ([]notifier.AuditEntry, string, error)
	BeginMembers(ctx context.Context, key string) (notifier.Upload, error)
	AddMembers(ctx context.Context, u notifier.Upload, addresses []string) error
	FinishMembers(ctx context.Context, u notifier.Upload) (int64, error)
	BeginAudience(ctx context.Context, notice string, replace bool) (notifier.Upload, error)
	AddToAudience(ctx context.Context, u notifier.Upload, rows []notifier.AudienceRow, rejects []notifier.Reject) error
	FinishAudience(ctx context.Context, u notifier.Upload, withoutAddress int64, sum [32]byte) (notifier.Notice, error)
}

// failing is a store that can be told to fail, at what the tests ask of it then.
type failing struct {
	whole
	broken error
	unheld error // of who asks what is held down
}

func (f *failing) Holds(ctx context.Context) ([]notifier.Hold, error) {
	if f.unheld != nil {
		return nil, f.unheld
	}
	return f.whole.Holds(ctx)
}

func (f *failing) Components(ctx context.Context) ([]notifier.Component, error) {
	if f.broken != nil {
		return nil, f.broken
	}
	return f.whole.Components(ctx)
}

func (f *failing) OpenIncident(ctx context.Context, p notifier.Posting) (notifier.Posting, error) {
	if f.broken != nil {
		return p, f.broken
	}
	return f.whole.OpenIncident(ctx, p)
}

type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func clock() time.Time { return time.Date(2026, 11, 23, 16, 11, 0, 123456000, time.UTC) }

func newBench(t testing.TB) *bench {
	t.Helper()
	return benchOn(t, storetest.Open(t, "sqlite"))
}

func benchOn(t testing.TB, open storetest.Opener) *bench {
	t.Helper()
	b := &bench{t: t, store: &failing{whole: open(storetest.Clock(clock))}, log: &logged{}, asked: &sync.Map{}, posted: &outgoing{}}
	for _, role := range notifier.Roles {
		token := notifier.Token{ID: "t-" + string(role), Name: string(role) + "-machine", Role: role, CreatedAt: clock()}
		if err := b.store.CreateToken(context.Background(), token, sha256.Sum256([]byte(secretOf(role)))); err != nil {
			t.Fatal(err)
		}
	}
	var ids atomic.Int64
	b.server = httptest.NewServer(api.New(api.Options{
		Store: b.store, BaseURL: "https://status.example.com", Now: clock,
		NewID: func() string { return fmt.Sprintf("id%05d", ids.Add(1)) },
		Log:   slog.New(slog.NewTextHandler(b.log, nil)), Prober: willing{}, Notices: b.tools(),
	}))
	t.Cleanup(b.server.Close)
	answer := b.raw(http.MethodGet, "/api/openapi.json", "", nil)
	var err error
	if b.spec, err = parseSpec(answer.body); err != nil {
		t.Fatal(err)
	}
	return b
}

// in is the same bench for a part of its test.
func (b *bench) in(t *testing.T) *bench {
	of := *b
	of.t = t
	return &of
}

// willing is an endpoint that takes every test.
type willing struct{}

func (willing) Probe(context.Context, notifier.Endpoint) (notifier.Attempt, error) {
	return notifier.Attempt{Type: notifier.EndpointTest, At: clock(), Status: http.StatusNoContent, State: notifier.Sent}, nil
}

func secretOf(role notifier.Role) string { return "secret-of-" + string(role) }

type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// raw sends a request as it is.
func (b *bench) raw(method, path, body string, header http.Header) answer {
	b.t.Helper()
	r, err := http.NewRequest(method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header = header.Clone()
	resp, err := b.server.Client().Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{b.t, resp.StatusCode, resp.Header, got}
}

// as sends a request with a role's token, and holds it and its answer to the
// OpenAPI document. More headers come as name, value.
func (b *bench) as(role notifier.Role, method, path, body string, more ...string) answer {
	b.t.Helper()
	h := http.Header{"Authorization": {"Bearer " + secretOf(role)}}
	if body != "" {
		h.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	got := b.raw(method, "/api/v1"+path, body, h)
	plain, _, _ := strings.Cut(path, "?")
	op, template := b.spec.operation(method, plain)
	if op == nil {
		return got
	}
	if got.status < 300 {
		b.asked.Store(method+" "+template, true)
		if body != "" {
			if err := b.spec.check(op, "requestBody", h.Get("Content-Type"), []byte(body)); err != nil {
				b.t.Errorf("%s %s took a body that is not described: %v", method, path, err)
			}
		}
	}
	if err := b.spec.check(op, fmt.Sprint(got.status), got.header.Get("Content-Type"), got.body); err != nil {
		b.t.Errorf("%s %s answered what is not described: %v", method, path, err)
	}
	return got
}

// field reads a field of the answer, such as "updates.0.body".
func (a answer) field(path string) any {
	a.t.Helper()
	var v any
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
	for part := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			var there bool
			if v, there = x[part]; !there {
				a.t.Fatalf("no %s in %s", path, a.body)
			}
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				a.t.Fatalf("no %s in %s", path, a.body)
			}
			v = x[i]
		default:
			a.t.Fatalf("no %s in %s", path, a.body)
		}
	}
	return v
}

func (a answer) text(path string) string {
	a.t.Helper()
	s, ok := a.field(path).(string)
	if !ok {
		a.t.Fatalf("%s is no text in %s", path, a.body)
	}
	return s
}

// is fails the test where the answer has another status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// problem fails the test where the answer is not this problem, about this field.
func (a answer) problem(status int, field, says string) answer {
	a.t.Helper()
	var p struct {
		Type, Title, Detail, Field string
		Status                     int
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		a.t.Fatalf("status %d: %v: %s", a.status, err, a.body)
	}
	if a.status != status || p.Status != status || a.header.Get("Content-Type") != "application/problem+json" {
		a.t.Fatalf("status %d (%s), want problem %d: %s", a.status, a.header.Get("Content-Type"), status, a.body)
	}
	if p.Field != field || !strings.Contains(p.Detail, says) || p.Title == "" || p.Type == "" {
		a.t.Fatalf("problem %s; want field %q and %q", a.body, field, says)
	}
	return a
}

// component adds one.
func (b *bench) component(key string) {
	b.t.Helper()
	b.as(notifier.RolePoster, http.MethodPost, "/components", `{"key":"`+key+`"}`).is(http.StatusCreated)
}

// incident opens one and returns its id.
func (b *bench) incident(body string) string {
	b.t.Helper()
	return b.as(notifier.RolePoster, http.MethodPost, "/incidents", body).is(http.StatusCreated).text("id")
}
