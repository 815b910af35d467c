package subscribers

import (
	"errors"
	"net/mail"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"allclear/notifier"
)

func TestAddressesAreKeptWithTheDomainInLowerCase(t *testing.T) {
	for in, want := range map[string]string{
		"a@b.example":                       "a@b.example",
		"Ann.Lee+tag@B.Example":             "Ann.Lee+tag@b.example",
		" \ta@b.example ":                   "a@b.example",
		"\u00a0a@b.example":                 "a@b.example", // pasted from a page
		"a@localhost":                       "a@localhost",
		"x!#$%&'*+-/=?^_`{|}~y@b.example":   "x!#$%&'*+-/=?^_`{|}~y@b.example",
		"a@xn--bcher-kva.example":           "a@xn--bcher-kva.example",
		"a@1.2.3.example":                   "a@1.2.3.example",
		"a@a_b.example":                     "a@a_b.example",
		strings.Repeat("a", 64) + "@b.test": strings.Repeat("a", 64) + "@b.test",
		"a@" + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 63) + "." + strings.Repeat("e", 60): "a@" + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 63) + "." + strings.Repeat("e", 60),
	} {
		if got, err := ParseAddress(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestAnAddressThatCouldBeMoreThanOneIsRefused(t *testing.T) {
	for _, in := range []string{
		"", " ", "a", "@", "a@", "@b.example", "a@b@c.example", "a b@c.example", "a@b c.example",
		"a@b.example\r\nRCPT TO:<x@y.example>", "a@b.example\r\n", "a@b.example\n", "\na@b.example", "a\r@b.example", "a@b.example\x00", "a\x7f@b.example", "a\u0085@b.example", "a@b.example\u0085",
		"<a@b.example>", "Ann <a@b.example>", "a@b.example> NOTIFY=NEVER", "a@b.example SIZE=1", "a@b.example,c@d.example", "a@b.example;c@d.example",
		`"a b"@c.example`, `"a"@c.example`, "a(x)@b.example", "a:b@c.example", `a\@b.example`, "@relay.example:a@b.example",
		"a@[127.0.0.1]", "a@127.0.0.1", "a@b.123", "a@b", "a@.example", "a@b.example.", "a@b..example", "a@-b.example", "a@b-.example", "a@b/example.test",
		".a@b.example", "a.@b.example", "a..b@c.example",
		"jörg@b.example", "a@bücher.example", "a@b.\u212aom", "a@b.example\xff", "\xffa@b.example", "а@b.example", // the last а is Cyrillic
		strings.Repeat("a", 65) + "@b.example", strings.Repeat("a", 300) + "@b.example", "a@" + strings.Repeat("b", 64) + ".example", "a@" + strings.Repeat("b.", 126) + "example",
	} {
		got, err := ParseAddress(in)
		var invalid *notifier.Invalid
		if !errors.As(err, &invalid) || invalid.Field != "address" || got != "" {
			t.Errorf("%q passed as %q, %v", in, got, err)
		}
	}
}

func TestRefusalsSayWhatWouldBeRight(t *testing.T) {
	for in, part := range map[string]string{
		"jörg@b.example": "SMTPUTF8", "a@bücher.example": "xn--", "Ann <a@b.example>": "bare address", "a@b.example\n": "line break", "a@127.0.0.1": "numeric", "a@b": "needs a dot",
	} {
		if _, err := ParseAddress(in); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// safe fails when a kept address could be anything but one mailbox in a MAIL or
// RCPT command, or in a To header.
func safe(t interface{ Fatalf(string, ...any) }, in, a string) {
	for _, r := range a {
		if r <= ' ' || r > '~' || strings.ContainsRune(`<>()[]\,;:"`, r) {
			t.Fatalf("%q passed as %q with %q", in, a, r)
		}
	}
	if strings.Count(a, "@") != 1 || len(a) > 254 {
		t.Fatalf("%q passed as %q", in, a)
	}
	if again, err := ParseAddress(a); err != nil || again != a {
		t.Fatalf("%q is not kept as it is: %q, %v", a, again, err)
	}
	if m, err := mail.ParseAddress(a); err != nil || m.Address != a || m.Name != "" {
		t.Fatalf("net/mail reads %q as %v, %v", a, m, err)
	}
	if d := Domain(a); d == "" || d != strings.ToLower(d) || !strings.HasSuffix(a, "@"+d) {
		t.Fatalf("domain of %q is %q", a, d)
	}
}

func TestWhatPassesCanStandInAnSMTPPath(t *testing.T) {
	piece := rapid.StringOfN(rapid.RuneFrom([]rune("abcXYZ019.-_+@<> ,;:\"\\()[]\r\n\t\x00é\u212a\u2028")), 0, 12, -1)
	rapid.Check(t, func(t *rapid.T) {
		in := piece.Draw(t, "local") + "@" + piece.Draw(t, "domain") + ".example"
		if a, err := ParseAddress(in); err == nil {
			safe(t, in, a)
		}
	})
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"a@b.example", "a@b.example> NOTIFY=NEVER", "\"a b\"@c.example", "a@b.\u212aom", "a@b.example\r\nDATA", "!@0.a", "a@xn--p1ai.xn--p1ai"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if a, err := ParseAddress(in); err == nil {
			safe(t, in, a)
		}
	})
}
