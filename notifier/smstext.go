package notifier

import (
	"strings"
	"unicode"
)

// TextEncoding is how a text message is written on the air.
type TextEncoding string

// The encodings of text messages.
const (
	GSM7 TextEncoding = "gsm7" // 3GPP TS 23.038, 7 bits a character
	UCS2 TextEncoding = "ucs2" // 16 bits a UTF-16 unit
)

// TextSize is what a text message takes.
type TextSize struct {
	Encoding TextEncoding
	Segments int // parts that are sent, and charged
	Units    int // septets or UTF-16 units
}

// gsm7Basic and gsm7Extended are the default alphabet and its extension, whose
// characters take two septets (3GPP TS 23.038, 6.2.1).
const (
	gsm7Basic    = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsm7Extended = "\f^{}\\[~]|€"
)

// plainTwins are characters that have a plain twin in the alphabet.
var plainTwins = strings.NewReplacer(
	"‘", "'", "’", "'", "‚", "'", "‛", "'", "´", "'", "`", "'", "“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`,
	"–", "-", "—", "-", "‐", "-", "‑", "-", "−", "-", "‒", "-", "―", "-", "…", "...", "•", "-", "·", "-", "\u00a0", " ", "\u202f", " ", "\u2009", " ", "\u2002", " ", "\u2003", " ", "\u200a", " ", "\u3000", " ", "\u200b", "", "\u00ad", "", "\u2060", "", "\ufeff", "", "‹", "'", "›", "'", "′", "'", "″", `"`,
	"á", "a", "â", "a", "ã", "a", "ç", "c", "ê", "e", "ë", "e", "í", "i", "î", "i", "ï", "i", "ó", "o", "ô", "o", "õ", "o", "ú", "u", "û", "u", "œ", "oe", "ÿ", "y",
	"Á", "A", "À", "A", "Â", "A", "È", "E", "Ê", "E", "Ë", "E", "Í", "I", "Î", "I", "Ï", "I", "Ó", "O", "Ô", "O", "Ú", "U", "Ù", "U", "Û", "U", "Œ", "OE",
)

// PlainText is s with plain twins for its typographic characters, where that
// makes it fit GSM-7; else s.
func PlainText(s string) string {
	if plain := plainTwins.Replace(s); plain != s && fitsGSM7(plain) {
		return plain
	}
	return s
}

func fitsGSM7(s string) bool {
	for _, r := range s {
		if septets(r) == 0 {
			return false
		}
	}
	return true
}

// septets is how much room a character takes in GSM-7; 0: it is not of it.
func septets(r rune) int {
	switch {
	case strings.ContainsRune(gsm7Basic, r):
		return 1
	case strings.ContainsRune(gsm7Extended, r):
		return 2
	}
	return 0
}

// The room in a part, in bits: of a message alone, and of one of several, which
// begins with a header of 6 bytes.
const (
	partBits   = 140 * 8
	headerBits = 6 * 8
)

// MeasureText tells what s takes as a text message. No character is torn in two
// by the end of a part, and none that people see as one.
func MeasureText(s string) TextSize {
	size := TextSize{Encoding: GSM7, Segments: 1}
	bits := 7
	if !fitsGSM7(s) {
		size.Encoding, bits = UCS2, 16
	}
	var widths []int
	for _, c := range seenAsOne(s) {
		n := 0
		for _, r := range c {
			switch {
			case size.Encoding == GSM7:
				n += septets(r)
			case r > 0xffff:
				n += 2
			default:
				n++
			}
		}
		size.Units += n
		widths = append(widths, n*bits)
	}
	if size.Units*bits <= partBits {
		return size
	}
	left := partBits - headerBits
	for _, w := range widths {
		if w > left {
			size.Segments++
			left = partBits - headerBits
		}
		left -= w
	}
	return size
}

const joiner = '\u200d'

// seenAsOne cuts s where people see one character end: a base with its marks,
// its skin tone or what is joined to it, and the two letters of a flag (the
// rules of UAX #29 that matter for emoji).
func seenAsOne(s string) []string {
	var out []string
	start, flag := 0, false
	var last rune
	for i, r := range s {
		region := r >= 0x1f1e6 && r <= 0x1f1ff
		switch {
		case i == 0:
		case unicode.Is(unicode.M, r), r == joiner, r >= 0x1f3fb && r <= 0x1f3ff, r >= 0xe0020 && r <= 0xe007f, last == joiner && r > 0x2000, region && flag:
			flag, last = false, r
			continue
		default:
			out = append(out, s[start:i])
			start = i
		}
		flag, last = region, r
	}
	return append(out, s[start:])
}
