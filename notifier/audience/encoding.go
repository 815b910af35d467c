package audience

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"allclear/notifier"
)

// The encodings. utf16Any is what is asked for; a file is one of the two others.
const (
	utf8Name    = "utf-8"
	utf16Any    = "utf-16"
	utf16LE     = "utf-16le"
	utf16BE     = "utf-16be"
	windows1252 = "windows-1252"
)

// noText are the beginnings of files that hold a table and are not text.
var noText = []struct{ begins, says string }{
	{"PK\x03\x04", "the file is an Excel workbook or an archive; save the table as CSV"},
	{"\xd0\xcf\x11\xe0", "the file is an old Excel workbook; save the table as CSV"},
	{"\x1f\x8b", "the file is compressed with gzip; unpack it first"},
	{"<", "the file is a web page or XML; save the table as CSV"},
}

// encodingOf tells the encoding of a file by its first bytes and what was
// given, and how long its byte order mark is.
func encodingOf(first []byte, given string) (encoding string, mark int, bad *notifier.Invalid) {
	for _, n := range noText {
		if bytes.HasPrefix(first, []byte(n.begins)) {
			return "", 0, notifier.Invalidf("line 1", "%s", n.says)
		}
	}
	switch {
	case bytes.HasPrefix(first, []byte("\xef\xbb\xbf")):
		return utf8Name, 3, nil
	case bytes.HasPrefix(first, []byte("\xff\xfe")):
		return utf16LE, 2, nil
	case bytes.HasPrefix(first, []byte("\xfe\xff")):
		return utf16BE, 2, nil
	}
	// A name of a column, or the { of an object, begins with ASCII: in UTF-16
	// one of its two bytes is 0.
	if given == "" || given == utf16Any {
		switch {
		case len(first) > 1 && first[0] == 0 && first[1] != 0:
			return utf16BE, 0, nil
		case len(first) > 1 && first[0] != 0 && first[1] == 0, given == utf16Any:
			return utf16LE, 0, nil
		}
		return utf8Name, 0, nil
	}
	return given, 0, nil
}

// What a scan of text found.
const (
	hasControl = 1 << iota // C0 but tab and LF, and DEL
	hasHigh                // beyond ASCII
)

var marks = func() (m [256]byte) {
	for i := range m {
		switch {
		case i >= utf8.RuneSelf:
			m[i] = hasHigh
		case i < ' ' && i != '\t' && i != '\n', i == 0x7f:
			m[i] = hasControl
		}
	}
	return m
}()

// scan tells what kinds of bytes are in text.
func scan(text []byte) (found byte) {
	for _, b := range text {
		found |= marks[b]
	}
	return found
}

// decode appends raw to dst as UTF-8 and tells whether it was what encoding
// says. Where it was not, what could not be read is U+FFFD, but for UTF-8, which
// stays as it is.
func decode(dst, raw []byte, encoding string) (out []byte, found byte, ok bool) {
	from := len(dst)
	switch encoding {
	case utf16LE, utf16BE:
		dst, ok = decode16(dst, raw, encoding == utf16BE)
		return dst, scan(dst[from:]), ok
	case windows1252:
		if found = scan(raw); found&hasHigh == 0 {
			return append(dst, raw...), found, true
		}
		for _, b := range raw {
			if b < utf8.RuneSelf {
				dst = append(dst, b)
				continue
			}
			dst = utf8.AppendRune(dst, charmap.Windows1252.DecodeByte(b))
		}
		return dst, found, true
	}
	found = scan(raw)
	return append(dst, raw...), found, found&hasHigh == 0 || utf8.Valid(raw)
}

// decode16 appends UTF-16 as UTF-8. The decoder of x/text makes U+FFFD of half
// a surrogate pair and does not tell, and a name that lost a letter must not go out.
func decode16(dst, raw []byte, big bool) ([]byte, bool) {
	unit := func(i int) rune {
		if big {
			return rune(binary.BigEndian.Uint16(raw[i:]))
		}
		return rune(binary.LittleEndian.Uint16(raw[i:]))
	}
	ok := len(raw)%2 == 0
	for i := 0; i+1 < len(raw); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if i+3 < len(raw) {
				pair = utf16.DecodeRune(r, unit(i+2))
			}
			if r = pair; r == utf8.RuneError {
				ok = false
			} else {
				i += 2
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, ok
}

// mixed tells that text, which is not valid UTF-8, holds characters beyond
// ASCII that are: the file is UTF-8 then, and this row was damaged on its way.
func mixed(text []byte) bool {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if n > 1 && r != utf8.RuneError {
			return true
		}
		text = text[n:]
	}
	return false
}
