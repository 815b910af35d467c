package email

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"

	"allclear/notifier"
)

// Bounds of one reply. RFC 5321 allows 512 bytes a line; a relay that talks
// without end must not cost memory.
const (
	replyLine  = 4096 // the reader's buffer; one line fits or the reply is refused
	replyLines = 128
	replyKept  = 600 // of its text; a Receipt holds at most 500
)

var (
	errReplyTooLong = errors.New("the relay's reply has no end")
	errReplyGarbled = errors.New("the relay's reply is not SMTP")
)

// reply is one answer of a relay. It is read into again and again, so that the
// good ones cost nothing.
type reply struct {
	code     int
	enhanced [3]int // RFC 3463; zero where there is none
	text     []byte // lines joined by a space, without the codes
}

// read reads one whole reply. each, where not nil, sees the text of every line.
func (rp *reply) read(r *bufio.Reader, each func(line []byte)) error {
	rp.code, rp.enhanced, rp.text = 0, [3]int{}, rp.text[:0]
	for n := 0; n < replyLines; n++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return errReplyTooLong
		}
		if err != nil {
			if errors.Is(err, io.EOF) && len(line) > 0 {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		line = line[:len(line)-1]
		if len(line) > 0 && line[len(line)-1] == '\r' {
			line = line[:len(line)-1]
		}
		more, err := rp.addLine(line, n == 0, each)
		if err != nil || !more {
			return err
		}
	}
	return errReplyTooLong
}

// addLine takes one line without its end; more says that the reply goes on.
func (rp *reply) addLine(line []byte, first bool, each func([]byte)) (more bool, err error) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !digit(line[1]) || !digit(line[2]) {
		return false, errReplyGarbled
	}
	code := int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if !first && code != rp.code {
		return false, errReplyGarbled
	}
	rp.code = code
	rest := line[3:]
	if len(rest) > 0 {
		if rest[0] != ' ' && rest[0] != '-' {
			return false, errReplyGarbled
		}
		more = rest[0] == '-'
		rest = rest[1:]
	}
	if each != nil {
		each(rest)
	}
	if ec, n := parseEnhanced(rest); n > 0 && ec[0] == code/100 {
		rp.enhanced = ec
		rest = rest[n:]
		if len(rest) > 0 {
			rest = rest[1:]
		}
	}
	if len(rp.text) > 0 && len(rp.text) < replyKept && len(rest) > 0 {
		rp.text = append(rp.text, ' ')
	}
	rp.text = append(rp.text, rest[:min(len(rest), replyKept-len(rp.text))]...)
	return more, nil
}

// parseEnhanced reads "class.subject.detail" (RFC 2034) at the start of a
// line, followed by a space or the line's end; n is its length, 0 for none.
func parseEnhanced(b []byte) (ec [3]int, n int) {
	part, digits := 0, 0
	for ; n < len(b) && b[n] != ' '; n++ {
		switch c := b[n]; {
		case digit(c) && digits < 3:
			ec[part] = ec[part]*10 + int(c-'0')
			digits++
		case c == '.' && digits > 0 && part < 2:
			part, digits = part+1, 0
		default:
			return [3]int{}, 0
		}
	}
	if part != 2 || digits == 0 {
		return [3]int{}, 0
	}
	return ec, n
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// ok reports a positive answer to a command that is not DATA.
func (rp *reply) ok() bool { return rp.code/100 == 2 }

// enhancedText is "5.1.1", or "" for none.
func (rp *reply) enhancedText() string {
	if rp.enhanced[0] == 0 {
		return ""
	}
	b := make([]byte, 0, 11)
	for i, n := range rp.enhanced {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}

// String is the reply on one line, clipped: "550 5.1.1 no such mailbox".
func (rp *reply) String() string {
	var buf [replyKept + 24]byte
	b := strconv.AppendInt(buf[:0], int64(rp.code), 10)
	for i, n := range rp.enhanced {
		if rp.enhanced[0] == 0 {
			break
		}
		b = append(b, " ."[min(i, 1)])
		b = strconv.AppendInt(b, int64(n), 10)
	}
	if len(rp.text) > 0 {
		b = append(b, ' ')
		b = append(b, rp.text...)
	}
	// Plain ASCII of a fit length, which is nearly every reply, needs no look at its runes.
	for _, c := range b {
		if c < 0x20 || c >= 0x7f || len(b) > 500 {
			return notifier.Clip(string(b))
		}
	}
	return string(b)
}

// queueID finds the relay's own name for the message in its answer to the final
// dot, as the common servers write it; "" where it tells none.
func queueID(answer string) string {
	const postfix = "queued as "
	if i := strings.Index(answer, postfix); i >= 0 {
		return idAt(answer[i+len(postfix):])
	}
	lower := strings.ToLower(answer)
	for _, mark := range []string{
		postfix,       // Postfix, Haraka, maddy
		"internalid=", // Exchange
		" id=",        // Exim
	} {
		if i := strings.Index(lower, mark); i >= 0 {
			return idAt(answer[i+len(mark):])
		}
	}
	if i := strings.Index(lower, " message accepted for delivery"); i > 0 { // Sendmail, OpenSMTPD
		before := strings.Fields(answer[:i])
		if id := idAt(before[len(before)-1]); strings.Trim(id, "0123456789.") != "" { // not the reply's code
			return id
		}
	}
	words := strings.Fields(answer)
	if n := len(words); n > 1 && strings.EqualFold(words[n-2], "ok") && strings.ContainsAny(words[n-1], "0123456789") {
		return idAt(words[n-1]) // Amazon SES: "250 Ok 0100018c..."
	}
	return ""
}

// idAt is the run of characters that ids are made of at the start of s, at most 100.
func idAt(s string) string {
	n := 0
	for n < len(s) && n < 100 {
		c := s[n]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || digit(c) || strings.IndexByte("-_.+/=@", c) >= 0) {
			break
		}
		n++
	}
	return strings.TrimRight(s[:n], ".")
}
