package email

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"allclear/notifier"
)

// Envelope is one mail as it goes to a relay: the two addresses of MAIL and
// RCPT, and the content with CRLF line ends, not dot-stuffed.
type Envelope struct {
	From, To string
	Data     []byte

	room *[]byte // Data's, where it may be used again; see Compositor.release
}

// check is the last look before the wire. Whoever made the envelope has checked
// already; this is where a slip would become a second recipient or a smuggled
// message, so nothing is taken on trust. dots tells whether a line begins with a dot.
func (e *Envelope) check() (dots bool, err error) {
	if why := unfitForWire(e.From); why != "" {
		return false, &notifier.SendError{Fault: notifier.FaultOurs, Permanent: true, Stage: "mail", Err: errors.New("envelope sender " + why)}
	}
	if why := unfitForWire(e.To); why != "" {
		return false, &notifier.SendError{Fault: notifier.FaultRecipient, Permanent: true, Stage: "rcpt", Err: errors.New("recipient's address " + why)}
	}
	dots, err = scanContent(e.Data)
	if err != nil {
		return false, &notifier.SendError{Fault: notifier.FaultOurs, Permanent: true, Stage: "data", Err: err}
	}
	return dots, nil
}

// unfitForWire says why an address must not stand between < and > of a MAIL or
// RCPT command, or "". Space and > would begin parameters (`x@y> NOTIFY=NEVER`),
// CR and LF commands. The sentence does not repeat the address.
func unfitForWire(a string) string {
	at := strings.LastIndexByte(a, '@')
	switch {
	case len(a) > 254:
		return "is longer than 254 bytes"
	case at <= 0 || at == len(a)-1:
		return "is not of the form name@domain"
	}
	for i := 0; i < len(a); i++ {
		switch c := a[i]; {
		case c <= ' ' || c >= 0x7f:
			return fmt.Sprintf("holds the byte %#02x", c)
		case c == '<' || c == '>' || c == '"' || c == '\\' || c == ',' || c == ';':
			return fmt.Sprintf("holds the character %q", c)
		}
	}
	return ""
}

var errNoContent = errors.New("the mail has no content")

// scanContent refuses what is not made of CRLF lines. A bare CR or LF is read as
// a line end by some servers and not by others, which is how one message is
// smuggled inside another.
func scanContent(data []byte) (dots bool, err error) {
	if len(data) == 0 {
		return false, errNoContent
	}
	lines := 0
	for at := 0; ; {
		if at < len(data) && data[at] == '.' {
			dots = true
		}
		n := bytes.IndexByte(data[at:], '\n')
		if n < 0 {
			break
		}
		at += n
		if at == 0 || data[at-1] != '\r' {
			return false, fmt.Errorf("the mail's content holds a bare LF at byte %d", at)
		}
		lines++
		at++
	}
	// Every LF has its CR, so a CR too many is one without an LF.
	if bytes.Count(data, []byte{'\r'}) != lines {
		return false, errors.New("the mail's content holds a bare CR")
	}
	return dots, nil
}

// appendContent appends data as DATA wants it: dot-stuffed, ended by CRLF.CRLF.
// Hardly any mail has a line that begins with a dot, so that is known beforehand.
func appendContent(dst, data []byte, dots bool) []byte {
	if !dots {
		dst = append(dst, data...)
	}
	for dots && len(data) > 0 {
		if data[0] == '.' {
			dst = append(dst, '.')
		}
		end := bytes.IndexByte(data, '\n') + 1
		if end == 0 {
			end = len(data)
		}
		dst = append(dst, data[:end]...)
		data = data[end:]
	}
	if !bytes.HasSuffix(dst, []byte("\r\n")) {
		dst = append(dst, '\r', '\n')
	}
	return append(dst, '.', '\r', '\n')
}
