package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// timedAnswer is one that remembers until when its request may be read.
type timedAnswer struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (w *timedAnswer) SetReadDeadline(t time.Time) error { w.until = t; return nil }

// Else net/http ends a request's context while it is worked on, and whoever
// waits is answered with nothing.
func TestTheTimeToReadARequestIsOverWhenItHasBeenRead(t *testing.T) {
	for name, c := range map[string]struct {
		request       *http.Request
		before, after bool
	}{
		"a form":       {httptest.NewRequest(http.MethodPost, "/subscribe", io.NopCloser(strings.NewReader("address=x"))), true, false},
		"no body":      {httptest.NewRequest(http.MethodGet, "/", nil), false, false},
		"never looked": {httptest.NewRequest(http.MethodPost, "/audience", io.NopCloser(strings.NewReader("x"))), true, true},
	} {
		w := &timedAnswer{ResponseRecorder: httptest.NewRecorder(), until: time.Unix(1, 0)}
		patience(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if !w.until.IsZero() != c.before {
				t.Errorf("%s: before it is read, its time ends at %s", name, w.until)
			}
			if !c.after {
				_, _ = io.ReadAll(r.Body)
			}
		})).ServeHTTP(w, c.request)
		if !w.until.IsZero() != c.after {
			t.Errorf("%s: afterwards its time ends at %s", name, w.until)
		}
	}
}

func TestWhatWasRefusedMakesNobodyLookAgain(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		looks  int32
	}{{http.MethodPost, 201, 1}, {http.MethodPost, 303, 1}, {http.MethodPost, 403, 0}, {http.MethodPost, 429, 0}, {http.MethodGet, 200, 0}} {
		var looks atomic.Int32
		afterWriting(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) }), func() { looks.Add(1) }).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(c.method, "/console/sign-in", nil))
		if looks.Load() != c.looks {
			t.Errorf("%s answered %d: looked %d times", c.method, c.status, looks.Load())
		}
	}
}
