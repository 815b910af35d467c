package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"allclear/notifier"
	"allclear/notifier/api"
)

// taker is a store that takes every incident and looks at what it was given.
type taker struct {
	api.Store
	t    *testing.T
	took bool
}

func (k *taker) OpenIncident(_ context.Context, p notifier.Posting) (notifier.Posting, error) {
	k.took = true
	for _, text := range []string{p.Incident.Title, p.Update.Body} {
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\ufffd") {
			k.t.Fatalf("let %q through", text)
		}
	}
	if p.Incident.Title == "" || len(p.Incident.ID) == 0 {
		k.t.Fatalf("let %+v through", p.Incident)
	}
	return p, nil
}

// gone is a store whose caller has hung up.
type gone struct{ api.Store }

func (gone) TokenByHash(ctx context.Context, _ [32]byte) (notifier.Token, error) {
	return notifier.Token{}, ctx.Err()
}

func TestACallerWhoHungUpIsNotToldThatAllIsWell(t *testing.T) {
	var log bytes.Buffer
	h := api.New(api.Options{Store: gone{}, Now: clock, NewID: func() string { return "id1" }, Log: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/api/v1/incidents", strings.NewReader(`{"title":"x"}`))
	r.Header.Set("Authorization", "Bearer secret")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || log.Len() > 0 {
		t.Errorf("status %d, and the log says %q; a proxy would pass an empty 200 on", w.Code, log.String())
	}
}

// FuzzIncident sends any bytes as an incident: they are taken, or refused as
// the sender's fault, and never ours.
func FuzzIncident(f *testing.F) {
	for _, seed := range []string{
		`{"title":"x","components":["a"],"impact":{"error_rate":0.5},"at":"2026-11-23T16:11:00Z","body":"{{at \"now\"}}"}`,
		`{"title":"x","kind":"maintenance","starts_at":"2026-12-01T00:00:00Z"}`, `{"title":null,"notify":null,"impact":null,"components":[null]}`,
		`{"impact":{"x":{"y":[1]}}}`, `[[[[`, `{"title":"\ud800"}`, `{"title":1e999}`, `"`, "{\"title\":\"\xff\"}", ``, `{}{}`, `{"components":{"title":"x"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n := 0
		k := &taker{t: t}
		status := api.Take(api.Options{Store: k, Now: clock, NewID: func() string { n++; return fmt.Sprint("id", n) }}, "/incidents", body)
		if status != 0 && (status < 400 || status >= 500) {
			t.Fatalf("%q became %d", body, status)
		}
		if took := status == 0; took != k.took {
			t.Fatalf("%q: status %d, taken %v", body, status, k.took)
		}
		if k.took && !json.Valid(body) {
			t.Fatalf("took %q", body)
		}
	})
}
