package console_test

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/store/storetest"
)

// The vectors of RFC 6238, appendix B, for SHA-1, to six digits.
func TestCodesAreThoseOfTheStandard(t *testing.T) {
	secret := []byte("12345678901234567890")
	for seconds, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := console.CodeAt(secret, seconds/30); got != want {
			t.Errorf("at %d: %s, want %s", seconds, got, want)
		}
	}
	now := time.Unix(1111111109, 0)
	for off, good := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		code := console.CodeAt(secret, now.Unix()/30+off)
		if step, ok := console.StepOf(secret, code[:3]+" "+code[3:], now); ok != good || ok && step != now.Unix()/30+off {
			t.Errorf("%d steps off: %d %v", off, step, ok)
		}
	}
}

// Else whoever asks for a name would learn by the clock whether there is one.
func TestANameThatNobodyHasCostsAsMuchAsOneThatSomebodyHas(t *testing.T) {
	decoy := console.Decoy()
	got, want := strings.Split(decoy, "$"), strings.Split(console.Hash("some length of words"), "$")
	if len(got) != 6 || !slices.Equal(got[:4], want[:4]) || len(got[4]) != len(want[4]) || len(got[5]) != len(want[5]) {
		t.Errorf("%v is not made as %v", got, want)
	}
	if decoy == console.Decoy() {
		t.Error("the decoy can be known")
	}
}

func TestAPasswordIsKeptAsAHashThatOnlyItMatches(t *testing.T) {
	kept := console.Hash("pässwörd of some length")
	if !strings.HasPrefix(kept, "$argon2id$v=19$m=32768,t=2,p=1$") || console.Hash("pässwörd of some length") == kept {
		t.Errorf("kept %s", kept)
	}
	for given, want := range map[string]bool{"pässwörd of some length": true, "pa\u0308sswo\u0308rd of some length": true, "passwort of some length": false, "": false} {
		if console.Matches(kept, given) != want {
			t.Errorf("%q matches: %v", given, !want)
		}
	}
	for _, broken := range []string{"", "x", "$argon2id$v=19$m=1,t=0,p=0$$", "$argon2id$v=18$m=32768,t=2,p=1$YQ$YQ", "$bcrypt$v=19$m=1,t=1,p=1$YQ$YQ"} {
		if console.Matches(broken, "") || console.Matches(broken, "x") {
			t.Errorf("something matches %q", broken)
		}
	}
}

func TestSigningInLeadsBackInsideAndNowhereElse(t *testing.T) {
	for to, want := range map[string]string{
		"/console/incidents?state=draft": "/console/incidents?state=draft", "/console": "/console", "": "/console", "https://evil.example/console": "/console",
		"//evil.example/console": "/console", "/\\evil.example": "/console", "/console/../admin": "/console", "/consolex": "/console", "javascript:alert(1)": "/console",
		"/console/sign-in?to=/console/sign-in": "/console", "/console/a\r\nX: y": "/console", "/console//x": "/console",
	} {
		if got := console.Inside(to); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}

// code is what a person's authenticator shows now.
func (b *bench) code(name string) string { return console.CodeAt(factor(name), b.Now().Unix()/30) }

func (w *browser) signIn(name, pass, code string) page {
	w.b.t.Helper()
	return w.send("/console/sign-in", "/console/sign-in", "name", name, "password", pass, "code", code, "to", "/console/queue")
}

func (w *browser) cookie(name string) string {
	at, _ := url.Parse(w.b.site.URL)
	for _, k := range w.client.Jar.Cookies(at) {
		if k.Name == name {
			return k.Value
		}
	}
	return ""
}

func TestSomebodySignsInWithPasswordAndCodeAndTheSameCodeIsWorthlessAfterwards(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		b.hire("ann", notifier.RoleAdmin)
		w := b.browser()
		w.get("/console/queue").leads("/console/sign-in?to=%2Fconsole%2Fqueue")
		code := b.code("ann")
		set := w.signIn("ann", password, code).leads("/console/queue").header.Get("Set-Cookie")
		for _, want := range []string{"allclear-console=", "HttpOnly", "SameSite=Lax", "Path=/"} {
			if !strings.Contains(set, want) {
				t.Errorf("the cookie %q lacks %s", set, want)
			}
		}
		w.get("/console/queue").is(http.StatusOK, "Sign out", "ann")
		b.browser().signIn("ann", password, code).is(http.StatusUnprocessableEntity, "is wrong, or the code was used already")
		b.Advance(30 * time.Second)
		b.browser().signIn("ann", password, code).is(http.StatusUnprocessableEntity, "is wrong, or the code was used already")
		b.browser().signIn(" ANN ", password, b.code("ann")).leads("/console/queue")
	})
}

func TestWhateverIsWrongTheAnswerIsTheSame(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	b.hire("ann", notifier.RoleAdmin)
	_, err := b.store.AddStaff(t.Context(), notifier.Staff{Name: "kari", Role: notifier.RoleViewer, LinkUntil: b.Now().Add(time.Hour)}, [32]byte{1})
	b.must(err)
	answers := map[string]bool{}
	for _, c := range [][3]string{
		{"ann", "wrong password", b.code("ann")}, {"ann", password, "000000"}, {"nobody", password, b.code("ann")}, {"kari", password, b.code("ann")}, {"ann", "", ""},
	} {
		got := b.browser().signIn(c[0], c[1], c[2]).is(http.StatusUnprocessableEntity)
		answers[strings.ReplaceAll(formToken.ReplaceAllString(got.body, ""), `value="`+c[0]+`"`, "")] = true
		if got.header.Get("Set-Cookie") != "" && strings.Contains(got.header.Get("Set-Cookie"), "console") {
			t.Errorf("a session for %s", c)
		}
	}
	if len(answers) != 1 {
		t.Errorf("%d different answers: %v", len(answers), answers)
	}
	if log := b.log.String(); strings.Contains(log, "password") || strings.Contains(log, "nobody") {
		t.Errorf("the log says %s", log)
	}
}

func TestTooManyTriesAreRefusedForEveryNameAlike(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	b.hire("ann", notifier.RoleAdmin)
	w := b.browser()
	for range 10 {
		w.signIn("nobody", "x", "x").is(http.StatusUnprocessableEntity)
	}
	for _, name := range []string{"nobody", "ann"} {
		w.signIn(name, password, b.code("ann")).is(http.StatusTooManyRequests, "Too many tries")
	}
	b.Advance(2 * time.Minute)
	w.signIn("ann", password, b.code("ann")).leads("/console/queue")
}

func TestABrowserThatIsKnownIsNotKeptOutByStrangersWhoTryTheName(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		b.hire("ann", notifier.RoleAdmin)
		hers := b.browser()
		hers.signIn("ann", password, b.code("ann")).leads("/console/queue")
		hers.send("/console/account", "/console/sign-out").leads("/console/sign-in")
		stranger := b.browser()
		for range 10 {
			stranger.signIn("ann", "x", "x").is(http.StatusUnprocessableEntity)
		}
		b.Advance(30 * time.Second)
		stranger.signIn("ann", password, b.code("ann")).is(http.StatusTooManyRequests)
		device := hers.cookie("allclear-device")
		at, _ := url.Parse(b.site.URL)
		for says, value := range map[string]string{"another's": strings.Replace(device, ".", "x.", 1), "forged": device[:43] + ".x", "none": ""} {
			stranger.client.Jar.SetCookies(at, []*http.Cookie{{Name: "allclear-device", Value: value, Path: "/"}})
			if got := stranger.signIn("ann", password, b.code("ann")); got.status != http.StatusTooManyRequests {
				t.Errorf("with a mark that is %s: %d", says, got.status)
			}
		}
		hers.signIn("kari", password, b.code("ann")).is(http.StatusTooManyRequests) // the mark is of one name
		hers.signIn("ann", password, b.code("ann")).leads("/console/queue")
	})
}

func TestWhoKnowsThePasswordGuessesFewCodesAndIsNotToldThatItIsRight(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		b.hire("ann", notifier.RoleAdmin)
		hers := b.browser()
		hers.signIn("ann", password, b.code("ann")).leads("/console/queue")
		hers.send("/console/account", "/console/sign-out").leads("/console/sign-in")
		b.Advance(time.Hour)
		wrong := ""
		for range 8 {
			wrong = formToken.ReplaceAllString(hers.signIn("ann", password, "000000").is(http.StatusUnprocessableEntity).body, "")
		}
		spent := formToken.ReplaceAllString(hers.signIn("ann", password, b.code("ann")).is(http.StatusUnprocessableEntity).body, "")
		if spent != wrong {
			t.Errorf("a right code is answered otherwise than a wrong one:\n%s\n%s", spent, wrong)
		}
		b.Advance(16 * time.Minute)
		hers.signIn("ann", password, b.code("ann")).leads("/console/queue")
	})
}

func TestAFloodOfStrangersIsTurnedAwayBeforeAnythingIsWritten(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	b.hire("ann", notifier.RoleAdmin)
	w := b.browser()
	form := url.Values{"form": {w.token("/console/sign-in")}, "name": {"nobody"}, "password": {"x"}, "code": {"x"}}
	for range 20 {
		w.do(http.MethodPost, "/console/sign-in", form)
	}
	b.fault = errors.New("the database was asked")
	w.do(http.MethodPost, "/console/sign-in", form).is(http.StatusTooManyRequests, "Too many tries")
}

func TestTheCrowdAtTheDoorIsBoundedOfOneNetworkAndOfAll(t *testing.T) {
	now := time.Date(2026, 11, 27, 4, 0, 0, 0, time.UTC)
	enter, leave := console.Crowd()
	let := func(network func(i int) string) (n int) {
		for i := range 10_000 {
			if enter(network(i), now) == nil {
				n++
			}
		}
		return n
	}
	if n := let(func(int) string { return "one" }); n != 20 {
		t.Errorf("%d of one network", n)
	}
	if n := let(func(i int) string { return strconv.Itoa(i) }); n != 30 {
		t.Errorf("%d of all, after 20 of one", n)
	}
	now = now.Add(10 * time.Second)
	if err := enter("one", now); err == nil {
		t.Error("one more of the one network")
	}
	leave("one")
	if err := enter("one", now); err != nil {
		t.Errorf("after somebody of it signed in: %v", err)
	}
}

func TestASessionThatSomebodyElsePlantedIsNotTheirsAfterwards(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	b.hire("ann", notifier.RoleAdmin)
	w := b.browser()
	at, _ := url.Parse(b.site.URL)
	w.client.Jar.SetCookies(at, []*http.Cookie{{Name: "allclear-console", Value: "planted", Path: "/"}})
	w.signIn("ann", password, b.code("ann")).leads("/console/queue")
	if got := w.cookie("allclear-console"); got == "planted" || got == "" {
		t.Errorf("she holds %q", got)
	}
	first := w.cookie("allclear-console")
	w.send("/console/account", "/console/sign-out").leads("/console/sign-in")
	again := b.browser()
	again.client.Jar.SetCookies(at, []*http.Cookie{{Name: "allclear-console", Value: first, Path: "/"}})
	again.get("/console").leads("/console/sign-in")
}

func TestTheSessionsOfOneBrowserDoNotPileUp(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	ann := b.hire("ann", notifier.RoleAdmin)
	w := b.browser()
	page := w.token("/console/sign-in")
	form := func() url.Values {
		return url.Values{"form": {page}, "name": {"ann"}, "password": {password}, "code": {b.code("ann")}}
	}
	w.do(http.MethodPost, "/console/sign-in", form()).leads("/console")
	b.Advance(time.Minute)
	w.do(http.MethodPost, "/console/sign-in", form()).is(http.StatusForbidden, "of another session")
	page = w.token("/console")
	w.do(http.MethodPost, "/console/sign-in", form()).leads("/console")
	if all, err := b.store.Sessions(context.Background(), ann.ID); err != nil || len(all) != 1 {
		t.Errorf("%d sessions, %v", len(all), err)
	}
}

var shownKey = regexp.MustCompile(`id="key">([A-Z2-7 ]+)<`)

func TestALinkSetsPasswordAndSecondFactorOnceAndShowsRecoveryCodes(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		link := sha256.Sum256([]byte("the-link"))
		_, err := b.store.AddStaff(t.Context(), notifier.Staff{Name: "ann", Role: notifier.RolePoster, LinkUntil: b.Now().Add(notifier.SetUpLife)}, link)
		b.must(err)
		w := b.browser()
		const at = "/console/set-up/the-link"
		if looked := w.get(at).is(http.StatusOK, "You are <strong>ann</strong>", "Begin"); strings.Contains(looked.body, "otpauth") || shownKey.MatchString(looked.body) {
			t.Errorf("whoever looks is shown the key: %s", looked.body)
		}
		begin := func(w *browser) string {
			return shownKey.FindStringSubmatch(w.send(at, at, "do", "begin").is(http.StatusOK, "otpauth://totp/Example%20Status:ann?secret=").body)[1]
		}
		key := begin(w)
		if begin(w) != key {
			t.Errorf("looking again offers another key")
		}
		if begin(b.browser()) == key {
			t.Errorf("another browser is shown the same key")
		}
		secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key, " ", ""))
		b.must(err)
		code := console.CodeAt(secret, b.Now().Unix()/30)
		w.send(at, at, "password", "short", "again", "short", "code", code).is(http.StatusUnprocessableEntity, "at least 12 characters")
		w.send(at, at, "password", password, "again", "something else", "code", code).is(http.StatusUnprocessableEntity, "The two are not the same")
		w.send(at, at, "password", password, "again", password, "code", "12345").is(http.StatusUnprocessableEntity, "not the code")
		done := w.send(at, at, "password", password, "again", password, "code", code).is(http.StatusOK, "Your recovery codes", "Sign out")
		codes := regexp.MustCompile(`<code>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</code>`).FindAllStringSubmatch(done.body, -1)
		if len(codes) != notifier.RecoveryCodes {
			t.Fatalf("%d codes", len(codes))
		}
		w.get("/console").is(http.StatusOK)
		b.browser().get(at).is(http.StatusNotFound, "not good any more")
		w.send("/console/account", at, "do", "begin").is(http.StatusNotFound, "not good any more")
		b.browser().signIn("ann", password, code).is(http.StatusUnprocessableEntity)
		b.browser().signIn("ann", password, codes[3][1]).leads("/console/queue")
		b.browser().signIn("ann", password, codes[3][1]).is(http.StatusUnprocessableEntity)
	})
}

func TestAnotherPasswordNeedsTheOldOneAndACodeAndEndsTheOtherSessions(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	ann := b.hire("ann", notifier.RoleViewer)
	other := b.browser()
	other.signIn("ann", password, b.code("ann")).leads("/console/queue")
	w := b.enter(ann)
	change := func(pairs ...string) page {
		return w.send("/console/account", "/console/account/password", append(pairs, "password", "another four words here", "again", "another four words here")...)
	}
	b.Advance(time.Minute)
	change("current", "wrong", "code", b.code("ann")).is(http.StatusUnprocessableEntity, "The password or the code is wrong")
	change("current", password, "code", "1").is(http.StatusUnprocessableEntity, "The password or the code is wrong")
	change("current", password, "code", b.code("ann")).leads("/console/account?done=password")
	w.get("/console/account?done=password").is(http.StatusOK, "The password is changed")
	other.get("/console").leads("/console/sign-in")
	b.Advance(time.Minute)
	w.send("/console/account", "/console/account/codes", "current", "another four words here", "code", b.code("ann")).is(http.StatusOK, "The older ones are worthless")
}
