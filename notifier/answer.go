package notifier

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// RetryAfter reads a Retry-After (RFC 9110 10.2.3): seconds, or a date. Seconds
// with a fraction are not in the RFC, but they are sent. It is 0 for what cannot
// be read or has passed, and a day at most.
func RetryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	whole, _, _ := strings.Cut(s, ".")
	if whole != "" && strings.Trim(s, "0123456789.") == "" && strings.Count(s, ".") <= 1 {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || n >= longestRetry.Seconds() {
			return longestRetry // digits without end
		}
		return time.Duration(n * float64(time.Second))
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longestRetry)
}

// Excerpt makes the beginning of an answer's body fit for a database column and a page:
// valid UTF-8 of at most AnswerSize bytes, without control characters except
// tabs and line ends.
func Excerpt(body []byte) string {
	var b strings.Builder
	for len(body) > 0 {
		r, n := utf8.DecodeRune(body)
		if r == utf8.RuneError && n == 1 && !utf8.FullRune(body) {
			break // cut in the middle of a character
		}
		if body = body[n:]; unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > AnswerSize {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
