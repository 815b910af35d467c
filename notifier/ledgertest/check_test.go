package ledgertest

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestANewerPostMayTellOfAnOlderOneAndNobodyIsLost(t *testing.T) {
	l := Open(t, readers(2))
	l.Says("outage", "incident-1")
	l.Says("over", "incident-1")
	l.Accepted("outage", "one")
	l.Accepted("over", "two")
	c := dial(t, l)
	both := letter(2, "over")
	both.text += "\r\nbefore that: outage"
	c.send(letter(1, "outage"))
	c.send(letter(1, "over"))
	c.send(both)
	l.Check(t, Faults{Counts: func(event string) (map[string]int64, error) {
		if event == "one" {
			return map[string]int64{"sent": 1, "superseded": 1}, nil
		}
		return map[string]int64{"sent": 2}, nil
	}})
	if got := kinds(l, Faults{Counts: func(string) (map[string]int64, error) { return nil, errors.New("no answer") }}); !slices.Equal(got, []Kind{Miscounted}) {
		t.Errorf("counts that nobody answers: %v", got)
	}
}

func TestAReaderWhomTheRelayRefusesForGoodNeedNotBeTold(t *testing.T) {
	l, f := two(t, 1)
	l.Commands(func(_ int, command string) string {
		if strings.Contains(command, "quail2@") {
			return "550 5.1.1 no such user"
		}
		return ""
	})
	c := dial(t, l)
	c.send(letter(1, "outage"))
	c.expect("MAIL FROM:<status@status.test>", 250)
	c.expect("RCPT TO:<quail2@example.com>", 550)
	c.expect("RSET", 250)
	f.Counts = func(string) (map[string]int64, error) { return map[string]int64{"sent": 1, "failed": 1}, nil }
	l.Check(t, f)
	f.Counts = func(string) (map[string]int64, error) { return map[string]int64{"sent": 1, "held": 1}, nil }
	if got := kinds(l, f); !slices.Equal(got, []Kind{Miscounted}) {
		t.Errorf("one waits for ever: %v", got)
	}
	f.Unfinished = true
	l.Check(t, f)
}

func TestAConversationCutInAMailIsNoMail(t *testing.T) {
	l, _ := two(t, 0)
	c := dial(t, l)
	c.expect("MAIL FROM:<status@status.test>", 250)
	c.expect("RCPT TO:<quail1@example.com>", 250)
	c.expect("DATA", 354)
	if err := c.PrintfLine("To: quail1@example.com"); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	dial(t, l).expect("QUIT", 221)
	if n := l.Count(); n != 0 {
		t.Errorf("%d mails were written down", n)
	}
}

func BenchmarkReading(b *testing.B) {
	l := Open(b, readers(100_000))
	l.Says("outage", "incident-1")
	content := []byte("To: quail1@example.com\r\nMessage-ID: <1@x>\r\n\r\n" + strings.Repeat("a word or two=20and a=\r\n longer line of them\r\n", 200))
	b.SetBytes(int64(len(content)))
	var scratch []byte
	for b.Loop() {
		m := Mail{To: "quail1@example.com"}
		scratch = l.read(&m, content, scratch)
	}
}
