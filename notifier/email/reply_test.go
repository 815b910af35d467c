package email

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func readReply(text string) (reply, error) {
	var rp reply
	err := rp.read(bufio.NewReaderSize(strings.NewReader(text), replyLine), nil)
	return rp, err
}

func TestRepliesAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"250 Ok\r\n":                           "250 Ok",
		"250\r\n":                              "250",
		"250 \r\n":                             "250",
		"250 Ok\n":                             "250 Ok",
		"354 go ahead\r\n":                     "354 go ahead",
		"550 5.1.1 <a@b>: no such mailbox\r\n": "550 5.1.1 <a@b>: no such mailbox",
		"550-5.1.1 no such\r\n550 5.1.1 mailbox\r\n":                                       "550 5.1.1 no such mailbox",
		"550-no such\r\n550-\r\n550 mailbox\r\n":                                           "550 no such mailbox",
		"250 2.0.0 Ok: queued as 4F3A\r\n":                                                 "250 2.0.0 Ok: queued as 4F3A",
		"550 4.1.1 the classes differ\r\n":                                                 "550 4.1.1 the classes differ",
		"550 5.1.1.1 not an enhanced code\r\n":                                             "550 5.1.1.1 not an enhanced code",
		"421 4.3.2 shut\x07down\xff\r\n":                                                   "421 4.3.2 shut down ",
		"550 " + strings.Repeat("x", 1000) + "\r\n":                                        "550 " + strings.Repeat("x", 496),
		"250-" + strings.Repeat("a", 400) + "\r\n250 " + strings.Repeat("b", 400) + "\r\n": "250 " + strings.Repeat("a", 400) + " " + strings.Repeat("b", 95),
	} {
		rp, err := readReply(text)
		if err != nil || rp.String() != want {
			t.Errorf("%.60q: got %q, %v; want %q", text, rp.String(), err, want)
		}
	}
}

func TestTheEnhancedCodeIsToldApart(t *testing.T) {
	for text, want := range map[string]string{
		"550 5.1.1 x\r\n":     "5.1.1",
		"450 4.7.650 x\r\n":   "4.7.650",
		"550 5.7\r\n":         "",
		"550 5.1.1\r\n":       "5.1.1",
		"550 5.1234.1 x\r\n":  "",
		"550 5..1 x\r\n":      "",
		"550 4.1.1 x\r\n":     "",
		"550 hello 5.1.1\r\n": "",
	} {
		rp, err := readReply(text)
		if err != nil || rp.enhancedText() != want {
			t.Errorf("%q: got %q, %v; want %q", text, rp.enhancedText(), err, want)
		}
	}
}

func TestGarbageIsNoReply(t *testing.T) {
	for _, text := range []string{"hello\r\n", "\r\n", "25\r\n", "2x0 Ok\r\n", "150 Ok\r\n", "650 Ok\r\n", "250Ok\r\n", "250-a\r\n251 b\r\n", "250-a\r\nb\r\n"} {
		if rp, err := readReply(text); !errors.Is(err, errReplyGarbled) {
			t.Errorf("%q: got %q, %v; want it refused", text, rp.String(), err)
		}
	}
}

func TestAPartialReplyIsNoReply(t *testing.T) {
	for text, want := range map[string]error{"": io.EOF, "250 O": io.ErrUnexpectedEOF, "250-a\r\n": io.EOF} {
		if _, err := readReply(text); !errors.Is(err, want) {
			t.Errorf("%q: got %v; want %v", text, err, want)
		}
	}
}

// endless yields the same text for ever and counts how much of it was taken.
type endless struct {
	text  string
	taken int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text[(e.taken+n)%len(e.text):])
	}
	e.taken += n
	return n, nil
}

func TestAReplyWithoutEndCostsNoMemory(t *testing.T) {
	for _, text := range []string{"250-and another thing\r\n", "2", "250 "} {
		from := &endless{text: text}
		var rp reply
		err := rp.read(bufio.NewReaderSize(from, replyLine), nil)
		if err == nil || cap(rp.text) > 4*replyKept || from.taken > replyLines*replyLine {
			t.Errorf("%q: error %v, %d bytes kept, %d read", text, err, cap(rp.text), from.taken)
		}
	}
}

func TestTheQueueIDIsFound(t *testing.T) {
	for answer, want := range map[string]string{
		"250 2.0.0 Ok: queued as 4F3A2B1C":                          "4F3A2B1C",
		"250 Ok: queued as 4Q5bGv2Wc3z9vNH.":                        "4Q5bGv2Wc3z9vNH",
		"250 OK id=1rABcd-0004Xy-2F":                                "1rABcd-0004Xy-2F",
		"250 2.0.0 3ANGBx2k012345 Message accepted for delivery":    "3ANGBx2k012345",
		"250 2.0.0 9ac1c3e8 Message accepted for delivery":          "9ac1c3e8",
		"250 2.0.0 Message accepted for delivery":                   "",
		"250 Message accepted for delivery":                         "",
		"250 Ok 0100018c1f2a3b4c-5d6e-000000":                       "0100018c1f2a3b4c-5d6e-000000",
		"250 2.6.0 <a@b> [InternalId=4711, Hostname=x] Queued mail": "4711",
		"250 2.0.0 OK: queued":                                      "",
		"250 ok":                                                    "",
		"250":                                                       "",
		"250 Ok: queued as ":                                        "",
		"250 Ok: queued as \x1b[2J":                                 "",
	} {
		if got := queueID(answer); got != want {
			t.Errorf("%q: got %q; want %q", answer, got, want)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 Ok\r\n", "250-a\r\n250 b\r\n", "550 5.1.1 x\r\n", "250 2.0.0 Ok: queued as 4F\r\n", "25", "\x00\r\n", "250-" + strings.Repeat("y", 5000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		in := bufio.NewReaderSize(strings.NewReader(s), replyLine)
		var rp reply
		for rp.read(in, nil) == nil {
			if rp.code < 200 || rp.code > 599 {
				t.Fatalf("%q: code %d", s, rp.code)
			}
			text := rp.String()
			if len(text) > 500 || strings.ContainsAny(text, "\r\n\x00") || len(rp.text) > replyKept {
				t.Fatalf("%q: %d bytes, or control characters: %q", s, len(text), text)
			}
			if id := queueID(text); len(id) > 100 || !strings.Contains(text, id) {
				t.Fatalf("%q: queue id %q", s, id)
			}
			for _, stage := range []string{stageGreeting, stageAuth, stageMail, stageRcpt, stageData, stageDot} {
				if fault, permanent := verdict(stage, &rp); permanent && (fault != 0 || rp.code < 500) {
					t.Fatalf("%q at %s: permanent, fault %s", s, stage, fault)
				}
			}
		}
	})
}
