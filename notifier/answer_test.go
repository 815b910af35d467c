package notifier

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzExcerpt(f *testing.F) {
	f.Add([]byte("füße\x00\xff"))
	f.Add([]byte(strings.Repeat("\xff", 1024)))
	f.Fuzz(func(t *testing.T, body []byte) {
		got := Excerpt(body)
		if !utf8.ValidString(got) || len(got) > AnswerSize || strings.ContainsAny(got, "\x00\x1b\x7f") {
			t.Errorf("%q becomes %q", body, got)
		}
	})
}

func TestRetryAfterIsSecondsOrADateAndADayAtMost(t *testing.T) {
	now := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"1":                              time.Second,
		" 120 ":                          2 * time.Minute,
		"1.5":                            1500 * time.Millisecond,
		"86400":                          24 * time.Hour,
		"86401":                          24 * time.Hour,
		"99999999999999999999999":        24 * time.Hour,
		strings.Repeat("9", 400):         24 * time.Hour,
		"-5":                             0,
		"+5":                             0,
		"1e9":                            0,
		"0x10":                           0,
		"5 minutes":                      0,
		"soon":                           0,
		".":                              0,
		"1.2.3":                          0,
		"NaN":                            0,
		"Inf":                            0,
		"Mon, 23 Nov 2026 16:12:00 GMT":  time.Minute,
		"Monday, 23-Nov-26 16:12:00 GMT": time.Minute,
		"Mon Nov 23 16:12:00 2026":       time.Minute,
		"Mon, 23 Nov 2026 16:10:00 GMT":  0,
		"Fri, 01 Jan 9999 00:00:00 GMT":  24 * time.Hour,
		"Mon, 01 Jan 0001 00:00:00 GMT":  0,
	} {
		if got := RetryAfter(s, now); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"120", "1.5", "Mon, 23 Nov 2026 16:12:00 GMT", "9e99", "-1", strings.Repeat("9", 400)} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d := RetryAfter(s, now); d < 0 || d > 24*time.Hour {
			t.Errorf("%q: %s", s, d)
		}
	})
}
