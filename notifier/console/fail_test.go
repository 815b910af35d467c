package console_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

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
