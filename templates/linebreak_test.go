package templates

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestJapaneseIsBrokenBetweenItsSignsButNotBeforeAFullStop(t *testing.T) {
	for _, c := range []struct {
		text  string
		limit int
		want  []string
	}{
		{"以前のまとめを予定どおりにお送りできませんでした。その内容も", 20, []string{"以前のまとめを予定ど", "おりにお送りできませ", "んでした。その内容も"}},
		{"お送りできません。", 16, []string{"お送りできませ", "ん。"}},
		{"18:30 UTC（19:30 CET）現在", 14, []string{"18:30 UTC", "（19:30 CET）", "現在"}},
		{"メールの配信が5～10分遅れました", 18, []string{"メールの配信が", "5～10分遅れました"}},
		{"https://status.example.com/日本語の長い場所", 10, []string{"https://status.example.com/日本語の長い場所"}},
	} {
		if got := wrap(c.text, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("%q", got)
		}
	}
}

func TestANumberStaysWithWhatItCountsAndATimeWithItsZone(t *testing.T) {
	for _, c := range []struct {
		text  string
		limit int
		want  []string
	}{
		{"it went on for 2 h 14 min.", 22, []string{"it went on for 2 h", "14 min."}},
		{"as it stood on 18:30 UTC (19:30 CET).", 20, []string{"as it stood on", "18:30 UTC", "(19:30 CET)."}},
		{"ومدة المشكلة: ساعتان و14 دقيقة.", 25, []string{"ومدة المشكلة: ساعتان", "و14 دقيقة."}},
		{"in 2026, we", 8, []string{"in 2026,", "we"}},
	} {
		if got := wrap(c.text, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("%q", got)
		}
	}
}

func TestBreakingLinesLosesNothingInAnyScript(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.StringOf(rapid.SampledFrom([]rune("ab1:、。（）日本語ーメール👍🏽و\u2066\u2069é́")))).Draw(t, "words"), " ")
		bare := func(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }
		if got := strings.Join(wrap(text, rapid.IntRange(1, 30).Draw(t, "limit")), "\n"); bare(got) != bare(text) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestSpanishSaysEBeforeTheSoundOfI(t *testing.T) {
	s := newSet(t)
	for _, c := range []struct{ lang, last, want string }{
		{"es", "IMAP", "SMTP e IMAP"}, {"es", "Historial", "SMTP e Historial"}, {"es", "Web", "SMTP y Web"}, {"es", "hielo", "SMTP y hielo"}, {"en", "IMAP", "SMTP and IMAP"}, {"fr", "IMAP", "SMTP et IMAP"},
	} {
		if got := s.Times(c.lang, "UTC").cat.list([]string{"SMTP", c.last}); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
