package email

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"allclear/notifier"
)

func decodedHeader(t testing.TB, s string) string {
	t.Helper()
	out, err := new(mime.WordDecoder).DecodeHeader(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// textAndHTML reads a mail as a reader's program does.
func textAndHTML(data []byte) (text, html string, err error) {
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return "", "", err
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return "", "", err
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	var parts [2]string
	for i := range parts {
		p, err := r.NextPart()
		if err != nil {
			return "", "", err
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return "", "", err
		}
		parts[i] = strings.ReplaceAll(string(b), "\r\n", "\n")
	}
	if _, err := r.NextPart(); !errors.Is(err, io.EOF) {
		return "", "", fmt.Errorf("a third part: %w", err)
	}
	return parts[0], parts[1], nil
}

var (
	boundaryText = regexp.MustCompile(`[0-9a-f]{60}`)
	pieceOfText  = rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("abc XYZ=.-_\t\n<>&\"äß→😀0Dd")), 0, 90, -1),
		rapid.SampledFrom([]string{"\n.\n", "\n" + strings.Repeat(".", 80), "=3D", "=\r\n", "\n\n", "From me\n", strings.Repeat("x", 75), " \n", "\t\n", "--"}),
	)
	markAlphabet = []rune("ABCDdef0123_-")
)

func TestFillingGivesTheSameBytesAsEncodingAfresh(t *testing.T) {
	c := sampleCompositor(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(rt, "blanks")
		l := sampleLetter()
		l.Key, l.Blanks, l.PreviousID = "", nil, ""
		var fill, pairs []string
		for i := range n {
			width := rapid.IntRange(1, 100).Draw(rt, "width")
			mark := fmt.Sprintf("%d", i) + rapid.StringOfN(rapid.RuneFrom(markAlphabet), width, width, -1).Draw(rt, "mark")
			value := rapid.StringOfN(rapid.RuneFrom(markAlphabet), width+1, width+1, -1).Draw(rt, "value")
			l.Blanks = append(l.Blanks, notifier.Blank{Mark: mark})
			fill, pairs = append(fill, value), append(pairs, mark, value)
		}
		for i, b := range l.Blanks {
			for j, other := range l.Blanks {
				if i != j && strings.Contains(b.Mark, other.Mark) {
					rt.Skip("marks within marks are refused")
				}
			}
		}
		write := func(label string) string {
			var b strings.Builder
			b.WriteString("x")
			for range rapid.IntRange(0, 6).Draw(rt, label) {
				b.WriteString(pieceOfText.Draw(rt, label))
				b.WriteString(l.Blanks[rapid.IntRange(0, n-1).Draw(rt, label)].Mark)
			}
			return b.String()
		}
		l.Text, l.HTML = write("text"), write("html")
		l.Subject = "s " + l.Blanks[0].Mark
		l.ListUnsubscribe = "https://x.example/" + l.Blanks[n-1].Mark

		m := sampleMessage(l)
		m.Fill = fill
		got, err := c.Compose(m)
		if err != nil {
			rt.Fatal(err)
		}
		filled := strings.NewReplacer(pairs...)
		fresh := *l
		fresh.Text, fresh.HTML, fresh.Blanks = filled.Replace(l.Text), filled.Replace(l.HTML), nil
		fresh.Subject = "s " + filled.Replace(l.Blanks[0].Mark)
		fresh.ListUnsubscribe = "https://x.example/" + filled.Replace(l.Blanks[n-1].Mark)
		want, err := c.Compose(sampleMessage(&fresh))
		if err != nil {
			rt.Fatal(err)
		}
		if g, w := boundaryText.ReplaceAllString(string(got.Data), "B"), boundaryText.ReplaceAllString(string(want.Data), "B"); g != w {
			rt.Fatalf("filled:\n%s\nfresh:\n%s", g, w)
		}
		if !strings.Contains(l.Text+l.HTML, "\r") {
			text, html, err := textAndHTML(got.Data)
			if err != nil || text != fresh.Text || html != fresh.HTML {
				rt.Fatalf("reads %q and %q (%v), want %q and %q", text, html, err, fresh.Text, fresh.HTML)
			}
		}
		wellFormed(rt, got.Data)
		if bytes.Contains(got.Data, []byte("\n.")) {
			rt.Fatalf("a line begins with a dot:\n%s", got.Data)
		}
	})
}

// wellFormed checks what must hold of every mail on the wire.
func wellFormed(t interface{ Fatalf(string, ...any) }, data []byte) {
	for _, line := range bytes.Split(data, []byte("\r\n")) {
		if len(line) > maxLine || bytes.ContainsAny(line, "\r\n\x00") {
			t.Fatalf("bad line %q", line)
		}
		for _, b := range line {
			if b >= 0x80 {
				t.Fatalf("line is not 7 bit: %q", line)
			}
		}
	}
	if !bytes.HasSuffix(data, []byte("\r\n")) {
		t.Fatalf("the mail does not end with a line break")
	}
}

func TestAMarkIsFoundWhereverTheLineBreaksFall(t *testing.T) {
	c := sampleCompositor(t, nil)
	split := 0
	for offset := range 160 {
		l := sampleLetter()
		l.Key = ""
		l.Text = strings.Repeat("y", offset) + sampleMark + "\n"
		e := composed(t, c, l)
		text, _, err := textAndHTML(e.Data)
		if err != nil || text != strings.Repeat("y", offset)+sampleToken+"\n" {
			t.Fatalf("offset %d: %q, %v", offset, text, err)
		}
		head, _, _ := bytes.Cut(e.Data, []byte("text/html"))
		if !bytes.Contains(head[bytes.Index(head, []byte("text/plain")):], []byte(sampleToken)) {
			split++
		}
	}
	if split == 0 {
		t.Error("no mark was ever split: the test tests nothing")
	}
}

func TestSmugglingSequencesDoNotReachTheWire(t *testing.T) {
	for _, s := range []string{"\n.\n", "\r.\r\n", "\r\n.\r", "\n.\r\n", "\r\n\x00.\r\n", "a\rb", "\x0b\x85"} {
		l := sampleLetter()
		l.Key = ""
		l.Text, l.HTML = "before"+s+"MAIL FROM:<x>\n", "<p>"+s+"</p>\n"
		wellFormed(t, composed(t, sampleCompositor(t, nil), l).Data)
	}
}

func TestATextAloneIsOnePart(t *testing.T) {
	l := sampleLetter()
	l.HTML = ""
	m := parsed(t, composed(t, sampleCompositor(t, nil), l).Data)
	if ct, te := m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"); ct != "text/plain; charset=UTF-8" || te != "quoted-printable" {
		t.Errorf("%q, %q", ct, te)
	}
	body, _ := io.ReadAll(m.Body)
	if text := strings.ReplaceAll(string(body), "=\r\n", ""); !strings.Contains(text, sampleToken) || strings.Contains(text, sampleMark) {
		t.Errorf("not filled:\n%s", body)
	}
}

func TestASkeletonIsBuiltOnceHoweverManyWant(t *testing.T) {
	s := newShelf(0, 0)
	var built atomic.Int32
	release := make(chan struct{})
	var wg sync.WaitGroup
	for range 16 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			sk, err := s.get("k", func() (*skeleton, error) {
				built.Add(1)
				<-release
				return &skeleton{size: 5}, nil
			})
			if err != nil || sk.size != 5 {
				t.Error(sk, err)
			}
		}()
	}
	close(release)
	wg.Wait()
	if built.Load() != 1 {
		t.Errorf("built %d times", built.Load())
	}
}

func TestTheShelfStaysWithinItsBounds(t *testing.T) {
	make1k := func() (*skeleton, error) { return &skeleton{pieces: []piece{{text: make([]byte, 1024)}}}, nil }
	s := newShelf(10<<10, 100)
	for i := range 1000 {
		if _, err := s.get(fmt.Sprint(i), make1k); err != nil {
			t.Fatal(err)
		}
		if _, err := s.get("often", make1k); err != nil {
			t.Fatal(err)
		}
	}
	if s.bytes > 10<<10 || s.order.Len() != len(s.byKey) || s.order.Len() < 3 {
		t.Errorf("%d bytes, %d entries, %d keys", s.bytes, s.order.Len(), len(s.byKey))
	}
	if _, ok := s.byKey["often"]; !ok {
		t.Error("what was used last is gone")
	}
	few := newShelf(1<<20, 3)
	for i := range 50 {
		few.get(fmt.Sprint(i), make1k)
	}
	if len(few.byKey) != 3 {
		t.Errorf("%d entries", len(few.byKey))
	}
}

func TestAFailedBuildIsTriedAgain(t *testing.T) {
	s := newShelf(0, 0)
	broken := errors.New("broken")
	if _, err := s.get("k", func() (*skeleton, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if sk, err := s.get("k", func() (*skeleton, error) { return &skeleton{}, nil }); err != nil || sk == nil {
		t.Errorf("%v, %v", sk, err)
	}
	if s.bytes <= 0 || len(s.byKey) != 1 {
		t.Errorf("%d bytes, %d keys", s.bytes, len(s.byKey))
	}
}

func TestALetterWithoutKeyLeavesNothingBehind(t *testing.T) {
	c := sampleCompositor(t, nil)
	l := sampleLetter()
	l.Key = ""
	composed(t, c, l)
	if len(c.kept.byKey) != 0 {
		t.Error("it was kept")
	}
}
