package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"allclear/notifier"
)

// The headers of Standard Webhooks 1.0.0, spelled as it spells them.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// sign puts the three headers into h: id stays the same over retries, at is the
// attempt's. While a secret is being replaced, both sign, so that a receiver
// that knows either is content. The keys are set as they are, not in Go's
// spelling: receivers that compare bytes exist.
func sign(h http.Header, secrets []notifier.Secret, id string, at time.Time, body []byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	h[headerID], h[headerTimestamp] = []string{id}, []string{stamp}
	if len(secrets) == 0 {
		return
	}
	var list []byte
	for i, s := range secrets {
		mac := hmac.New(sha256.New, s.Key())
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		if i > 0 {
			list = append(list, ' ')
		}
		list = append(list, "v1,"...)
		list = base64.StdEncoding.AppendEncode(list, mac.Sum(nil))
	}
	h[headerSignature] = []string{string(list)}
}
