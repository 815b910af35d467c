package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"allclear/notifier"
)

// onceKey reads the Idempotency-Key of a request, where it has one.
func onceKey(q *request, token notifier.Token) (notifier.OnceKey, bool, error) {
	given := q.Header.Values("Idempotency-Key")
	if len(given) == 0 {
		return notifier.OnceKey{}, false, nil
	}
	key := given[0]
	bad := func(why string) (notifier.OnceKey, bool, error) {
		return notifier.OnceKey{}, false, notifier.Invalidf("Idempotency-Key", "%s", why)
	}
	switch {
	case len(given) > 1:
		return bad("stands there more than once")
	case key == "":
		return bad("must not be empty")
	case len(key) > 255:
		return bad("is longer than 255 bytes")
	case !utf8.ValidString(key), strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }):
		return bad("holds a control character or broken UTF-8")
	}
	h := sha256.New()
	for _, part := range []string{q.Method, q.URL.RequestURI()} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write(q.body)
	once := notifier.OnceKey{Scope: token.ID + " " + q.URL.Path, Key: key}
	h.Sum(once.Body[:0])
	return once, true, nil
}

// encode makes the answer's bytes.
func encode(said reply) (notifier.Answer, error) {
	if said.body == nil {
		return notifier.Answer{Status: said.status}, nil
	}
	body, err := marshal(said.body)
	return notifier.Answer{Status: said.status, Body: body}, err
}

// marshal writes JSON as people read it: < and > as they are (no browser takes
// it for HTML), a line end behind it.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// location is where what was created can be read: below the path it was sent
// to, under its id or key. It comes from the body, so that a replay has it too.
func location(r *http.Request, said notifier.Answer) string {
	if said.Status != http.StatusCreated {
		return ""
	}
	var made struct {
		ID  string `json:"id"`
		Key string `json:"key"`
	}
	if json.Unmarshal(said.Body, &made) != nil || made.ID+made.Key == "" {
		return ""
	}
	if at, ok := strings.CutSuffix(r.URL.Path, "/updates"); ok { // an update is read with its incident
		return at
	}
	return r.URL.Path + "/" + made.ID + made.Key
}
