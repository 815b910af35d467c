package audience

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

// maxRow is how long a row may be, in bytes of the file.
const maxRow = 1 << 20

// errLong is a line of more than maxRow bytes.
var errLong = fmt.Errorf("longer than %d bytes", maxRow)

// window is the part of the file that is in memory: the row at hand and, where
// its quoting is in doubt, the row behind it. It finds lines in the file's own
// bytes, before they are decoded, so that offsets are the file's and reading
// can begin again at any of them.
type window struct {
	in         io.Reader
	buf        []byte
	start, end int       // buf[start:end] was read and is not used yet
	offset     int64     // of buf[start] in the file
	err        error     // what ended the reading; io.EOF at the end of the file
	wide       bool      // UTF-16: a character is two bytes or four
	low        int       // which byte of two holds ASCII: 0 in utf-16le, 1 in utf-16be
	used       io.Writer // gets what is used, byte for byte; nil is nobody
	seen       int64     // the end of what any line was told by; past every file's where its end was
}

// unread is what is in memory and not used yet.
func (w *window) unread() []byte { return w.buf[w.start:w.end] }

// use is done with the next n bytes.
func (w *window) use(n int) {
	if w.used != nil {
		_, _ = w.used.Write(w.unread()[:n]) // a hash
	}
	w.start += n
	w.offset += int64(n)
}

// looked notes that the next n bytes told something.
func (w *window) looked(n int) { w.seen = max(w.seen, w.offset+int64(n)) }

// sawEnd notes that the end of the file did.
func (w *window) sawEnd() { w.seen = math.MaxInt64 }

// line returns the line that begins from bytes behind the unused ones' first,
// without its LF or CRLF, and where the next line begins. It reads on where needed;
// then what earlier calls returned is overwritten. At the end it returns io.EOF.
// A last line without an end is a line, one that the connection tore is not.
func (w *window) line(from int) (text []byte, next int, err error) {
	for scan := from; ; {
		if i := w.newline(scan); i >= 0 {
			w.looked(i + w.unit())
			if i-from > maxRow {
				return nil, 0, errLong
			}
			return w.trim(w.unread()[from:i]), i + w.unit(), nil
		}
		have := w.end - w.start
		switch {
		case have-from > maxRow:
			w.looked(have)
			return nil, 0, errLong
		case w.err == nil:
		case !errors.Is(w.err, io.EOF):
			return nil, 0, w.err
		case have <= from:
			if from > 0 {
				w.sawEnd()
			}
			return nil, 0, io.EOF
		case w.wide && have%2 == 1:
			return nil, 0, fmt.Errorf("the file ends in the middle of a character: %w", io.ErrUnexpectedEOF)
		default:
			w.sawEnd()
			return w.trim(w.unread()[from:]), have, nil
		}
		scan = max(from, have-1) // a line end of two bytes may be half there
		w.fill()
	}
}

// skip passes over the rest of the line, however long, in the memory there is.
func (w *window) skip() error {
	for {
		if i := w.newline(0); i >= 0 {
			w.use(i + w.unit())
			return nil
		}
		if w.err != nil {
			w.use(w.end - w.start)
			if errors.Is(w.err, io.EOF) {
				w.sawEnd()
				return nil
			}
			return w.err
		}
		have := w.end - w.start
		if w.wide {
			have &^= 1
		}
		w.use(have)
		w.fill()
	}
}

// trim takes the CR from the end of a line.
func (w *window) trim(line []byte) []byte {
	n := len(line)
	switch {
	case !w.wide:
		return bytes.TrimSuffix(line, []byte("\r"))
	case n >= 2 && line[n-2+w.low] == '\r' && line[n-1-w.low] == 0:
		return line[:n-2]
	}
	return line
}

func (w *window) unit() int {
	if w.wide {
		return 2
	}
	return 1
}

// newline is where the first line end at or behind from begins; -1 where none
// is in memory. In UTF-16 an LF is two bytes at an even place; 0x0A alone is
// half of another character.
func (w *window) newline(from int) int {
	b := w.unread()
	for from < len(b) {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1
		}
		i += from
		if !w.wide {
			return i
		}
		even := i &^ 1
		if i-even == w.low && even+1 < len(b) && b[even+1-w.low] == 0 {
			return even
		}
		from = i + 1
	}
	return -1
}

// fill reads more behind what is there.
func (w *window) fill() {
	if w.start > 0 {
		copy(w.buf, w.unread())
		w.start, w.end = 0, w.end-w.start
	}
	if w.end == len(w.buf) {
		bigger := make([]byte, max(256<<10, 2*len(w.buf)))
		copy(bigger, w.buf)
		w.buf = bigger
	}
	for range 100 {
		var n int
		n, w.err = w.in.Read(w.buf[w.end:])
		w.end += n
		if n > 0 || w.err != nil {
			return
		}
	}
	w.err = io.ErrNoProgress
}
