package web_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// The time of an answer tells nothing of the address, because nothing that
// depends on it is done before the answer: not while those that came before are
// looked at, either. That it does not is measured only on a machine of its own
// (make soak): 500 of each, in no order. TestEveryAddressGetsTheSameAnswer holds
// body, headers and status to be the same everywhere.
func TestKnownAndUnknownAddressesTakeTheSameTime(t *testing.T) {
	if os.Getenv("ALLCLEAR_TEST_FLOOD") == "" {
		t.Skip("only with ALLCLEAR_TEST_FLOOD")
	}
	h := newHouse(t)
	const n = 500
	for i := range n {
		h.reader(fmt.Sprintf("known%d@example.com", i), subscribers.Active)
	}
	order := make([]int, 2*n)
	for i := range order {
		order[i] = i
	}
	rand.New(rand.NewPCG(4, 500)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	wake, answered := make(chan struct{}, 1), make(chan map[subscribers.Fate]int)
	go func() {
		fates := map[subscribers.Fate]int{}
		for range wake { // one step at a time, as the service's own worker does, beside the next request
			did, err := h.store.AnswerSignUps(context.Background(), nil, subscribers.SignUpLimits(), func(s subscribers.Subscriber) notifier.Event { return s.ConfirmEvent(h.desk()) }, 5)
			if err != nil {
				t.Errorf("answer sign-ups: %v", err)
			}
			for fate, n := range did.Fates {
				fates[fate] += n
			}
		}
		answered <- fates
	}()
	var took [2][]time.Duration
	for _, i := range order {
		kind, name := i%2, []string{"known", "other"}[i%2]
		h.pass(2 * time.Second) // no rush
		fields := url.Values{"address": {fmt.Sprintf("%s%d@example.com", name, i/2)}, "form": {h.gate.Form(h.clock().Add(-time.Minute))}}.Encode()
		began := time.Now()
		got := h.ask(http.MethodPost, "/subscribe", fields, "Content-Type", formType)
		took[kind] = append(took[kind], time.Since(began))
		got.says(http.StatusOK)
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	close(wake)
	if fates := <-answered; fates[subscribers.SignUpKnown] == 0 || fates[subscribers.SignUpAsked] == 0 {
		t.Errorf("meanwhile nobody was looked at: %v", fates)
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
