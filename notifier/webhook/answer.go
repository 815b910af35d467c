package webhook

import (
	"net/http"
	"time"

	"allclear/notifier"
)

// answerKept is how much of a body is kept, in bytes.
const answerKept = notifier.AnswerSize

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
		e.RetryAfter = notifier.RetryAfter(header.Get("Retry-After"), now)
	}
	return e
}
