package notifier

import (
	"strings"
	"testing"
)

func TestATextMessageIsMeasuredWhereItsPartsEnd(t *testing.T) {
	for _, c := range []struct {
		text     string
		encoding TextEncoding
		segments int
		units    int
	}{
		{"", GSM7, 1, 0},
		{strings.Repeat("a", 160), GSM7, 1, 160},
		{strings.Repeat("a", 161), GSM7, 2, 161},
		{strings.Repeat("a", 306), GSM7, 2, 306},
		{strings.Repeat("a", 307), GSM7, 3, 307},
		{strings.Repeat("€", 80), GSM7, 1, 160},
		{strings.Repeat("a", 152) + "€" + strings.Repeat("a", 151), GSM7, 2, 305},
		{strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), GSM7, 3, 306}, // the second part has room for 151 behind the sign
		{strings.Repeat("ж", 70), UCS2, 1, 70},
		{strings.Repeat("ж", 71), UCS2, 2, 71},
		{strings.Repeat("🚀", 35), UCS2, 1, 70},
		{strings.Repeat("ж", 66) + "🚀" + strings.Repeat("ж", 66), UCS2, 3, 134}, // the rocket is not torn
	} {
		got := MeasureText(c.text)
		if got.Encoding != c.encoding || got.Segments != c.segments || got.Units != c.units {
			t.Errorf("%.20q (%d bytes): %+v", c.text, len(c.text), got)
		}
	}
}

func TestTypographyIsMadePlainWhereThatSavesParts(t *testing.T) {
	for in, want := range map[string]string{
		"“imap7” – it’s back…":               `"imap7" - it's back...`,
		"“почта” – назад":                    "“почта” – назад", // beyond the alphabet in any case
		"Größe: 5 €":                         "Größe: 5 €",
		"‹imap7›\u2003is\u00ad down ― 5′ 3″": `'imap7' is down - 5' 3"`,
		"café à São Paulo":                   "café à Sao Paulo",
		"façade en français, Ça va":          "facade en francais, Ça va", // there is no small one in the alphabet
	} {
		if got := PlainText(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzMeasuringATextEnds(f *testing.F) {
	f.Add("abc€{🚀👩‍👩‍👧‍👦")
	f.Fuzz(func(t *testing.T, s string) {
		if m := MeasureText(PlainText(s)); m.Segments < 1 || m.Units > 3*len(s) {
			t.Errorf("%+v", m)
		}
	})
}
