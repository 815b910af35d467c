package ledgertest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"allclear/notifier/email/emailtest"
)

func (l *Ledger) accept() {
	for {
		c, err := l.l.Accept()
		if err != nil {
			return
		}
		n, ok := l.welcome(c)
		if !ok {
			_ = c.Close()
			return
		}
		l.running.Go(func() {
			(&conversation{Conn: c, l: l, n: n, in: bufio.NewReaderSize(c, 32<<10), out: bufio.NewWriterSize(c, 4<<10)}).serve()
			_ = c.Close()
			l.mu.Lock()
			delete(l.conns, c)
			l.mu.Unlock()
		})
	}
}

// welcome numbers a connection; not ok when the ledger has ended meanwhile.
func (l *Ledger) welcome(c net.Conn) (n int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return 0, false
	}
	l.dialled++
	l.conns[c] = true
	return l.dialled, true
}

// conversation is one connection. It answers as late as it can, like a relay
// with PIPELINING: when nothing more of the client's is there.
type conversation struct {
	net.Conn
	l       *Ledger
	n, nth  int
	in      *bufio.Reader
	out     *bufio.Writer
	to      string
	content []byte
	scratch []byte
}

func (c *conversation) serve() {
	if !c.reply(emailtest.Connected, "220 ledger.test ESMTP") {
		return
	}
	for {
		line, err := c.line()
		if err != nil {
			return
		}
		command := strings.TrimRight(string(line), "\r\n")
		verb, _, _ := strings.Cut(strings.ToUpper(command), " ")
		usual := "250 2.1.0 Ok"
		switch verb {
		case "EHLO":
			usual = "250-ledger.test\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES"
		case "MAIL", "RSET":
			c.to = ""
		case "RCPT":
			c.to = between(command)
		case "DATA":
			usual = "354 go ahead"
			if c.to == "" {
				usual = "554 5.5.1 no valid recipients"
			}
		case "QUIT":
			usual = "221 2.0.0 bye"
		}
		if !c.reply(command, usual) || verb == "QUIT" {
			_ = c.out.Flush()
			return
		}
	}
}

// line reads a line; what was answered goes out before it would wait.
func (c *conversation) line() ([]byte, error) {
	if c.in.Buffered() == 0 && c.out.Buffered() > 0 {
		if err := c.out.Flush(); err != nil {
			return nil, err
		}
	}
	line, err := c.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, io.ErrShortBuffer // no line of ours is so long
	}
	return line, err
}

// reply answers a command, by the script or as usual, and reads the content
// behind a DATA that was let through. false ends the conversation.
func (c *conversation) reply(command, usual string) bool {
	c.l.mu.RLock()
	answer := c.l.answer
	c.l.mu.RUnlock()
	if answer != nil {
		if said := answer(c.n, command); said != "" {
			usual = said
		}
	}
	if !c.say(usual) {
		return false
	}
	switch verb, _, _ := strings.Cut(strings.ToUpper(command), " "); {
	case verb == "RCPT" && usual[0] != '2':
		if usual[0] == '5' {
			c.l.turnAway(c.to)
		}
		c.to = ""
	case verb == "DATA" && strings.HasPrefix(usual, "354"):
		return c.take()
	}
	return true
}

// say writes a reply, or misbehaves as the words of emailtest tell; false ends the conversation.
func (c *conversation) say(reply string) bool {
	switch reply {
	case emailtest.Hang:
		_ = c.out.Flush()
		_, _ = io.Copy(io.Discard, c.in)
		return false
	case emailtest.Endless:
		for {
			if _, err := c.out.WriteString("250-and another thing\r\n"); err != nil {
				return false
			}
		}
	}
	half, drop := strings.CutSuffix(reply, emailtest.Drop)
	_, _ = c.out.WriteString(half)
	if drop {
		_ = c.out.Flush()
		return false
	}
	_, _ = c.out.WriteString("\r\n")
	if strings.HasPrefix(reply, "421") {
		_ = c.out.Flush()
		return false
	}
	return true
}

// take reads a mail to its end, writes it down, and then answers for it.
func (c *conversation) take() bool {
	c.content = c.content[:0]
	for {
		line, err := c.line()
		if err != nil {
			return false // half a mail is no mail
		}
		if string(line) == ".\r\n" {
			break
		}
		c.content = append(c.content, bytes.TrimPrefix(line, []byte("."))...)
	}
	c.nth++
	m := Mail{Connection: c.n, Nth: c.nth, To: c.to, At: time.Now()}
	c.scratch = c.l.read(&m, c.content, c.scratch)
	c.l.mu.RLock()
	inspect := c.l.inspect
	c.l.mu.RUnlock()
	if inspect != nil {
		m.Wrong = inspect(m.To, c.content)
	}
	c.to = ""
	place, script, answer := c.l.write(m)
	said := ""
	if script != nil {
		said = script(m)
	}
	if said == "" && answer != nil {
		said = answer(c.n, emailtest.Dot)
	}
	if said == "" {
		said = "250 2.0.0 Ok: queued as 4F3A2B1C"
	}
	if whole(said) {
		c.l.answered(place, said)
	}
	if said[0] == '5' {
		c.l.turnAway(m.To)
	}
	return c.say(said)
}

// whole reports whether a reply is one that a client can read to its end.
func whole(reply string) bool {
	return !strings.Contains(reply, "\x00") && len(reply) >= 3 && strings.Trim(reply[:3], "0123456789") == ""
}

func (l *Ledger) write(m Mail) (place int, script func(Mail) string, answer emailtest.Answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mails = append(l.mails, m)
	l.more.Broadcast()
	return len(l.mails) - 1, l.script, l.answer
}

func (l *Ledger) answered(place int, said string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mails[place].Answer = said
}

func (l *Ledger) turnAway(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turned[address] = true
}

func between(command string) string {
	_, rest, _ := strings.Cut(command, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}
