package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"testing"

	"allclear/subscribers/web/gate"
)

var bits = regexp.MustCompile(`data-bits="(\d+)"`)

// solve does the work that a step asks for.
func (s shown) solve() url.Values {
	s.t.Helper()
	work := s.hidden()
	m := bits.FindStringSubmatch(s.text)
	if m == nil {
		s.t.Fatalf("no work: %s", s.text)
	}
	n, _ := strconv.Atoi(m[1])
	work.Set("number", gate.Challenge{Token: work.Get("challenge"), Bits: n}.Solve())
	return work
}

func TestOneAnswerSentOverAndOverShutsNobodyOut(t *testing.T) {
	h := newHouse(t)
	h.flood()
	ask := func(address string) shown {
		t.Helper()
		return h.signUp(url.Values{"address": {address}}).says(http.StatusTooManyRequests, "One more step")
	}
	worked := ask("eve@example.com").solve()
	step := ask("mallory@example.com")
	copied := step.hidden()
	copied.Set("code", step.code())
	for _, answer := range []url.Values{worked, copied} {
		h.signUp(answer).says(http.StatusOK)
		for range 300 {
			h.signUp(answer).says(http.StatusTooManyRequests, "One more step")
		}
	}
	h.signUp(ask("ann@example.com").solve()).says(http.StatusOK)
	step = ask("bob@example.com")
	code := step.hidden()
	code.Set("code", step.code())
	h.signUp(code).says(http.StatusOK)
}
