package email

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"allclear/notifier"
)

// writeHeader writes the header in an order of our own, so that equal letters
// give equal bytes.
func (c *Compositor) writeHeader(w *skeletonWriter, l *notifier.Letter, mime encoded) {
	w.field("Date").value(valueDate, len(dateLayout))
	w.line(c.from)
	w.field("To").cut(holeTo)
	w.field("Subject").marked(strings.TrimPrefix(foldAtSpaces("Subject: "+mime.subject), "Subject: "))

	w.field("Message-ID").text("<"+l.EventID+".").value(valueReader, readerWidth).text("@" + c.domain + ">")
	if l.ThreadID != "" || l.PreviousID != "" {
		root, previous := "<"+l.ThreadID+"@"+c.domain+">", "<"+l.PreviousID+"."
		w.field("References")
		switch l.PreviousID {
		case "":
			w.text(root)
			w.field("In-Reply-To").text(root)
		default:
			if l.ThreadID != "" {
				w.text(root + "\r\n ")
			}
			w.text(previous).value(valueReader, readerWidth).text("@" + c.domain + ">")
			w.field("In-Reply-To").text(previous).value(valueReader, readerWidth).text("@" + c.domain + ">")
		}
	}

	w.line(c.list)
	if l.ListUnsubscribe != "" {
		w.field("List-Unsubscribe").text("<").marked(l.ListUnsubscribe).text(">")
		if c.o.MailtoUnsubscribe != nil {
			w.text(",\r\n <").cut(holeMailto).text(">")
		}
		w.line("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
	}
	// RFC 3834, and what Exchange and older vacation programs look at instead.
	w.line("Auto-Submitted: auto-generated")
	w.line("X-Auto-Response-Suppress: All")
	switch l.Lane {
	case notifier.LaneConfirm:
		// One mail for one person who just asked for it is neither list nor bulk.
	case notifier.LaneBulk:
		w.line("Precedence: bulk")
	default:
		w.line("Precedence: list")
	}
	w.line("Feedback-ID: " + l.EventID + ":" + string(l.Type) + ":" + l.Lane.String() + ":allclear")
	w.line("MIME-Version: 1.0")
	w.line(foldAtSpaces("Content-Type: " + mime.contentType))
	if mime.transfer != "" {
		w.line("Content-Transfer-Encoding: " + mime.transfer)
	}
	w.endField()
}

// foldAtSpaces puts a CRLF before spaces so that lines stay within 78
// characters where the text lets them (RFC 5322 section 2.2.3). Unfolding gives
// back the same text.
func foldAtSpaces(line string) string {
	var out strings.Builder
	start, candidate := 0, -1
	name := strings.IndexByte(line, ':')
	for i := range len(line) {
		if line[i] == ' ' && i > name+1 && line[i-1] != ' ' && i+1 < len(line) && line[i+1] != ' ' {
			if i-start > 78 && candidate > start {
				out.WriteString(line[start:candidate] + "\r\n")
				start = candidate
			}
			candidate = i
		}
	}
	if len(line)-start > 78 && candidate > start {
		out.WriteString(line[start:candidate] + "\r\n")
		start = candidate
	}
	out.WriteString(line[start:])
	return out.String()
}

// encodableSubject returns s as jordan-wright/email is to get it. It encodes
// whatever is not ASCII, but lets an ASCII text that looks like an encoded word
// through, which a reader would then decode: that is encoded here.
func encodableSubject(s string) string {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "=?") {
		return s
	}
	var words []string
	for s != "" {
		n := min(len(s), 45)
		for n < len(s) && n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(words, " ")
}

// refuseControls keeps line breaks and other control characters out of headers.
func refuseControls(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("is not valid UTF-8")
	}
	for i, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("holds a line break or another control character at byte %d", i)
		}
	}
	return nil
}

// refuseAddress lets through only what can stand in a header and an SMTP
// command without quoting. Addresses were checked when they came in; this is
// the last door, and it holds whatever came before.
func refuseAddress(s string) error {
	at := strings.IndexByte(s, '@')
	switch {
	case len(s) > 254:
		return fmt.Errorf("address has %d bytes; at most 254 are allowed (RFC 5321)", len(s))
	case at < 1 || at == len(s)-1 || at > 64:
		return errors.New("address has no name of 1 to 64 bytes before one @ and a domain behind it")
	}
	for i := range len(s) {
		ch := s[i]
		switch {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9', ch == '.', ch == '-', ch == '_', i == at:
		case i < at && strings.IndexByte("!#$%&'*+/=?^`{|}~", ch) >= 0:
		default:
			return fmt.Errorf("address holds the byte %#02x at %d, which is not allowed there", ch, i)
		}
	}
	return nil
}

// MessageID is the Message-ID of the mail that tells a reader of an event,
// where mail comes from this address.
func MessageID(from, event string, reader int64) string {
	text := readerText(reader)
	return "<" + event + "." + string(text[:]) + "@" + strings.ToLower(from[strings.LastIndexByte(from, '@')+1:]) + ">"
}

// dotAtom reports whether s can stand in a Message-ID or List-Id as it is.
func dotAtom(s string) bool {
	for i := range len(s) {
		if !(s[i] == '.' && i > 0 && i < len(s)-1 && s[i-1] != '.') && !markByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// webLink and mailtoLink report whether s can stand in angle brackets in
// List-Unsubscribe (RFC 2369): visible ASCII, no brackets, no comma or space.
func webLink(s string) bool {
	return (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) && linkText(s)
}

func mailtoLink(s string) bool { return strings.HasPrefix(s, "mailto:") && linkText(s) }

func linkText(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`<>,"\`, s[i]) >= 0 {
			return false
		}
	}
	return len(s) <= 900
}

func asciiOnly(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// markText reports whether s consists of A-Z a-z 0-9 _ - only, which
// quoted-printable and URLs carry unchanged.
func markText(s string) bool {
	for i := range len(s) {
		if !markByte(s[i]) {
			return false
		}
	}
	return true
}

func markByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b == '-'
}
