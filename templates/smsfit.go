package templates

import (
	"strings"
	"unicode/utf16"
)

// gsm7 and gsm7Twice are the default alphabet of GSM 03.38 and its extension,
// whose characters count twice.
const (
	gsm7      = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsm7Twice = "\f^{}\\[~]|€"
)

// typographic are characters that have a plain twin in the alphabet.
var typographic = strings.NewReplacer(
	"‘", "'", "’", "'", "‚", "'", "‛", "'", "´", "'", "`", "'", "“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`,
	"–", "-", "—", "-", "‐", "-", "‑", "-", "−", "-", "…", "...", "•", "-", "·", "-", "\u00a0", " ", "\u202f", " ", "\u2009", " ", "\u200b", "",
	"á", "a", "â", "a", "ã", "a", "ç", "Ç", "ê", "e", "ë", "e", "í", "i", "î", "i", "ï", "i", "ó", "o", "ô", "o", "õ", "o", "ú", "u", "û", "u", "œ", "oe", "ÿ", "y",
	"Á", "A", "À", "A", "Â", "A", "È", "E", "Ê", "E", "Ë", "E", "Í", "I", "Î", "I", "Ï", "I", "Ó", "O", "Ô", "O", "Ú", "U", "Ù", "U", "Û", "U", "Œ", "OE",
)

// septets is how much room s takes in the alphabet; false where it has other characters.
func septets(s string) (int, bool) {
	n := 0
	for _, r := range s {
		switch {
		case strings.ContainsRune(gsm7, r):
			n++
		case strings.ContainsRune(gsm7Twice, r):
			n += 2
		default:
			return 0, false
		}
	}
	return n, true
}

// smsPlain is s with plain twins for its characters, where that makes it fit
// the alphabet; else s.
func smsPlain(s string) string {
	if plain := typographic.Replace(s); plain != s {
		if _, ok := septets(plain); ok {
			return plain
		}
	}
	return s
}

// segments is how many parts s is sent as. Where a part ends at a character of
// two places, one of them stays empty.
func segments(s string) int {
	if n, ok := septets(s); ok {
		return pieces(n, 160, 152)
	}
	return pieces(len(utf16.Encode([]rune(s))), 70, 66)
}

func pieces(n, one, many int) int {
	if n <= one {
		return 1
	}
	return (n + many - 1) / many
}
