package console_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/store/storetest"
)

// faulty is a store some of whose answers tests choose.
type faulty struct {
	console.Store
	b *bench
}

func (f faulty) StaffByLink(ctx context.Context, link [32]byte) (notifier.Staff, error) {
	if f.b.fault != nil {
		return notifier.Staff{}, f.b.fault
	}
	return f.Store.StaffByLink(ctx, link)
}

func (f faulty) StaffCredentials(ctx context.Context, name string) (notifier.Staff, notifier.Credentials, error) {
	who, kept, err := f.Store.StaffCredentials(ctx, name)
	if f.b.lost {
		kept.Secret, err = nil, notifier.ErrConflict
	}
	return who, kept, err
}

func (f faulty) TakeSignIn(ctx context.Context, name, network, device string) error {
	if f.b.fault != nil {
		return f.b.fault
	}
	return f.Store.TakeSignIn(ctx, name, network, device)
}

func (f faulty) HeldDomains(ctx context.Context, limit int) ([]notifier.HeldDomain, error) {
	if f.b.held != nil {
		return slices.Clone(f.b.held), nil
	}
	return f.Store.HeldDomains(ctx, limit)
}

func TestAFaultAtALinkToSetUpLogsNoToken(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	b.fault = errors.New("a fault")
	b.browser().get("/console/set-up/live-token").is(http.StatusInternalServerError)
	if log := b.log.String(); !strings.Contains(log, "route=/console/set-up/{token}") || strings.Contains(log, "live-token") {
		t.Error(log)
	}
}

func TestTheWordsOfAnAnswerWhichMayNameAReaderAreForSenders(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	b.held = []notifier.HeldDomain{
		{Domain: "example.org", N: 2, Reply: "450 4.2.1 <kari@example.org> is over quota"},
		{Domain: "example.net", N: 1, Reply: "kari@example.org could not be written"},
	}
	sender, viewer, poster := b.enter(b.hire("ann", notifier.RoleSender)), b.enter(b.hire("bob", notifier.RoleViewer)), b.enter(b.hire("cem", notifier.RolePoster))
	for _, path := range []string{"/console", "/console/queue"} {
		sender.get(path).is(http.StatusOK, "450 4.2.1 &lt;kari@example.org&gt; is over quota")
		for _, w := range []*browser{viewer, poster} {
			if p := w.get(path).is(http.StatusOK, "450 4.2.1", "for senders"); strings.Contains(p.body, "kari") {
				t.Errorf("%s: %s", path, p.body)
			}
		}
	}
}

func TestALostSecretLooksLikeAWrongCodeAndTheLogSaysWhatItIs(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	b.hire("ann", notifier.RoleAdmin)
	b.lost = true
	w := b.browser()
	// What anybody can make without a secret is no code.
	w.signIn("ann", password, console.CodeAt(nil, b.Now().Unix()/30)).is(http.StatusUnprocessableEntity, "is wrong, or the code was used already")
	if log := b.log.String(); !strings.Contains(log, "their second factor does not open with the service's secret") || strings.Contains(log, "staff=ann") {
		t.Error(log)
	}
}

// timed is an answer that remembers until when its request may be read.
type timed struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (w *timed) SetReadDeadline(t time.Time) error { w.until = t; return nil }

func TestOnlyARouteOfFilesHasLongAndOnlyForWhoWasLetIn(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	b.enter(b.hire("ann", notifier.RoleAdmin))
	for path, long := range map[string]bool{"POST /console/notices/x/audience": true, "POST /console/subscribers/import": true, "GET /console/notices/x/report.csv": true, "GET /console/incidents/audience": false, "POST /console/incidents/x/audience": false} {
		for _, in := range []bool{true, false} {
			method, at, _ := strings.Cut(path, " ")
			r := httptest.NewRequest(method, at, nil)
			if in {
				r.AddCookie(&http.Cookie{Name: "allclear-console", Value: "session-of-ann"})
			}
			w := &timed{ResponseRecorder: httptest.NewRecorder()}
			b.site.Config.Handler.ServeHTTP(w, r)
			if got := !w.until.IsZero(); got != (long && in) {
				t.Errorf("%s, let in %v: a long time %v", path, in, got)
			}
		}
	}
}
