package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/store/storetest"
)

func TestTheKeyOfASecondFactorCanBeScanned(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	made := w.send("/console/staff", "/console/staff", "name", "kari", "role", "viewer")
	at := strings.TrimPrefix(regexp.MustCompile(`http://[^<]*/console/set-up/[A-Za-z0-9_-]{43}`).FindString(made.body), b.site.URL)
	b.browser().send(at, at, "do", "begin").is(http.StatusOK, `<svg class="qr"`, `aria-label="The key as a picture for the authenticator&#39;s camera"`)
}
