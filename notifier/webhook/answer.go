package webhook

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"allclear/notifier"
)

// answerKept is how much of a body is kept, in bytes.
const answerKept = notifier.AnswerSize

// longestWait bounds what an endpoint may ask for; notifier.Decide has the last word.
const longestWait = 24 * time.Hour

// verdict says what an answer means: nil for a 2xx.
func verdict(r notifier.Receipt, header http.Header, now time.Time) *notifier.SendError {
	if r.Status/100 == 2 {
		return nil
	}
	e := &notifier.SendError{Fault: notifier.FaultRecipient, Code: r.Status, Stage: stagePost, Receipt: r}
	switch r.Status {
	case http.StatusGone:
		e.Gone, e.Permanent = true, true
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		e.RetryAfter = retryAfter(header.Get("Retry-After"), now)
	}
	return e
}

// retryAfter reads a Retry-After (RFC 9110 10.2.3): seconds, or a date. Seconds
// with a fraction are not in the RFC, but they are sent. It is 0 for what cannot
// be read or has passed, and a day at most.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	whole, _, _ := strings.Cut(s, ".")
	if whole != "" && strings.Trim(s, "0123456789.") == "" && strings.Count(s, ".") <= 1 {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || n >= longestWait.Seconds() {
			return longestWait // digits without end
		}
		return time.Duration(n * float64(time.Second))
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longestWait)
}

// words makes the beginning of a body fit for a database column and a page:
// valid UTF-8 of at most answerKept bytes, without control characters except
// tabs and line ends.
func words(body []byte) string {
	var b strings.Builder
	for len(body) > 0 {
		r, n := utf8.DecodeRune(body)
		if r == utf8.RuneError && n == 1 && !utf8.FullRune(body) {
			break // cut in the middle of a character
		}
		if body = body[n:]; unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > answerKept {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
