package store_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// hookAt is a webhook subscriber.
func hookAt(url string, state subscribers.State) subscribers.Subscriber {
	return subscribers.Subscriber{
		Channel: notifier.Webhook, Address: url, State: state, Cadence: subscribers.Instant, Contact: "ops@example.com", Format: notifier.FormatStandard,
	}
}

// addHook adds one, whose pending ones are asked to confirm.
func (b *box) addHook(url string, state subscribers.State) subscribers.Number {
	b.t.Helper()
	s, err := b.AddSubscriber(b.ctx, hookAt(url, state), func(s subscribers.Subscriber) *notifier.Event {
		e := s.ConfirmEvent(notifier.Desk{Now: b.time(), NewID: func() string { return "confirm" + s.Number.String() }})
		return &e
	})
	b.must(err)
	return s.Number
}

func (b *box) hook(n subscribers.Number) subscribers.Hook {
	b.t.Helper()
	h, err := b.Hook(b.ctx, n)
	b.must(err)
	return h
}

// test notes a test that was answered with a status.
func (b *box) test(n subscribers.Number, status int) subscribers.Hook {
	b.t.Helper()
	h, err := b.NoteTest(b.ctx, n, notifier.Attempt{At: b.time(), Status: status, Took: 20 * time.Millisecond, Answer: "ok", Trouble: "said"})
	b.must(err)
	return h
}

// claimOn claims from every lane of a channel.
func (b *box) claimOn(c notifier.Channel, worker string, limit int) []notifier.Delivery {
	b.t.Helper()
	out, err := b.Claim(b.ctx, notifier.Claim{Worker: worker, Channel: c, Lanes: notifier.Lanes, Limit: limit, Lease: time.Minute})
	b.must(err)
	return out
}

// proof are the two things that an endpoint is asked for, in both orders.
var proof = map[string]func(b *box, n subscribers.Number) []func(){
	"contact first": func(b *box, n subscribers.Number) []func() {
		return []func(){func() { _, err := b.ConfirmSubscriber(b.ctx, n, netip.Prefix{}); b.must(err) }, func() { b.test(n, 204) }}
	},
	"test first": func(b *box, n subscribers.Number) []func() {
		return []func(){func() { b.test(n, 200) }, func() { _, err := b.ConfirmSubscriber(b.ctx, n, netip.Prefix{}); b.must(err) }}
	},
}

func TestAnEndpointIsActiveOnceItsContactConfirmedAndItAnswered(t *testing.T) {
	for name, steps := range proof {
		t.Run(name, func(t *testing.T) {
			eachBox(t, func(t *testing.T, b *box) {
				n := b.addHook("https://example.com/hook", subscribers.Pending)
				b.test(n, 500)
				for _, step := range steps(b, n) {
					if h := b.hook(n); h.State != subscribers.Pending {
						t.Fatalf("active too early: %+v", h)
					}
					step()
				}
				h := b.hook(n)
				if h.State != subscribers.Active || h.ConfirmedAt.IsZero() || h.ContactAt.IsZero() || h.ProvenAt.IsZero() {
					t.Errorf("%+v", h)
				}
				evidence, err := b.Evidence(b.ctx, n)
				b.must(err)
				if len(evidence) != 1 || evidence[0].Step != subscribers.StepConfirmed {
					t.Errorf("evidence: %+v", evidence)
				}
				_, err = b.ConfirmSubscriber(b.ctx, n, netip.Prefix{})
				b.must(err)
				again, err := b.Hook(b.ctx, n)
				b.must(err)
				same(t, "confirmed again", again, h)
			})
		})
	}
}

func TestWhatIsPersonalOfAnEndpointIsMailToItsContact(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addHook("https://example.com/hook", subscribers.Pending)
		b.expand(10)
		got := b.claim("w", 10)
		if len(got) != 1 || got[0].Address != "ops@example.com" || got[0].Channel != notifier.Email || got[0].ID.Reader() != int64(n) {
			t.Fatalf("%+v", got)
		}
		b.settle("w", notifier.Sent, got...)
		b.sound()
	})
}

func TestNoMailGoesToAContactThatMayNotBeWrittenTo(t *testing.T) {
	for name, bar := range map[string]func(b *box, n subscribers.Number) error{
		"the contact is suppressed": func(b *box, _ subscribers.Number) error {
			return b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "ops@example.com", Reason: subscribers.ReasonManual})
		},
		"the endpoint is suppressed": func(b *box, _ subscribers.Number) error {
			return b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Webhook, Address: "https://example.com/hook", Reason: subscribers.ReasonManual})
		},
		"it left": func(b *box, n subscribers.Number) error { return b.into(int64(n), subscribers.Unsubscribed) },
	} {
		t.Run(name, func(t *testing.T) {
			eachBox(t, func(t *testing.T, b *box) {
				n := b.addHook("https://example.com/hook", subscribers.Pending)
				b.expand(10)
				b.must(bar(b, n))
				if got := b.claim("w", 10); len(got) != 0 {
					t.Errorf("claimed %+v", got)
				}
				b.sound()
			})
		})
	}
}

func TestRateAndConcurrencyAreChangedWithinBounds(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addHook("https://example.com/hook", subscribers.Active)
		h, err := b.ChangeHook(b.ctx, n, func(h *subscribers.Hook) error {
			h.Rate, h.Concurrency, h.State = 2.5, 4, subscribers.Paused
			return nil
		})
		b.must(err)
		same(t, "hook", h, b.hook(n))
		if h.Rate != 2.5 || h.Concurrency != 4 || h.State != subscribers.Active {
			t.Errorf("%+v", h)
		}
		for field, change := range map[string]func(*subscribers.Hook) error{
			"rate":        func(h *subscribers.Hook) error { h.Rate = -1; return nil },
			"concurrency": func(h *subscribers.Hook) error { h.Concurrency = 5; return nil },
		} {
			_, err := b.ChangeHook(b.ctx, n, change)
			var bad *notifier.Invalid
			if !errors.As(err, &bad) || bad.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		e, err := b.Endpoint(b.ctx, int64(n))
		b.must(err)
		if e.Rate != 2.5 || e.Concurrency != 4 {
			t.Errorf("%+v", e)
		}
	})
}

func TestWhatIsClaimedKnowsWhatItsReaderWantsNow(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addHook("https://example.com/hook", subscribers.Active)
		phone := subscribers.Subscriber{Channel: notifier.SMS, Address: "+4740612345", State: subscribers.Active, Cadence: subscribers.Instant, Quiet: "22:00-07:00"}
		_, err := b.AddSubscriber(b.ctx, phone, nil)
		b.must(err)
		b.incidentless()
		b.expand(10)
		_, err = b.ChangeSubscriber(b.ctx, n, func(s *subscribers.Subscriber) error { s.Format = notifier.FormatTeams; return nil })
		b.must(err)
		if got := b.claimOn(notifier.Webhook, "w", 10); len(got) != 1 || got[0].Format != notifier.FormatTeams || got[0].Contact != "ops@example.com" || got[0].Address != "https://example.com/hook" {
			t.Errorf("%+v", got)
		}
		if got := b.claimOn(notifier.SMS, "w", 10); len(got) != 1 || got[0].Quiet != "22:00-07:00" || got[0].Format != "" {
			t.Errorf("%+v", got)
		}
	})
}

func TestAnEndpointIsErasedWithEverythingItAnswered(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addHook("https://example.com/hook", subscribers.Active)
		b.test(n, 200)
		b.must(b.EraseSubscriber(b.ctx, n))
		for _, table := range []string{"endpoints", "attempts", "subscribers"} {
			if rows := b.number(`SELECT count(*) FROM %s`, table); rows != 0 {
				t.Errorf("%d %s are left", rows, table)
			}
		}
		fates, _, err := b.ImportSubscribers(b.ctx, []subscribers.Subscriber{hookAt("https://example.com/hook", subscribers.Active)}, subscribers.Columns())
		if err != nil || fates[0] != subscribers.ImportSuppressed {
			t.Errorf("%v, %v", fates, err)
		}
	})
}

func TestAContactIsErasedFromItsEndpoints(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		mail, err := b.AddSubscriber(b.ctx, reader("ops@example.com", subscribers.Active), nil)
		b.must(err)
		n := b.addHook("https://example.com/hook", subscribers.Pending)
		b.expand(10)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.must(b.EraseSubscriber(b.ctx, mail.Number))
		for _, column := range []string{"contact FROM subscribers", "address FROM deliveries"} {
			if got := texts(t, b.db, `SELECT `+column); strings.Contains(fmt.Sprint(got), "ops@") {
				t.Errorf("%s: %v", column, got)
			}
		}
		link := b.event(notifier.Event{Type: notifier.SubscriberLink, Kind: notifier.KindPost, Lane: notifier.LaneConfirm, Reader: int64(n)})
		b.expand(10)
		if got := b.row(link, int64(n)); got.State != "" {
			t.Errorf("a link goes to nobody: %+v", got)
		}
		b.must(b.into(int64(n), subscribers.Unsubscribed))
		b.sound()
	})
}

func TestTheLinkToAnEndpointIsMailedToItsContact(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for i := range 2 {
			b.addHook(fmt.Sprintf("https://example.com/%d", i), subscribers.Active)
		}
		_, err := b.AddSubscriber(b.ctx, reader("ops@example.com", subscribers.Active), nil)
		b.must(err)
		for i, want := range []bool{true, false} {
			if sent, err := b.SendLink(b.ctx, subscribers.Lost{Address: "ops@example.com"}); sent != want || err != nil {
				t.Errorf("%d: %t, %v", i, sent, err)
			}
		}
		if sent, err := b.SendLink(b.ctx, subscribers.Lost{Address: "eve@example.com"}); sent || err != nil {
			t.Errorf("for another: %t, %v", sent, err)
		}
		b.expand(10)
		got := b.claim("w", 10)
		if len(got) != 3 {
			t.Fatalf("claimed %+v", got)
		}
		for _, d := range got {
			if d.Address != "ops@example.com" {
				t.Errorf("to %s", d.Address)
			}
		}
	})
}
