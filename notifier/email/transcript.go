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
	mu     sync.Mutex
	w      io.Writer
	hidden bool // between AUTH and its end
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

func (t *transcript) line(ours bool, line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	who := "S: "
	if ours {
		who = "C: "
	}
	switch {
	case ours && t.hidden:
		line = []byte("(hidden)")
	case ours && len(line) >= 5 && bytes.EqualFold(line[:5], []byte("AUTH ")):
		t.hidden = true
		mech, _, _ := bytes.Cut(line[5:], []byte(" "))
		line = append([]byte("AUTH "), append(bytes.Clone(mech), " (hidden)"...)...)
	case !ours && t.hidden && !bytes.HasPrefix(line, []byte("334")):
		t.hidden = false
	}
	_, _ = t.w.Write(append(append([]byte(who), line...), '\n'))
}

type tapped struct {
	net.Conn
	t           *transcript
	read, wrote []byte // the lines that are not complete yet
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read = c.t.lines(false, c.read, p[:n])
	return n, err
}

func (c *tapped) Write(p []byte) (int, error) {
	// Before it is sent, so that the answer cannot be written down first.
	c.wrote = c.t.lines(true, c.wrote, p)
	return c.Conn.Write(p)
}

// lines writes the complete lines of kept and p, and returns the rest.
func (t *transcript) lines(ours bool, kept, p []byte) []byte {
	kept = append(kept, p...)
	for {
		end := bytes.IndexByte(kept, '\n')
		if end < 0 && len(kept) < replyLine {
			return kept
		}
		if end < 0 {
			end = len(kept) - 1
		}
		t.line(ours, bytes.TrimRight(kept[:end+1], "\r\n"))
		kept = append(kept[:0], kept[end+1:]...)
	}
}
