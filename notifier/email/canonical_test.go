package email

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/notifier"
)

// twins are two compositors with the same keys and clock: ours signs, go-msgauth signs.
func twins(t testing.TB, keys []Key, now func() time.Time, change func(*CompositorOptions)) (ours, theirs *Compositor) {
	t.Helper()
	make := func(goMsgauth bool) *Compositor {
		return sampleCompositor(t, func(o *CompositorOptions) {
			o.Signers, o.Now, o.GoMsgauth = keys, now, goMsgauth
			o.MailtoUnsubscribe = func(id notifier.DeliveryID) string { return "mailto:leave+" + id.String() + "@in.example.com" }
			if change != nil {
				change(o)
			}
		})
	}
	return make(false), make(true)
}

// sameSecond composes with both until neither saw the second change: t= is
// the one thing that go-msgauth does not take from our clock.
func sameSecond(t testing.TB, ours, theirs *Compositor, m *notifier.Message) (a, b []byte) {
	t.Helper()
	for range 5 {
		before := time.Now().Unix()
		x, err := ours.Compose(m)
		if err != nil {
			t.Fatal(err)
		}
		y, err := theirs.Compose(m)
		if err != nil {
			t.Fatal(err)
		}
		if a, b = x.Data, y.Data; time.Now().Unix() == before {
			break
		}
	}
	return a, b
}

// shapes are letters of every kind that could trip a signer.
func shapes() map[string]*notifier.Letter {
	out := map[string]*notifier.Letter{}
	add := func(name string, change func(*notifier.Letter)) {
		l := sampleLetter()
		l.Key = name
		change(l)
		out[name] = l
	}
	add("sample", func(*notifier.Letter) {})
	add("text only", func(l *notifier.Letter) { l.HTML = "" })
	add("html only", func(l *notifier.Letter) { l.Text = "" })
	add("one letter", func(l *notifier.Letter) { l.Text, l.HTML = "x", "" })
	add("only empty lines", func(l *notifier.Letter) { l.Text, l.HTML = "\n\n\n", "" })
	add("only spaces", func(l *notifier.Letter) { l.Text, l.HTML = "   \n \t \n", "" })
	add("empty lines around", func(l *notifier.Letter) { l.Text, l.HTML = "\n\n\nx\n\n\n", "" })
	add("no line end", func(l *notifier.Letter) { l.Text, l.HTML = "a\nb", "" })
	add("indented", func(l *notifier.Letter) {
		l.HTML = "<table>\n    <tr>\n\t\t<td>  a  \t b</td>   \n" + strings.Repeat(" ", 200) + "</tr>\n"
	})
	add("dots", func(l *notifier.Letter) { l.Text = ".\n..\n.x\n" + strings.Repeat(".", 200) + "\n." })
	add("long words", func(l *notifier.Letter) { l.Text = strings.Repeat("x", 5000) + " " + sampleMark })
	add("other scripts", func(l *notifier.Letter) {
		l.Subject = strings.Repeat("Störung 障害 авария ", 12)
		l.Text = l.Subject + sampleMark
	})
	add("long subject", func(l *notifier.Letter) { l.Subject = strings.Repeat("wort ", 100) + "ende" })
	add("spaces in the subject", func(l *notifier.Letter) { l.Subject = "a   b \u00a0 c    " + strings.Repeat("d    e ", 20) })
	add("subject like a header", func(l *notifier.Letter) { l.Subject = "Subject: From: x: y;b=z; =?x" })
	add("mark in the subject", func(l *notifier.Letter) { l.Subject = strings.Repeat("some words ", 6) + sampleMark + " and more" })
	add("mark everywhere", func(l *notifier.Letter) {
		l.Text = strings.Repeat(sampleMark+" ", 30) + strings.Repeat(sampleMark, 30)
	})
	add("two marks", func(l *notifier.Letter) {
		l.Blanks = append(l.Blanks, notifier.Blank{Mark: "other-Mark-of-some-length_0123456789abcdefgh"})
		l.Text += l.Blanks[1].Mark + sampleMark + l.Blanks[1].Mark
	})
	add("no blanks", func(l *notifier.Letter) { l.Blanks, l.ListUnsubscribe = nil, "" })
	add("no list", func(l *notifier.Letter) { l.ListUnsubscribe, l.Lane = "", notifier.LaneConfirm })
	add("bulk", func(l *notifier.Letter) { l.Lane = notifier.LaneBulk })
	add("no thread", func(l *notifier.Letter) { l.ThreadID, l.PreviousID = "", "" })
	add("first of a thread", func(l *notifier.Letter) { l.PreviousID = "" })
	pages, _ := filepath.Glob("../../templates/testdata/*.html")
	for _, page := range pages {
		html, _ := os.ReadFile(page)
		text, _ := os.ReadFile(strings.TrimSuffix(page, "html") + "txt")
		add(filepath.Base(page), func(l *notifier.Letter) { l.HTML, l.Text = string(html), string(text) })
	}
	add("long", func(l *notifier.Letter) { *l = *longLetter(); l.Key = "long" })
	return out
}

// The strongest that can be said of a second signer: it writes what the first
// one writes, to the byte, for each key, and a receiver agrees.
func TestOurSignaturesAreGoMsgauthsToTheByte(t *testing.T) {
	keys := sampleKeys(t)
	zone := published(t, keys)
	for _, from := range []string{"", strings.Repeat("Störung ", 20), "Status, Example"} {
		for _, life := range []time.Duration{0, 240 * time.Hour} {
			ours, theirs := twins(t, keys, time.Now, func(o *CompositorOptions) { o.From.Name, o.SignatureLife = strings.TrimSpace(from), life })
			for name, l := range shapes() {
				if strings.HasSuffix(name, ".html") && (from != "" || life == 0) {
					continue // our own templates: once is enough
				}
				a, b := sameSecond(t, ours, theirs, sampleMessage(l))
				if !bytes.Equal(a, b) {
					t.Errorf("%s:\n%s\n-- go-msgauth:\n%s", name, a, b)
				}
				if !bothHold(t, zone, a) {
					t.Errorf("%s: %v", name, verdicts(t, zone, a))
				}
				if sk, err := ours.build(l); err != nil || sk.canonical == nil {
					t.Errorf("%s is left to go-msgauth, %v", name, err)
				}
			}
		}
	}
}

func TestASelectorOfAnyLengthIsFoldedAsGoMsgauthFoldsIt(t *testing.T) {
	signer := sampleKeys(t)[0].Signer
	for n := 1; n < 63; n += 3 {
		keys := []Key{{Domain: strings.Repeat("d", n) + ".example.com", Selector: strings.Repeat("s", n), Signer: signer}}
		ours, theirs := twins(t, keys, time.Now, nil)
		if a, b := sameSecond(t, ours, theirs, sampleMessage(sampleLetter())); !bytes.Equal(a, b) {
			t.Errorf("%d:\n%s\n-- go-msgauth:\n%s", n, a, b)
		}
	}
}

func TestTheTimeOfASignatureIsTheCompositorsClock(t *testing.T) {
	keys := sampleKeys(t)
	at := time.Date(2026, 11, 23, 16, 11, 5, 999, time.UTC)
	ours, _ := twins(t, keys, func() time.Time { return at }, func(o *CompositorOptions) { o.SignatureLife = time.Hour })
	data := composed(t, ours, sampleLetter()).Data
	if found := regexp.MustCompile(` t=1795450265; v=1; x=1795453865;`).FindAll(data, -1); len(found) != 2 {
		t.Errorf("%d of 2 signatures carry it:\n%s", len(found), data)
	}
	if again := composed(t, ours, sampleLetter()).Data; !bytes.Equal(data, again) {
		t.Error("the same mail at the same instant is signed differently")
	}
}

// Whatever is written and whoever reads it: go-msgauth verifies what we sign.
func TestAnyLetterForAnyReaderIsSignedSoThatItVerifies(t *testing.T) {
	keys := sampleKeys(t)
	keys = keys[:1]
	for _, k := range sampleKeys(t) {
		if a, _ := newCanonicalSigner(k); a.algorithm == "ed25519-sha256" {
			keys = []Key{k} // the quick one; the text is what is tried here
		}
	}
	zone := published(t, keys)
	c, _ := twins(t, keys, sampleTime, nil)
	white := rapid.StringOfN(rapid.SampledFrom([]rune{' ', '\t', '\n', '\r', '.', '=', 'a', 'ü', '\u00a0', '\u3000'}), 0, 120, -1)
	any := rapid.OneOf(white, rapid.String(), rapid.Just(sampleMark))
	letters := 0
	rapid.Check(t, func(rt *rapid.T) {
		l := sampleLetter()
		letters++
		l.Key = fmt.Sprint(letters)
		l.Subject = strings.Map(func(r rune) rune {
			if refuseControls(string(r)) != nil {
				return ' '
			}
			return r
		}, "x"+rapid.OneOf(white, rapid.String()).Draw(rt, "subject"))
		l.Text = strings.Join(rapid.SliceOfN(any, 1, 5).Draw(rt, "text"), "")
		l.HTML = strings.Join(rapid.SliceOfN(any, 0, 5).Draw(rt, "html"), "")
		m := sampleMessage(l)
		m.Fill[0] = rapid.StringMatching(`[A-Za-z0-9_-]{44}`).Draw(rt, "token")
		m.To = rapid.StringMatching(`[a-z0-9.!#$%&'*+/=?^{|}~-]{1,60}@[a-z0-9.-]{1,100}`).Draw(rt, "to")
		e, err := c.Compose(m)
		if err != nil {
			rt.Skip(err)
		}
		if v := verdicts(t, zone, e.Data); len(v) != 1 || v[0] != nil {
			rt.Fatalf("%v\n%q", v, e.Data)
		}
		if sk, _ := c.build(l); sk.canonical == nil {
			rt.Fatalf("left to go-msgauth: %q", e.Data)
		}
	})
}

func FuzzWhatIsSignedVerifies(f *testing.F) {
	var keys []Key
	for _, k := range sampleKeys(f) {
		if a, _ := newCanonicalSigner(k); a.algorithm == "ed25519-sha256" {
			keys = append(keys, k)
		}
	}
	zone := published(f, keys)
	c, _ := twins(f, keys, sampleTime, nil)
	for _, l := range shapes() {
		f.Add(l.Subject, l.Text, l.HTML)
	}
	f.Fuzz(func(t *testing.T, subject, text, html string) {
		l := sampleLetter()
		l.Key, l.Subject, l.Text, l.HTML = subject+"\x00"+text+"\x00"+html, subject, text, html
		e, err := c.Compose(sampleMessage(l))
		if err != nil {
			return
		}
		if v := verdicts(t, zone, e.Data); len(v) != 1 || v[0] != nil {
			t.Fatalf("%v\n%q", v, e.Data)
		}
		if sk, _ := c.build(l); sk.canonical == nil {
			t.Fatalf("left to go-msgauth: %q", e.Data)
		}
	})
}

func TestAMailForOneReaderIsNotProvenFirst(t *testing.T) {
	keys := sampleKeys(t)
	c := sampleCompositor(t, func(o *CompositorOptions) { o.Signers = keys })
	l := sampleLetter()
	l.Key = ""
	if sk, err := c.build(l); err != nil || sk.canonical != nil {
		t.Errorf("%v", err)
	}
	if data := composed(t, c, l).Data; !bothHold(t, published(t, keys), data) {
		t.Errorf("%s", data)
	}
}

// What cannot be proven is signed all the same, by go-msgauth.
func TestAMailThatIsNotCanonicalIsLeftToGoMsgauth(t *testing.T) {
	keys := sampleKeys(t)
	c := sampleCompositor(t, func(o *CompositorOptions) { o.Signers = keys })
	l := sampleLetter()
	for what, spoil := range map[string]func(*skeleton){
		"no end of the header": func(sk *skeleton) { sk.pieces = sk.pieces[:1] },
		"a header twice": func(sk *skeleton) {
			sk.pieces[0].text = append([]byte("From: x@example.com\r\n"), sk.pieces[0].text...)
			for i := range sk.pieces[0].patches {
				sk.pieces[0].patches[i].at += len("From: x@example.com\r\n")
			}
		},
		"a line without a name": func(sk *skeleton) { sk.pieces[0].text = append([]byte(": x\r\n"), sk.pieces[0].text...) },
		"a value where white space is": func(sk *skeleton) {
			last := &sk.pieces[len(sk.pieces)-1]
			last.patches = append(last.patches, patch{at: bytes.Index(last.text, []byte("\r\n")), n: 2, value: valueReader})
		},
	} {
		sk, err := c.build(l)
		if err != nil {
			t.Fatal(err)
		}
		spoil(sk)
		if form, err := sk.makeCanonical(); err == nil {
			t.Errorf("%s: taken for canonical: %s", what, form.names)
		}
		if form, err := c.provenCanonical(sk); form != nil || err == nil {
			t.Errorf("%s: proven", what)
		}
	}
	sk, err := c.build(l)
	if err != nil {
		t.Fatal(err)
	}
	sk.canonical.names += ":X-Other"
	in := sampleFilling(sk)
	w := workbench{}
	if err := w.sign(sk.canonical, &in, c.keys, time.Now(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	sk.signs = append(sk.signs, "X-Other")
	sk.canonical = nil
	data, err := c.signed(nil, sk, &in, time.Time{})
	if err != nil || !bothHold(t, published(t, keys), data) || !bytes.Contains(data, []byte(":X-Other;")) {
		t.Errorf("%v: %s", err, data)
	}
}

func TestWhyAMailIsLeftToGoMsgauthIsLoggedForWhoLooks(t *testing.T) {
	var out bytes.Buffer
	c := sampleCompositor(t, func(o *CompositorOptions) {
		o.Signers = sampleKeys(t)
		o.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	if _, err := c.build(sampleLetter()); err != nil || out.Len() > 0 {
		t.Fatalf("%v, and logged %s", err, &out)
	}
	c.keys[0].Signer = showing{"no key"}
	sk, err := c.build(sampleLetter())
	if err != nil || sk.canonical != nil {
		t.Fatalf("%v", err)
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=DEBUG") || !strings.Contains(got, "sign with") {
		t.Errorf("logged %q", got)
	}
}

// wrongSigner answers with a signature of something else, as a library with a fault may.
type wrongSigner struct{ crypto.Signer }

func (s wrongSigner) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.Signer.Sign(r, bytes.Repeat([]byte{1}, len(digest)), opts)
}

func TestASignerThatSignsWronglyStopsTheStart(t *testing.T) {
	for _, k := range sampleKeys(t) {
		k.Signer = wrongSigner{k.Signer}
		for _, goMsgauth := range []bool{false, true} {
			o := CompositorOptions{From: sampleCompositor(t, nil).o.From, Now: sampleTime, Signers: []Key{k}, GoMsgauth: goMsgauth}
			if _, err := NewCompositor(o); err == nil || !strings.Contains(err.Error(), "sign with "+k.String()+": the signature does not hold") {
				t.Errorf("%s: %v", k, err)
			}
		}
	}
}

func TestASignerThatFailsLaterFailsTheMail(t *testing.T) {
	k := sampleKeys(t)[0]
	s := &failingLater{Signer: k.Signer}
	k.Signer = s
	c := sampleCompositor(t, func(o *CompositorOptions) { o.Signers = []Key{k} })
	s.fails = true
	if e, err := c.Compose(sampleMessage(sampleLetter())); err == nil || !strings.Contains(err.Error(), k.String()) {
		t.Errorf("%v, %q", err, e.Data)
	}
}

type failingLater struct {
	crypto.Signer
	fails bool
}

func (s *failingLater) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if s.fails {
		return nil, errors.New("token removed")
	}
	return s.Signer.Sign(r, digest, opts)
}

// freeSigner costs nothing: what is left is DKIM's own work.
type freeSigner struct {
	crypto.Signer
	signature []byte
}

func (s freeSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return s.signature, nil
}

// Filling in and signing a mail of 10 kB and one of 2 kB for two keys, without
// what RSA and Ed25519 cost themselves.
func BenchmarkSignNothing(b *testing.B) {
	keys := sampleKeys(b)
	for name, letter := range map[string]*notifier.Letter{"2kB": sampleLetter(), "10kB": longLetter()} {
		for who, goMsgauth := range map[string]bool{"ours": false, "go-msgauth": true} {
			c := sampleCompositor(b, func(o *CompositorOptions) { o.Signers, o.GoMsgauth = keys, goMsgauth })
			for i := range keys {
				free := freeSigner{keys[i].Signer, make([]byte, map[string]int{"rsa-sha256": 256, "ed25519-sha256": 64}[c.keys[i].algorithm])}
				c.keys[i].Signer = free
			}
			c.o.Signers = nil
			for _, k := range c.keys {
				c.o.Signers = append(c.o.Signers, k.Key)
			}
			m := sampleMessage(letter)
			b.Run(who+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Compose(m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
