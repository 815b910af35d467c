package email

import (
	"bytes"
	"io"
	"net"
	"sync"
)

// transcript writes down a conversation as it is spoken inside TLS, one line at
// a time: "C: " is ours, "S: " the relay's. What belongs to AUTH is hidden.
// A nil transcript writes nothing.
type transcript struct {
	mu sync.Mutex
	w  io.Writer
}

// tap lets t listen on conn; with a nil t it is conn itself.
func (t *transcript) tap(conn net.Conn) net.Conn {
	if t == nil {
		return conn
	}
	return &tapped{Conn: conn, t: t}
}

// note writes a remark of our own, such as that TLS begins.
func (t *transcript) note(text string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.w, "   "+text+"\n")
}

// line writes one line of a conversation. Each has its own place between AUTH
// and its end: others speak at the same time.
func (c *tapped) line(ours bool, line []byte) {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	who := "S: "
	if ours {
		who = "C: "
	}
	switch {
	case ours && c.hidden:
		line = []byte("(hidden)")
	case ours && len(line) >= 5 && bytes.EqualFold(line[:5], []byte("AUTH ")):
		c.hidden = true
		mech, _, _ := bytes.Cut(line[5:], []byte(" "))
		line = append([]byte("AUTH "), append(bytes.Clone(mech), " (hidden)"...)...)
	case !ours && c.hidden && !bytes.HasPrefix(line, []byte("334")):
		c.hidden = false
	}
	_, _ = c.t.w.Write(append(append([]byte(who), line...), '\n'))
}

type tapped struct {
	net.Conn
	t           *transcript
	hidden      bool   // between AUTH and its end
	read, wrote []byte // the lines that are not complete yet
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read = c.lines(false, c.read, p[:n])
	return n, err
}

func (c *tapped) Write(p []byte) (int, error) {
	// Before it is sent, so that the answer cannot be written down first.
	c.wrote = c.lines(true, c.wrote, p)
	return c.Conn.Write(p)
}

// lines writes the complete lines of kept and p, and returns the rest.
func (c *tapped) lines(ours bool, kept, p []byte) []byte {
	kept = append(kept, p...)
	for {
		end := bytes.IndexByte(kept, '\n')
		if end < 0 && len(kept) < replyLine {
			return kept
		}
		if end < 0 {
			end = len(kept) - 1
		}
		c.line(ours, bytes.TrimRight(kept[:end+1], "\r\n"))
		kept = append(kept[:0], kept[end+1:]...)
	}
}
