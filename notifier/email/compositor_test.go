package email

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
)

var _ Composer = (*Compositor)(nil)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	sampleMark  = "MARK_unsubscribe_0123456789abcdefghijklmnopq" // 44 characters
	sampleToken = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_aBcDeF"
)

func sampleTime() time.Time {
	return time.Date(2026, 11, 23, 17, 11, 5, 0, time.FixedZone("CET", 3600))
}

func sampleLetter() *notifier.Letter {
	return &notifier.Letter{
		Key: "event-7/en/UTC", Lane: notifier.LaneIncident, Type: notifier.IncidentUpdated,
		Subject: "[Identified] Störung: imap7 does not answer",
		Text:    "The disk shelf failed.\n\nMailboxes are opened on the replica; nothing is lost. Ünïcödé = fine.\n.\nLeave: https://status.example.com/unsubscribe/" + sampleMark + "\n",
		HTML:    `<!doctype html><html lang="en"><body><p style="color:#b3390c">The disk shelf failed.</p><p>Mailboxes are opened on the replica.</p><a href="https://status.example.com/unsubscribe/` + sampleMark + `">Leave</a></body></html>`,
		EventID: "evt_9Qk2", PreviousID: "evt_8Pj1", ThreadID: "inc_4Zt0",
		ListUnsubscribe: "https://status.example.com/unsubscribe/" + sampleMark,
		Blanks:          []notifier.Blank{{Mark: sampleMark}},
	}
}

func sampleMessage(l *notifier.Letter) *notifier.Message {
	m := &notifier.Message{
		Delivery: notifier.MakeDeliveryID(7, 3975), Lane: l.Lane, Channel: notifier.Email, To: "ada@reader.example", Letter: l,
	}
	for range l.Blanks {
		m.Fill = append(m.Fill, sampleToken)
	}
	return m
}

func sampleCompositor(t testing.TB, change func(*CompositorOptions)) *Compositor {
	t.Helper()
	o := CompositorOptions{From: mail.Address{Name: "Example Status", Address: "status@example.com"}, Now: sampleTime}
	if change != nil {
		change(&o)
	}
	c, err := NewCompositor(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func composed(t testing.TB, c *Compositor, l *notifier.Letter) Envelope {
	t.Helper()
	e, err := c.Compose(sampleMessage(l))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func parsed(t testing.TB, data []byte) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMailIsTheSameToTheByte(t *testing.T) {
	for name, letter := range map[string]*notifier.Letter{
		"incident.eml": sampleLetter(),
		"confirm.eml": {
			Lane: notifier.LaneConfirm, Type: notifier.SubscriberConfirm, EventID: "evt_c1",
			Subject: "Please confirm your subscription", Text: "Confirm: https://status.example.com/confirm/" + sampleMark,
			Blanks: []notifier.Blank{{Mark: sampleMark}},
		},
	} {
		c := sampleCompositor(t, func(o *CompositorOptions) {
			o.MailtoUnsubscribe = func(id notifier.DeliveryID) string { return "mailto:leave+" + id.String() + "@in.example.com" }
		})
		got := composed(t, c, letter).Data
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs (go test -update rewrites it):\n%s", name, got)
		}
		if again := composed(t, sampleCompositor(t, func(o *CompositorOptions) { o.MailtoUnsubscribe = c.o.MailtoUnsubscribe }), letter).Data; !bytes.Equal(got, again) {
			t.Errorf("%s: another compositor writes other bytes", name)
		}
	}
}

func TestTheHeadersSayWhatReadersProgramsNeed(t *testing.T) {
	h := parsed(t, composed(t, sampleCompositor(t, nil), sampleLetter()).Data).Header
	for name, want := range map[string]string{
		"Date":                     "Mon, 23 Nov 2026 16:11:05 +0000",
		"From":                     `"Example Status" <status@example.com>`,
		"To":                       "ada@reader.example",
		"Message-Id":               "<evt_9Qk2.000032f@example.com>",
		"References":               "<inc_4Zt0@example.com> <evt_8Pj1.000032f@example.com>",
		"In-Reply-To":              "<evt_8Pj1.000032f@example.com>",
		"List-Id":                  `"Example Status" <status.example.com>`,
		"List-Unsubscribe":         "<https://status.example.com/unsubscribe/" + sampleToken + ">",
		"List-Unsubscribe-Post":    "List-Unsubscribe=One-Click",
		"Auto-Submitted":           "auto-generated",
		"X-Auto-Response-Suppress": "All",
		"Precedence":               "list",
		"Feedback-Id":              "evt_9Qk2:incident.updated:incident:allclear",
		"Mime-Version":             "1.0",
	} {
		if got := h[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := decodedHeader(t, h.Get("Subject")); got != sampleLetter().Subject {
		t.Errorf("subject reads %q", got)
	}
}

func TestTheFirstMailOfAnIncidentHangsOnItsVirtualRoot(t *testing.T) {
	l := sampleLetter()
	l.PreviousID = ""
	h := parsed(t, composed(t, sampleCompositor(t, nil), l).Data).Header
	if r := h.Get("References"); r != "<inc_4Zt0@example.com>" || r != h.Get("In-Reply-To") {
		t.Errorf("References %q, In-Reply-To %q", r, h.Get("In-Reply-To"))
	}
	l.ThreadID = ""
	h = parsed(t, composed(t, sampleCompositor(t, func(o *CompositorOptions) {}), l).Data).Header
	if h.Get("References")+h.Get("In-Reply-To") != "" {
		t.Error("a mail of no thread refers to one")
	}
}

func TestConfirmationsAndNoticesCannotBeLeft(t *testing.T) {
	l := sampleLetter()
	l.ListUnsubscribe, l.Lane = "", notifier.LaneBulk
	h := parsed(t, composed(t, sampleCompositor(t, func(o *CompositorOptions) {
		o.MailtoUnsubscribe = func(notifier.DeliveryID) string { return "mailto:x@example.com" }
	}), l).Data).Header
	if h.Get("List-Unsubscribe")+h.Get("List-Unsubscribe-Post") != "" {
		t.Error("it carries List-Unsubscribe")
	}
	if h.Get("Precedence") != "bulk" {
		t.Errorf("a notice has Precedence %q", h.Get("Precedence"))
	}
}

func TestAnEnvelopeSenderIsMadePerDelivery(t *testing.T) {
	if e := composed(t, sampleCompositor(t, nil), sampleLetter()); e.From != "status@example.com" || e.To != "ada@reader.example" {
		t.Errorf("envelope %q to %q", e.From, e.To)
	}
	verp := func(id notifier.DeliveryID) string { return "b-" + id.String() + "@bounce.example.com" }
	if e := composed(t, sampleCompositor(t, func(o *CompositorOptions) { o.Envelope = verp }), sampleLetter()); e.From != "b-7-3975@bounce.example.com" {
		t.Errorf("envelope sender %q", e.From)
	}
	smuggle := func(notifier.DeliveryID) string { return "a@b.example> NOTIFY=NEVER" }
	c := sampleCompositor(t, func(o *CompositorOptions) { o.Envelope = smuggle })
	if _, err := c.Compose(sampleMessage(sampleLetter())); err == nil {
		t.Error("an envelope sender with parameters was let through")
	}
}

func TestANameWithCommaOrUmlautStaysOneSender(t *testing.T) {
	for _, name := range []string{"Status, Example", "Müller, Störungsdienst", `Quote " and \ slash`, strings.Repeat("Störung ", 20)} {
		c := sampleCompositor(t, func(o *CompositorOptions) { o.From.Name = strings.TrimSpace(name) })
		e := composed(t, c, sampleLetter())
		from, err := parsed(t, e.Data).Header.AddressList("From")
		if err != nil || len(from) != 1 || from[0].Name != strings.TrimSpace(name) || from[0].Address != "status@example.com" {
			t.Errorf("%q became %v, %v", name, from, err)
		}
	}
}

func TestNobodyCanPutHeadersIntoAMail(t *testing.T) {
	evil := []string{"x\r\nBcc: all@example.com", "x\nBcc: y", "x\rBcc: y", "x\x00", "x\u2028Bcc: y", "x\u0085y", "\x7f", "broken \xff"}
	for _, s := range evil {
		for field, spoil := range map[string]func(*notifier.Letter, *notifier.Message){
			"subject":     func(l *notifier.Letter, m *notifier.Message) { l.Subject = s },
			"event":       func(l *notifier.Letter, m *notifier.Message) { l.EventID = s },
			"previous":    func(l *notifier.Letter, m *notifier.Message) { l.PreviousID = s },
			"thread":      func(l *notifier.Letter, m *notifier.Message) { l.ThreadID = s },
			"type":        func(l *notifier.Letter, m *notifier.Message) { l.Type = notifier.EventType(s) },
			"unsubscribe": func(l *notifier.Letter, m *notifier.Message) { l.ListUnsubscribe = "https://" + s },
			"to":          func(l *notifier.Letter, m *notifier.Message) { m.To = s + "@example.com" },
			"to domain":   func(l *notifier.Letter, m *notifier.Message) { m.To = "a@" + s },
			"fill":        func(l *notifier.Letter, m *notifier.Message) { m.Fill[0] = s + sampleToken[len(s):] },
		} {
			l := sampleLetter()
			m := sampleMessage(l)
			spoil(l, m)
			if e, err := sampleCompositor(t, nil).Compose(m); err == nil {
				t.Errorf("%s %q was let through:\n%s", field, s, e.Data)
			}
		}
		for field, spoil := range map[string]func(*CompositorOptions){
			"from name": func(o *CompositorOptions) { o.From.Name = s },
			"from":      func(o *CompositorOptions) { o.From.Address = s + "@example.com" },
			"list name": func(o *CompositorOptions) { o.ListName = s },
			"list id":   func(o *CompositorOptions) { o.ListID = s },
		} {
			o := CompositorOptions{From: mail.Address{Name: "S", Address: "s@example.com"}, Now: sampleTime}
			spoil(&o)
			if _, err := NewCompositor(o); err == nil {
				t.Errorf("%s %q was let through", field, s)
			}
		}
		c := sampleCompositor(t, func(o *CompositorOptions) {
			o.MailtoUnsubscribe = func(notifier.DeliveryID) string { return "mailto:" + s }
		})
		if _, err := c.Compose(sampleMessage(sampleLetter())); err == nil {
			t.Errorf("mailto link %q was let through", s)
		}
	}
}

func TestABadRecipientIsThatRecipientsFault(t *testing.T) {
	for _, to := range []string{"", "a", "@b.example", "a@", "a@b@c.example", "a b@c.example", "<a@b.example>", "a@b.example>", "ä@b.example", "a,b@c.example", strings.Repeat("x", 300) + "@b.example", "a@b.example NOTIFY=NEVER"} {
		m := sampleMessage(sampleLetter())
		m.To = to
		_, err := sampleCompositor(t, nil).Compose(m)
		var se *notifier.SendError
		if !errors.As(err, &se) || se.Fault != notifier.FaultRecipient || !se.Permanent {
			t.Errorf("%q: %v", to, err)
		}
	}
}

func TestASubjectThatLooksEncodedIsShownAsItWasWritten(t *testing.T) {
	for _, s := range []string{"=?utf-8?q?=0D=0ABcc:_x?=", "Sale =?x", strings.Repeat("ü=?", 60), "plain", "  spaces   within  ", strings.Repeat("wort ", 50) + "ende"} {
		l := sampleLetter()
		l.Subject = s
		e := composed(t, sampleCompositor(t, nil), l)
		if got, want := decodedHeader(t, parsed(t, e.Data).Header.Get("Subject")), strings.TrimSpace(s); got != want {
			t.Errorf("%q reads %q", want, got)
		}
		if i := bytes.Index(e.Data, []byte("\r\n\r\n")); strings.Contains(s, "wort") {
			for _, line := range strings.Split(string(e.Data[:i]), "\r\n") {
				if len(line) > 200 {
					t.Errorf("header line of %d bytes: %s", len(line), line)
				}
			}
		}
	}
}

func TestALetterThatCannotBeFilledIsRefused(t *testing.T) {
	for what, spoil := range map[string]func(*notifier.Letter, *notifier.Message){
		"no text":       func(l *notifier.Letter, m *notifier.Message) { l.Text, l.HTML = "", "" },
		"empty subject": func(l *notifier.Letter, m *notifier.Message) { l.Subject = " " },
		"empty mark":    func(l *notifier.Letter, m *notifier.Message) { l.Blanks[0].Mark = "" },
		"mark with =":   func(l *notifier.Letter, m *notifier.Message) { l.Blanks[0].Mark = "ab=cd" },
		"nested marks": func(l *notifier.Letter, m *notifier.Message) {
			l.Blanks = append(l.Blanks, notifier.Blank{Mark: "unsub"})
		},
		"mark in coded subject": func(l *notifier.Letter, m *notifier.Message) { l.Subject = "ü " + sampleMark },
		"value too short":       func(l *notifier.Letter, m *notifier.Message) { m.Fill[0] = "short" },
		"value missing":         func(l *notifier.Letter, m *notifier.Message) { m.Fill = nil },
		"value too many":        func(l *notifier.Letter, m *notifier.Message) { m.Fill = append(m.Fill, "x") },
		"value with space":      func(l *notifier.Letter, m *notifier.Message) { m.Fill[0] = strings.Repeat(" ", 44) },
		"relative link":         func(l *notifier.Letter, m *notifier.Message) { l.ListUnsubscribe = "/unsubscribe/x" },
		"endless link": func(l *notifier.Letter, m *notifier.Message) {
			l.ListUnsubscribe = "https://x/" + strings.Repeat("y", 900)
		},
		"endless subject": func(l *notifier.Letter, m *notifier.Message) { l.Subject = strings.Repeat("y", 2000) },
		"no letter":       func(l *notifier.Letter, m *notifier.Message) { m.Letter = nil },
	} {
		l := sampleLetter()
		m := sampleMessage(l)
		spoil(l, m)
		if _, err := sampleCompositor(t, nil).Compose(m); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

func TestManyGoroutinesGetTheirOwnReadersMail(t *testing.T) {
	c := sampleCompositor(t, func(o *CompositorOptions) { o.CacheEntries = 2 })
	letters := make([]*notifier.Letter, 5)
	for i := range letters {
		letters[i] = sampleLetter()
		letters[i].Key = fmt.Sprint("letter", i)
		letters[i].Subject = fmt.Sprint("number ", i)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range 200 {
				l := letters[(g+n)%len(letters)]
				m := sampleMessage(l)
				own := fmt.Sprintf("reader-%03d-%03d-%s", g, n, strings.Repeat("z", 32))[:44]
				m.To, m.Fill[0] = fmt.Sprintf("r%d.%d@reader.example", g, n), own
				e, err := c.Compose(m)
				if err != nil {
					t.Error(err)
					return
				}
				text := strings.ReplaceAll(string(e.Data), "=\r\n", "")
				if strings.Count(text, own) != 3 || strings.Contains(text, sampleMark) || !strings.Contains(text, "To: "+m.To+"\r\n") || !strings.Contains(text, "Subject: "+l.Subject+"\r\n") {
					t.Errorf("wrong mail for %s:\n%s", m.To, e.Data)
					return
				}
			}
		}()
	}
	wg.Wait()
}

func longLetter() *notifier.Letter {
	l := sampleLetter()
	l.HTML += strings.Repeat("<p>Nothing is lost, and it will be delivered.</p>\n", 160)
	return l
}

// What a sender's goroutine does for one unsigned mail of 10 kB. The ballast
// makes the collector's rhythm that of a service, not of an empty program.
func BenchmarkComposeUnsigned(b *testing.B) {
	ballast := make([]byte, 64<<20)
	defer runtime.KeepAlive(ballast)
	now := sampleTime()
	c := sampleCompositor(b, func(o *CompositorOptions) { o.Now = func() time.Time { return now } })
	m := sampleMessage(longLetter())
	b.ReportAllocs()
	for b.Loop() {
		e, err := c.Compose(m)
		if err != nil {
			b.Fatal(err)
		}
		c.release(e) // as Sender does
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}

// The filling alone, into a buffer that is used again (as the signed way does).
func BenchmarkFill(b *testing.B) {
	c := sampleCompositor(b, nil)
	m := sampleMessage(longLetter())
	sk, err := c.build(m.Letter)
	if err != nil {
		b.Fatal(err)
	}
	in := filling{message: m, at: sampleTime()}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		if buf, err = sk.fill(buf[:0], &in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}

func BenchmarkBuildSkeleton(b *testing.B) {
	c := sampleCompositor(b, nil)
	l := longLetter()
	l.Key = ""
	m := sampleMessage(l)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Compose(m); err != nil {
			b.Fatal(err)
		}
	}
}
