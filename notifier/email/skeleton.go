package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	jordan "github.com/jordan-wright/email"

	"allclear/notifier"
)

// skeleton is a mail with everything in it that readers of one letter share.
// What differs has a fixed width and is copied over its place, apart from two
// holes (the recipient and the mailto link) that cut the text into pieces.
type skeleton struct {
	pieces []piece
	size   int      // bytes, without what goes into the holes
	blanks []int    // widths of the letter's blanks
	signs  []string // header names for the signers
	// canonical is the same as it is signed; nil where go-msgauth signs.
	canonical *canonical
	mailto    bool // it has a hole for the mailto link
}

// piece is a stretch of text and the hole behind it.
type piece struct {
	text    []byte
	patches []patch
	hole    hole
}

type hole int

const (
	holeNone hole = iota
	holeTo
	holeMailto
)

// patch is a run of bytes in a piece that is overwritten: by n bytes of a value
// from its byte skip on. A mark that quoted-printable folded has several patches.
type patch struct {
	at, skip, n int
	value       int // index into Message.Fill, or one of the two below
}

const (
	valueDate   = -1
	valueReader = -2
)

// dateLayout is RFC 5322's, always in UTC and so always equally wide.
const dateLayout = "Mon, 02 Jan 2006 15:04:05 +0000"

// readerWidth is that of the largest reader number in base 36.
const readerWidth = 7

// filling is what one mail differs in.
type filling struct {
	message *notifier.Message
	at      time.Time
	mailto  string

	date   [len(dateLayout)]byte
	reader [readerWidth]byte
}

// fill appends one reader's mail to dst.
func (s *skeleton) fill(dst []byte, in *filling) ([]byte, error) {
	values := in.message.Fill
	if len(values) != len(s.blanks) {
		return nil, fmt.Errorf("%d values for %d blanks", len(values), len(s.blanks))
	}
	for i, v := range values {
		if len(v) != s.blanks[i] {
			return nil, fmt.Errorf("value of blank %d has %d characters, its mark %d", i, len(v), s.blanks[i])
		}
		if !markText(v) {
			return nil, fmt.Errorf("value of blank %d holds something else than A-Z a-z 0-9 _ -", i)
		}
	}
	in.at.UTC().AppendFormat(in.date[:0], dateLayout)
	in.reader = readerText(in.message.Delivery.Reader())
	return in.pour(dst, s.pieces), nil
}

// pour appends the pieces to dst with everything filled in that fill has looked at.
func (in *filling) pour(dst []byte, pieces []piece) []byte {
	for i := range pieces {
		p := &pieces[i]
		start := len(dst)
		dst = append(dst, p.text...)
		for _, x := range p.patches {
			to := dst[start+x.at : start+x.at+x.n]
			switch x.value {
			case valueDate:
				copy(to, in.date[x.skip:])
			case valueReader:
				copy(to, in.reader[x.skip:])
			default:
				copy(to, in.message.Fill[x.value][x.skip:])
			}
		}
		switch p.hole {
		case holeTo:
			dst = append(dst, in.message.To...)
		case holeMailto:
			dst = append(dst, in.mailto...)
		}
	}
	return dst
}

// readerText writes a reader's number in base 36, always equally wide.
func readerText(n int64) (out [readerWidth]byte) {
	for i := readerWidth - 1; i >= 0; i-- {
		out[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[n%36]
		n /= 36
	}
	return out
}

// build makes the skeleton of l.
func (c *Compositor) build(l *notifier.Letter) (*skeleton, error) {
	if err := checkLetter(l); err != nil {
		return nil, err
	}
	mime, err := encodeBody(l)
	if err != nil {
		return nil, err
	}
	outer, files, err := attach(l, mime)
	if err != nil {
		return nil, err
	}
	w := &skeletonWriter{marks: marksOf(l)}
	c.writeHeader(w, l, outer)
	w.text("\r\n")
	if files != nil {
		w.mixed(files, mime)
	} else {
		w.body(mime)
	}
	sk, err := w.finish()
	if err != nil {
		return nil, err
	}
	sk.signs = signedNames(w.names)
	// Proving takes as long as go-msgauth's signing: for one reader it is not worth it.
	if l.Key != "" && len(c.keys) > 0 && !c.o.GoMsgauth {
		if sk.canonical, err = c.provenCanonical(sk); err != nil {
			c.o.Log.Debug("go-msgauth signs each mail of a letter, which takes longer", "event", notifier.Clip(l.EventID), "error", err)
		}
	}
	return sk, nil
}

// encoded is what jordan-wright/email makes of a letter, taken apart.
type encoded struct {
	subject     string // value, RFC 2047
	contentType string
	transfer    string // Content-Transfer-Encoding; "" for a multipart
	boundary    string // "" where there is one part only
	body        []byte
}

// encodeBody lets jordan-wright/email write the MIME text. Only Subject, the
// content headers and the body are taken from it: its order of headers is
// random, it cuts addresses at commas and does not fold (see writeHeader).
func encodeBody(l *notifier.Letter) (encoded, error) {
	m := jordan.NewEmail()
	m.From = "skeleton@localhost"
	m.Subject = encodableSubject(l.Subject)
	m.Text, m.HTML = []byte(l.Text), []byte(l.HTML)
	// Given, so that it neither asks the clock nor the host's name.
	m.Headers.Set("Message-Id", "<skeleton@localhost>")
	m.Headers.Set("Date", dateLayout)
	raw, err := m.Bytes()
	if err != nil {
		return encoded{}, fmt.Errorf("encode MIME: %w", err)
	}
	head, body, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !ok {
		return encoded{}, errors.New("encode MIME: no end of the header")
	}
	out := encoded{body: body}
	unfolded := strings.ReplaceAll(string(head), "\r\n ", " ")
	for _, line := range strings.Split(unfolded, "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "Subject":
			out.subject = value
		case "Content-Type":
			out.contentType = value
		case "Content-Transfer-Encoding":
			out.transfer = value
		}
	}
	if _, random, ok := strings.Cut(out.contentType, "boundary="); ok {
		// The same letter gives the same bytes, whichever process builds it.
		sum := sha256.Sum256([]byte(l.Text + "\x00" + l.HTML))
		out.boundary = hex.EncodeToString(sum[:])[:len(random)]
		out.contentType = strings.Replace(out.contentType, random, out.boundary, 1)
		out.body = bytes.ReplaceAll(body, []byte(random), []byte(out.boundary))
	}
	out.body = hideDots(out.body)
	return out, nil
}

// hideDots escapes a dot at the beginning of a line. No line of ours then looks
// like the end of DATA, however carelessly a server on the way reads lines, and
// nothing needs dot-stuffing. A line that would grow beyond quoted-printable's
// 76 characters is folded behind the dot.
func hideDots(body []byte) []byte {
	if !bytes.HasPrefix(body, []byte(".")) && !bytes.Contains(body, []byte("\n.")) {
		return body
	}
	var out []byte
	for len(body) > 0 {
		end := bytes.IndexByte(body, '\n') + 1
		if end == 0 {
			end = len(body)
		}
		for body[0] == '.' {
			out, body, end = append(out, "=2E"...), body[1:], end-1
			if len(bytes.TrimRight(body[:end], "\r\n"))+3 <= 76 {
				break
			}
			out = append(out, "=\r\n"...)
		}
		out, body = append(out, body[:end]...), body[end:]
	}
	return out
}

// checkLetter refuses what must not come near a header, and marks that could be
// mistaken for one another.
func checkLetter(l *notifier.Letter) error {
	if l.Text == "" && l.HTML == "" {
		return errors.New("letter has neither text nor HTML")
	}
	for name, id := range map[string]string{"event": l.EventID, "previous event": l.PreviousID, "thread": l.ThreadID} {
		if id == "" && name != "event" {
			continue
		}
		if !dotAtom(id) || len(id) > 128 {
			return fmt.Errorf("id of the %s %q cannot stand in a Message-ID", name, notifier.Clip(id))
		}
	}
	if err := refuseControls(l.Subject); err != nil {
		return fmt.Errorf("subject %w", err)
	}
	if strings.TrimSpace(l.Subject) == "" {
		return errors.New("subject is empty")
	}
	if l.ListUnsubscribe != "" && !webLink(l.ListUnsubscribe) {
		return fmt.Errorf("unsubscribe link %q is not an absolute http(s) address of plain ASCII", notifier.Clip(l.ListUnsubscribe))
	}
	if l.Type != "" && !dotAtom(string(l.Type)) {
		return fmt.Errorf("event type %q cannot stand in a header", notifier.Clip(string(l.Type)))
	}
	for i, b := range l.Blanks {
		if b.Mark == "" || !markText(b.Mark) {
			return fmt.Errorf("mark of blank %d must consist of A-Z a-z 0-9 _ -", i)
		}
		for j, other := range l.Blanks {
			if i != j && strings.Contains(other.Mark, b.Mark) {
				return fmt.Errorf("marks of blanks %d and %d contain one another", i, j)
			}
		}
		if strings.Contains(l.Subject, b.Mark) && (!asciiOnly(l.Subject) || strings.Contains(l.Subject, "=?")) {
			return fmt.Errorf("blank %d stands in a subject that has to be encoded", i)
		}
	}
	return nil
}
