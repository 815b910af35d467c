package ledgertest

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"allclear/notifier/email/emailtest"
)

// client is one connection to a ledger.
type client struct {
	t *testing.T
	*textproto.Conn
}

func dial(t *testing.T, l *Ledger) *client {
	t.Helper()
	conn, err := textproto.Dial("tcp", l.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, conn}
	t.Cleanup(func() { _ = c.Close() })
	c.expect("", 220)
	c.expect("EHLO me.test", 250)
	return c
}

func (c *client) expect(command string, code int) {
	c.t.Helper()
	if command != "" {
		if err := c.PrintfLine("%s", command); err != nil {
			c.t.Fatal(err)
		}
	}
	if _, _, err := c.ReadResponse(code); err != nil {
		c.t.Fatalf("%s: %v", command, err)
	}
}

// mail is what letter makes a mail of.
type mail struct{ to, id, text string }

// letter is a mail for reader n of post mark, as it should be.
func letter(n int, mark string) mail {
	return mail{fmt.Sprintf("quail%d@example.com", n), fmt.Sprintf("<%s.%d@status.test>", mark, n), fmt.Sprintf("news: %s\r\nleave: http://h/unsubscribe/tok_%d=\r\n-x", mark, n)}
}

// send transmits a mail and returns the code of the answer to its dot; 0 for none.
func (c *client) send(m mail) int {
	c.t.Helper()
	c.expect("MAIL FROM:<status@status.test>", 250)
	c.expect("RCPT TO:<"+m.to+">", 250)
	c.expect("DATA", 354)
	w := c.DotWriter()
	fmt.Fprintf(w, "To: %s\r\nMessage-ID: %s\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%s\r\n.dot\r\n", m.to, m.id, m.text)
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	code, _, err := c.ReadResponse(0)
	if err != nil && code == 0 {
		_ = c.Close()
	}
	return code
}

// readers are quail1 to quailN.
func readers(n int) []Reader {
	var out []Reader
	for i := 1; i <= n; i++ {
		out = append(out, Reader{fmt.Sprintf("quail%d@example.com", i), []string{fmt.Sprintf("quail%d", i), fmt.Sprintf("tok_%d-x", i)}})
	}
	return out
}

// kinds are the kinds of what the ledger complains of, each once.
func kinds(l *Ledger, f Faults) []Kind {
	var out []Kind
	for _, c := range l.Complaints(f) {
		if !slices.Contains(out, c.Kind) {
			out = append(out, c.Kind)
		}
	}
	slices.Sort(out)
	return out
}

// two is a ledger of two readers and one accepted post, outage, whose counts are these.
func two(t *testing.T, sent int64) (*Ledger, Faults) {
	l := Open(t, readers(2))
	l.Says("outage", "incident-1")
	l.Accepted("outage", "event-1")
	return l, Faults{Counts: func(string) (map[string]int64, error) {
		return map[string]int64{"sent": sent, "pending": 0}, nil
	}}
}

func TestALedgerWithoutFaultsHasNoComplaint(t *testing.T) {
	l, f := two(t, 2)
	c := dial(t, l)
	for n := 1; n <= 2; n++ {
		if code := c.send(letter(n, "outage")); code != 250 {
			t.Fatalf("answered %d", code)
		}
	}
	c.expect("QUIT", 221)
	l.Check(t, f)
	l.Wait(2)
	m := l.Mails()[1]
	if m.Connection != 1 || m.Nth != 2 || m.To != "quail2@example.com" || m.ID != "<outage.2@status.test>" || m.newest() != 0 || m.At.IsZero() || m.Answer == "" {
		t.Errorf("written down: %+v", m)
	}
}

// A checker that cannot complain proves nothing.
func TestEachThingThatMustNotHappenIsReported(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(t *testing.T, l *Ledger)
		counts  int64
		want    []Kind
	}{
		"a mail is lost": {func(t *testing.T, l *Ledger) {
			dial(t, l).send(letter(1, "outage"))
		}, 1, []Kind{Lost, Miscounted}},
		"a mail is refused and never sent again": {func(t *testing.T, l *Ledger) {
			l.Before(func(m Mail) string { return map[bool]string{true: "451 4.3.0 later"}[m.Nth == 2] })
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
		}, 1, []Kind{Lost, Miscounted}},
		"a mail gets no answer and is never sent again": {func(t *testing.T, l *Ledger) {
			l.Before(func(m Mail) string { return map[bool]string{true: emailtest.Drop}[m.Nth == 2] })
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
		}, 1, []Kind{Lost, Miscounted}},
		"another's address stands in a mail": {func(t *testing.T, l *Ledger) {
			c := dial(t, l)
			m := letter(1, "outage")
			m.text += "\r\nCc: quail2@example.com"
			c.send(m)
			c.send(letter(2, "outage"))
		}, 2, []Kind{Leaked}},
		"another's link stands in a mail": {func(t *testing.T, l *Ledger) {
			c := dial(t, l)
			m := letter(1, "outage")
			m.text = letter(2, "outage").text
			c.send(m)
			c.send(letter(2, "outage"))
		}, 2, []Kind{Leaked}},
		"a look at what a mail holds finds fault": {func(t *testing.T, l *Ledger) {
			l.Inspect(func(to string, content []byte) string {
				if to == "quail1@example.com" && strings.Contains(string(content), "\r\n.dot\r\n") {
					return "it has a dot"
				}
				return ""
			})
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
		}, 2, []Kind{Leaked}},
		"a mail goes to another than it was made for": {func(t *testing.T, l *Ledger) {
			c := dial(t, l)
			c.send(letter(2, "outage"))
			m := letter(1, "outage")
			c.expect("MAIL FROM:<status@status.test>", 250)
			c.expect("RCPT TO:<quail1@example.com>", 250)
			c.expect("DATA", 354)
			w := c.DotWriter()
			fmt.Fprintf(w, "To: quail2@example.com\r\nMessage-ID: %s\r\n\r\n%s\r\n", m.id, letter(2, "outage").text)
			_ = w.Close()
			c.expect("", 250)
		}, 2, []Kind{Leaked}},
		"a repeat has another Message-ID": {func(t *testing.T, l *Ledger) {
			l.Before(func(m Mail) string { return map[bool]string{true: emailtest.Drop}[m.Connection == 1] })
			m := letter(1, "outage")
			dial(t, l).send(m)
			m.id = "<outage.1.again@status.test>"
			c := dial(t, l)
			c.send(m)
			c.send(letter(2, "outage"))
		}, 2, []Kind{Renamed}},
		"two readers get one Message-ID": {func(t *testing.T, l *Ledger) {
			c := dial(t, l)
			c.send(letter(1, "outage"))
			m := letter(2, "outage")
			m.id = letter(1, "outage").id
			c.send(m)
		}, 2, []Kind{Renamed}},
		"a mail is repeated though nothing was cut": {func(t *testing.T, l *Ledger) {
			c := dial(t, l)
			c.send(letter(2, "outage"))
			c.send(letter(1, "outage"))
			dial(t, l).send(letter(1, "outage"))
		}, 2, []Kind{Repeated}},
		"a mail goes to a stranger": {func(t *testing.T, l *Ledger) {
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
			c.send(letter(3, "outage"))
		}, 2, []Kind{Uninvited}},
		"a mail goes to one whom the post does not concern": {func(t *testing.T, l *Ledger) {
			l.Says("repair", "incident-2", "quail2@example.com")
			l.Accepted("repair", "")
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
			c.send(letter(1, "repair"))
			c.send(letter(2, "repair"))
		}, 2, []Kind{Uninvited}},
		"a mail is of no post": {func(t *testing.T, l *Ledger) {
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
			c.send(letter(1, "nonsense"))
		}, 2, []Kind{Unfounded}},
		"a mail is of a post that was refused": {func(t *testing.T, l *Ledger) {
			l.Says("draft", "incident-2")
			l.Refused("draft")
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
			c.send(letter(1, "draft"))
		}, 2, []Kind{Unfounded}},
		"a post without an answer reaches half": {func(t *testing.T, l *Ledger) {
			l.Says("perhaps", "incident-2")
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
			c.send(letter(1, "perhaps"))
		}, 2, []Kind{Half}},
		"the end comes before the beginning": {func(t *testing.T, l *Ledger) {
			l.Says("over", "incident-1")
			l.Accepted("over", "")
			c := dial(t, l)
			for n := 1; n <= 2; n++ {
				c.send(letter(n, "over"))
				c.send(letter(n, "outage"))
			}
		}, 2, []Kind{Reversed}},
		"the counts are too high": {func(t *testing.T, l *Ledger) {
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
		}, 3, []Kind{Miscounted}},
		"the counts are too low": {func(t *testing.T, l *Ledger) {
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
		}, 1, []Kind{Miscounted}},
	} {
		t.Run(name, func(t *testing.T) {
			l, f := two(t, c.counts)
			c.happens(t, l)
			slices.Sort(c.want)
			if got := kinds(l, f); !slices.Equal(got, c.want) {
				t.Errorf("complaints %v, want %v: %v", got, c.want, l.Complaints(f))
			}
		})
	}
}

func TestARepeatIsExcusedByAFaultThatExplainsIt(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(t *testing.T, l *Ledger)
		f       Faults
		want    []Kind
	}{
		"the relay gave no answer": {func(t *testing.T, l *Ledger) {
			l.Before(func(m Mail) string { return map[bool]string{true: emailtest.Drop}[m.Connection == 1] })
			dial(t, l).send(letter(1, "outage"))
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
		}, Faults{}, nil},
		"the relay refused it for a while": {func(t *testing.T, l *Ledger) {
			l.Before(func(m Mail) string { return map[bool]string{true: "451 4.3.0 later"}[m.Nth == 1] })
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
		}, Faults{}, nil},
		"a kill with one connection in flight": {func(t *testing.T, l *Ledger) {
			dial(t, l).send(letter(1, "outage"))
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
		}, Faults{Doubts: 1}, nil},
		"a kill does not explain two": {func(t *testing.T, l *Ledger) {
			dial(t, l).send(letter(1, "outage"))
			dial(t, l).send(letter(1, "outage"))
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
		}, Faults{Doubts: 1}, []Kind{Repeated}},
		"a kill does not explain what another mail followed": {func(t *testing.T, l *Ledger) {
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
			dial(t, l).send(letter(1, "outage"))
		}, Faults{Doubts: 8}, []Kind{Repeated}},
		"unless the journal was lost": {func(t *testing.T, l *Ledger) {
			c := dial(t, l)
			c.send(letter(1, "outage"))
			c.send(letter(2, "outage"))
			dial(t, l).send(letter(1, "outage"))
		}, Faults{Doubts: 8, Anywhere: true}, nil},
		"a loss of the machine, once for what was on the wire or not settled": {func(t *testing.T, l *Ledger) {
			for range 2 {
				c := dial(t, l)
				c.send(letter(1, "outage"))
				c.send(letter(2, "outage"))
			}
		}, Faults{Doubts: 2, Anywhere: true}, nil},
		"a loss of the machine does not explain one more": {func(t *testing.T, l *Ledger) {
			for range 2 {
				c := dial(t, l)
				c.send(letter(1, "outage"))
				c.send(letter(2, "outage"))
			}
		}, Faults{Doubts: 1, Anywhere: true}, []Kind{Repeated}},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := two(t, 2)
			c.happens(t, l)
			if got := kinds(l, c.f); !slices.Equal(got, c.want) {
				t.Errorf("complaints %v, want %v: %v", got, c.want, l.Complaints(c.f))
			}
		})
	}
}
