package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

// timed is an answer that remembers until when its request may be read.
type timed struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (w *timed) SetReadDeadline(t time.Time) error { w.until = t; return nil }

func TestOnlyARouteOfStreamsHasLongAndOnlyForWhoWasLetIn(t *testing.T) {
	b := newBench(t)
	for path, long := range map[string]bool{
		"PUT /api/v1/notices/x/audience": true, "GET /api/v1/subscribers/export.csv": true, "PUT /api/v1/components/x/members": true, "POST /api/v1/subscribers/import": true,
		"GET /api/v1/incidents/audience": false, "POST /api/v1/incidents/x/audience": false, "POST /api/v1/incidents": false,
	} {
		for _, in := range []bool{true, false} {
			method, at, _ := strings.Cut(path, " ")
			r := httptest.NewRequest(method, at, strings.NewReader("x"))
			if in {
				r.Header.Set("Authorization", "Bearer "+secretOf(notifier.RoleAdmin))
			}
			w := &timed{ResponseRecorder: httptest.NewRecorder()}
			b.server.Config.Handler.ServeHTTP(w, r)
			if got := !w.until.IsZero(); got != (long && in) {
				t.Errorf("%s, let in %v: a long time %v (%d)", path, in, got, w.Code)
			}
		}
	}
}
