package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"allclear/subscribers"
)

// The time of an answer tells nothing of the address, because nothing that
// depends on it is done before the answer. That it does not is measured only on
// a machine of its own (make soak): 500 of each, by turns.
func TestKnownAndUnknownAddressesTakeTheSameTime(t *testing.T) {
	if os.Getenv("ALLCLEAR_TEST_FLOOD") == "" {
		t.Skip("only with ALLCLEAR_TEST_FLOOD")
	}
	h := newHouse(t)
	const n = 500
	for i := range n {
		h.reader(fmt.Sprintf("known%d@example.com", i), subscribers.Active)
	}
	var took [2][]time.Duration
	for i := range n {
		for kind, name := range []string{"known", "other"} {
			h.pass(2 * time.Second) // no rush
			fields := url.Values{"address": {fmt.Sprintf("%s%d@example.com", name, i)}, "form": {h.gate.Form(h.clock().Add(-time.Minute))}}.Encode()
			began := time.Now()
			got := h.ask(http.MethodPost, "/subscribe", fields, "Content-Type", formType)
			took[kind] = append(took[kind], time.Since(began))
			got.says(http.StatusOK)
		}
	}
	for kind := range took {
		slices.Sort(took[kind])
	}
	known, other := took[0][n/2], took[1][n/2]
	t.Logf("median of %d known %s, unknown %s", n, known, other)
	if d := (known - other).Abs(); d >= time.Millisecond {
		t.Errorf("the medians differ by %s", d)
	}
}

// BenchmarkSigningUp is what a form costs: one that is taken, and one of a flood.
func BenchmarkSigningUp(b *testing.B) {
	for _, rush := range []bool{false, true} {
		b.Run(map[bool]string{false: "taken", true: "asked for more"}[rush], func(b *testing.B) {
			h := newHouse(b)
			want := http.StatusOK
			for i := 0; rush && i < 70; i++ {
				want = h.signUp(url.Values{"address": {"a@example.com"}}).status
			}
			for i := 0; b.Loop(); i++ {
				if !rush {
					h.pass(2 * time.Second)
				}
				if i%4000 == 3999 {
					h.answer()
				}
				h.signUp(url.Values{"address": {fmt.Sprintf("a%d@example.com", i)}}).says(want)
			}
		})
	}
}
