package subscribers

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/notifier"
)

var (
	links    = NewLinks([]byte("a secret of at least thirty-two bytes"))
	linkNow  = time.Date(2026, 11, 23, 15, 20, 0, 0, time.UTC)
	purposes = []Purpose{ForConfirm, ForUnsubscribe, ForManage}
)

func drawNumber(t *rapid.T) Number { return Number(rapid.Int64Range(1, 1<<32-1).Draw(t, "number")) }

func TestALinkOpensForItsPurposeOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawNumber(t)
		made := rapid.SampledFrom(purposes).Draw(t, "made")
		asked := rapid.SampledFrom(purposes).Draw(t, "asked")
		got, err := links.Open(asked, links.Token(made, n, time.Time{}), linkNow)
		if made == asked && (err != nil || got != n) {
			t.Fatalf("%d: %d, %v", n, got, err)
		}
		if made != asked && (!errors.Is(err, ErrLink) || got != 0) {
			t.Fatalf("made for %d, opened for %d: %d, %v", made, asked, got, err)
		}
	})
}

// Every token takes a mark's place in text that was encoded already.
func TestEveryTokenIsEquallyLongAndPlain(t *testing.T) {
	plain := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	rapid.Check(t, func(t *rapid.T) {
		expires := time.Unix(rapid.Int64().Draw(t, "expires"), 0)
		token := links.Token(rapid.SampledFrom(purposes).Draw(t, "purpose"), Number(rapid.Int64().Draw(t, "number")), expires)
		if len(token) != LinkSize || !plain.MatchString(token) {
			t.Fatalf("%q", token)
		}
	})
}

func TestALinkAboutSomethingIsNotAboutAnythingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, p := drawNumber(t), rapid.SampledFrom(purposes).Draw(t, "purpose")
		about, other := rapid.String().Draw(t, "about"), rapid.String().Draw(t, "other")
		token := links.TokenAbout(p, n, time.Time{}, about)
		if got, err := links.Open(p, token, linkNow); err != nil || got != n || len(token) != LinkSize {
			t.Fatalf("%d, %v", got, err)
		}
		if about != "" && !links.About(token, about) || other != about && links.About(token, other) {
			t.Fatalf("a link about %q: about it %t, about %q %t", about, links.About(token, about), other, links.About(token, other))
		}
		if links.About(links.Token(p, n, time.Time{}), other) {
			t.Fatal("a link about nothing is about something")
		}
	})
	if links.About("", "x") || links.About(strings.Repeat("!", LinkSize), "x") {
		t.Error("what is no link is about something")
	}
}

func TestALinkEndsWithTheHourOfItsExpiry(t *testing.T) {
	expires := linkNow.Add(7 * 24 * time.Hour)
	token := links.Token(ForConfirm, 7, expires)
	for at, want := range map[time.Time]error{
		linkNow: nil, expires: nil, expires.Add(39 * time.Minute): nil,
		expires.Add(time.Hour): ErrLinkExpired, expires.AddDate(10, 0, 0): ErrLinkExpired,
	} {
		if n, err := links.Open(ForConfirm, token, at); !errors.Is(err, want) || n != 7 {
			t.Errorf("at %s: %d, %v", at, n, err)
		}
	}
}

func TestOnlyALinkWithoutExpiryIsForEver(t *testing.T) {
	far := time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := links.Open(ForUnsubscribe, links.Token(ForUnsubscribe, 7, time.Time{}), far); err != nil {
		t.Error(err)
	}
	for _, expires := range []time.Time{time.Unix(0, 0), time.Unix(1, 0), time.Unix(-1, 0), time.Time{}.Add(7 * 24 * time.Hour)} {
		if _, err := links.Open(ForUnsubscribe, links.Token(ForUnsubscribe, 7, expires), linkNow); !errors.Is(err, ErrLinkExpired) {
			t.Errorf("expired in %s: %v", expires, err)
		}
	}
	if _, err := links.Open(ForManage, links.Token(ForManage, 7, time.Unix(math.MaxInt64/2, 0)), far); err != nil {
		t.Errorf("an expiry beyond the counter wraps round: %v", err)
	}
}

func TestAnAlteredLinkNeverOpens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(purposes).Draw(t, "purpose")
		raw, _ := base64.RawURLEncoding.DecodeString(links.Token(p, drawNumber(t), linkNow.Add(time.Hour)))
		for _, bit := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(raw)*8-1), 1, 4, rapid.ID[int]).Draw(t, "bits") {
			raw[bit/8] ^= 1 << (bit % 8)
		}
		for _, asked := range purposes {
			if n, err := links.Open(asked, base64.RawURLEncoding.EncodeToString(raw), linkNow); !errors.Is(err, ErrLink) || n != 0 {
				t.Fatalf("%d, %v", n, err)
			}
		}
	})
}

func TestEveryBitOfALinkCounts(t *testing.T) {
	raw, _ := base64.RawURLEncoding.DecodeString(links.Token(ForUnsubscribe, 12345, time.Time{}))
	for bit := range len(raw) * 8 {
		raw[bit/8] ^= 1 << (bit % 8)
		if _, err := links.Open(ForUnsubscribe, base64.RawURLEncoding.EncodeToString(raw), linkNow); !errors.Is(err, ErrLink) {
			t.Errorf("bit %d: %v", bit, err)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
}

func TestALinkOfAnotherServiceDoesNotOpen(t *testing.T) {
	other := NewLinks([]byte("another secret of thirty-two bytes!"))
	if _, err := links.Open(ForManage, other.Token(ForManage, 7, time.Time{}), linkNow); !errors.Is(err, ErrLink) {
		t.Error(err)
	}
	if _, err := links.OpenEnvelope(other.Envelope(7)); !errors.Is(err, ErrLink) {
		t.Error(err)
	}
}

func TestALinkHasOneSpelling(t *testing.T) {
	token := links.Token(ForManage, 7, time.Time{})
	for _, s := range []string{
		"", token[:43], token + "A", token + "=", token + "\n", token[:20] + "\r\n" + token[20:], " " + token, token + token,
		strings.Repeat("A", LinkSize), strings.Repeat("_", LinkSize), "../" + token,
	} {
		if n, err := links.Open(ForManage, s, linkNow); !errors.Is(err, ErrLink) || n != 0 {
			t.Errorf("%q: %d, %v", s, n, err)
		}
	}
}

// Two tokens of neighbours must not look like neighbours, nor show the number.
func TestALinkRevealsNothing(t *testing.T) {
	a, _ := base64.RawURLEncoding.DecodeString(links.Token(ForUnsubscribe, 1000, time.Time{}))
	b, _ := base64.RawURLEncoding.DecodeString(links.Token(ForUnsubscribe, 1001, time.Time{}))
	same := 0
	for i := 1; i < len(a); i++ {
		if a[i] == b[i] {
			same++
		}
	}
	if same > 4 {
		t.Errorf("%d of 32 bytes are equal", same)
	}
	if bytes.Contains(a, []byte{0, 0, 3, 0xe8}) {
		t.Error("the number stands in the token")
	}
	if again, _ := base64.RawURLEncoding.DecodeString(links.Token(ForUnsubscribe, 1000, time.Time{})); !bytes.Equal(a, again) {
		t.Error("a repeat of a mail would carry another link")
	}
}

func FuzzOpenLink(f *testing.F) {
	good := map[string]bool{}
	for _, p := range purposes {
		token := links.Token(p, 7, time.Time{})
		good[token] = true
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, p := range purposes {
			if n, err := links.Open(p, token, linkNow); err == nil && !(good[token] && n == 7) {
				t.Fatalf("%q opened %d", token, n)
			}
		}
		if id, err := links.OpenEnvelope(token); err == nil {
			t.Fatalf("%q is an envelope of %s", token, id)
		}
	})
}

func TestAnEnvelopeNamesItsDelivery(t *testing.T) {
	local := regexp.MustCompile(`^b-[a-z2-7]{29}$`)
	rapid.Check(t, func(t *rapid.T) {
		id := notifier.MakeDeliveryID(rapid.Int64Range(1, 1<<31-1).Draw(t, "event"), rapid.Int64Range(1, 1<<32-1).Draw(t, "reader"))
		e := links.Envelope(id)
		if !local.MatchString(e) {
			t.Fatalf("%q is not fit for a local part that relays may fold", e)
		}
		if _, err := ParseAddress(e + "@bounces.example"); err != nil {
			t.Fatal(err)
		}
		for _, spelling := range []string{e, strings.ToUpper(e)} {
			if got, err := links.OpenEnvelope(spelling); err != nil || got != id {
				t.Fatalf("%s: %s, %v", spelling, got, err)
			}
		}
	})
}

func TestAnEnvelopeCannotBeMadeUp(t *testing.T) {
	e := links.Envelope(notifier.MakeDeliveryID(12, 34))
	for i := 2; i < len(e); i++ {
		for _, c := range "abcdefghijklmnopqrstuvwxyz234567" {
			if byte(c) == e[i] {
				continue
			}
			if id, err := links.OpenEnvelope(e[:i] + string(c) + e[i+1:]); !errors.Is(err, ErrLink) || id != 0 {
				t.Fatalf("with %q at %d it names %s", c, i, id)
			}
		}
	}
	for _, s := range []string{"", "b-", e[2:], e + "a", e[:len(e)-1], "c-" + e[2:], e[:9] + "\n" + e[9:], e + "="} {
		if _, err := links.OpenEnvelope(s); !errors.Is(err, ErrLink) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
