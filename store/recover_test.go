package store_test

import (
	"errors"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestOneMessageIsSentAgainUnderItsID(t *testing.T) {
	for _, state := range []notifier.DeliveryState{notifier.Sent, notifier.Failed, notifier.Expired, notifier.Cancelled, notifier.Suppressed, notifier.Pending} {
		t.Run(string(state), func(t *testing.T) {
			oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
				e := b.incidentless()
				b.expand(10)
				d := b.claimOn(notifier.Webhook, "w", 1)[0]
				sentAt := b.time().UnixMicro()
				b.settle("w", state, d)
				b.pass(10 * 24 * time.Hour) // long after it was worth sending
				b.must(b.Replay(b.ctx, n, d.ID))
				b.sound()
				again := b.claimOn(notifier.Webhook, "w", 10)
				if len(again) != 1 || again[0].ID != d.ID || again[0].Attempts != 0 || !again[0].ExpiresAt.Equal(b.time().Add(notifier.IncidentLife)) {
					t.Fatalf("claimed %+v", again)
				}
				b.must(b.Settle(b.ctx, []notifier.Settlement{post(b, "w", again[0], 200)}))
				if got := b.row(e, int64(n)); got.State != notifier.Sent || state == notifier.Sent && got.SentAt != sentAt || got.TriedAt != b.time().UnixMicro() {
					t.Errorf("%+v", got)
				}
				b.sound()
				if got, _, err := b.Attempts(b.ctx, n, "", 10); len(got) == 0 || got[0].Status != 200 || err != nil {
					t.Errorf("%+v, %v", got, err)
				}
			})
		})
	}
}

func TestAReplayThatWouldBeOutOfOrderIsRefused(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.incident("one")
		first := b.event(notifier.Event{IncidentID: "one"})
		b.expand(10)
		b.posts(200)
		b.pass(time.Second)
		b.event(notifier.Event{IncidentID: "one"})
		b.expand(10)
		refused := func() {
			t.Helper()
			if err := b.Replay(b.ctx, n, notifier.MakeDeliveryID(first, int64(n))); !errors.Is(err, notifier.ErrConflict) {
				t.Error(err)
			}
		}
		refused()
		ds := b.claimOn(notifier.Webhook, "w", 10)
		refused()
		b.settle("w", notifier.Sent, ds...)
		b.must(b.Replay(b.ctx, n, notifier.MakeDeliveryID(first, int64(n))))
		third := b.event(notifier.Event{IncidentID: "one"}) // takes the place of the replay
		b.expand(10)
		b.states(int64(n), map[int64]notifier.DeliveryState{first: notifier.Superseded, third: notifier.Pending})
		b.sound()
	})
}

func TestOnlyItsOwnMessagesAreReplayedToAnEndpoint(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		other := b.addHook("https://example.com/other", subscribers.Active)
		mail, err := b.AddSubscriber(b.ctx, reader("a@example.com", subscribers.Active), nil)
		b.must(err)
		e := b.incidentless()
		b.expand(10)
		for what, c := range map[string]struct {
			n  subscribers.Number
			id notifier.DeliveryID
		}{
			"another endpoint's": {n, notifier.MakeDeliveryID(e, int64(other))},
			"a mail":             {mail.Number, notifier.MakeDeliveryID(e, int64(mail.Number))},
			"an event not there": {n, notifier.MakeDeliveryID(e+9, int64(n))},
		} {
			if err := b.Replay(b.ctx, c.n, c.id); !errors.Is(err, notifier.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		b.must(b.into(int64(n), subscribers.Paused))
		if err := b.Replay(b.ctx, n, notifier.MakeDeliveryID(e, int64(n))); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("while it is paused: %v", err)
		}
		if _, err := b.RecoverEndpoint(b.ctx, n, time.Time{}); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("while it is paused: %v", err)
		}
	})
}

func (b *box) recover(n subscribers.Number, since time.Time) int {
	b.t.Helper()
	got, err := b.RecoverEndpoint(b.ctx, n, since)
	b.must(err)
	b.sound()
	return got
}

func TestAnEndpointGetsWhatItMissedInOneMessageAnIncident(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		for _, incident := range []string{"one", "two", "three", "four"} {
			b.incident(incident)
		}
		since := b.time()
		b.pass(time.Second)
		created := notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated}
		sent := b.event(created) // of one the first was sent,
		b.expand(10)
		b.posts(200)
		b.pass(time.Second)
		failed := b.event(notifier.Event{IncidentID: "one"}) // the second failed,
		alone := b.event(notifier.Event{IncidentID: "two", Type: notifier.IncidentCreated})
		b.expand(10)
		b.settle("w", notifier.Failed, b.claimOn(notifier.Webhook, "w", 10)...)
		b.must(b.into(int64(n), subscribers.Paused))
		never := b.event(notifier.Event{IncidentID: "one"}) // and the third was never made.
		missed := b.event(notifier.Event{IncidentID: "three", Type: notifier.IncidentCreated, Components: nil})
		minor := b.event(notifier.Event{IncidentID: "four", Kind: notifier.KindIncident, Severity: notifier.SeverityMinor})
		b.expand(10)
		_, err := b.ChangeSubscriber(b.ctx, n, func(s *subscribers.Subscriber) error {
			s.State, s.Filter.Severity = subscribers.Active, notifier.SeverityMajor
			return nil
		})
		b.must(err)
		b.pass(30 * 24 * time.Hour)
		if got := b.recover(n, since); got != 3 {
			t.Errorf("%d messages", got)
		}
		b.states(int64(n), map[int64]notifier.DeliveryState{
			sent: notifier.Sent, failed: notifier.Failed, never: notifier.Pending, alone: notifier.Pending, missed: notifier.Pending, minor: "",
		})
		if got := b.row(never, int64(n)); got.Since != failed || got.Told != sent {
			t.Errorf("%+v", got)
		}
		if got := b.recover(n, since); got != 0 {
			t.Errorf("again: %d messages", got)
		}
		for _, d := range b.claimOn(notifier.Webhook, "w", 10) {
			if !d.ExpiresAt.After(b.time()) {
				t.Errorf("it is too late already: %+v", d)
			}
			b.must(b.Settle(b.ctx, []notifier.Settlement{post(b, "w", d, 200)}))
		}
		if got := b.recover(n, since); got != 0 {
			t.Errorf("when all was sent: %d messages", got)
		}
	})
}

func TestWhatWaitsForItsNextTryIsDueAtOnceAndCounted(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		since := b.time()
		b.pass(time.Second)
		for range 3 {
			b.incidentless()
		}
		b.expand(10)
		b.posts(503)
		tries, _, err := b.Attempts(b.ctx, n, "", 10)
		b.must(err)
		for _, a := range tries {
			if !a.Next.Equal(b.time().Add(time.Hour)) || a.Title != "Mail is slow" {
				t.Errorf("its next try is said to be at %s: %+v", a.Next, a)
			}
		}
		b.pass(time.Minute)
		if got := b.claimOn(notifier.Webhook, "w", 10); len(got) != 0 {
			t.Fatalf("due already: %+v", got)
		}
		if got := b.recover(n, since); got != 3 || len(tries) != 3 {
			t.Errorf("%d of %d messages", got, len(tries))
		}
		if got := b.recover(n, since); got != 0 {
			t.Errorf("%d messages are counted again", got)
		}
		again := b.claimOn(notifier.Webhook, "w", 10)
		if len(again) != 3 || again[0].Attempts != 0 { // with all its tries before it
			t.Fatalf("claimed %+v", again)
		}
		b.settle("w", notifier.Sent, again...)
		if tries, _, err = b.Attempts(b.ctx, n, "", 10); err != nil || !tries[len(tries)-1].Next.IsZero() {
			t.Errorf("what was sent is tried again at %s, %v", tries[len(tries)-1].Next, err)
		}
	})
}

func TestWhatCannotBeRecovered(t *testing.T) {
	for name, c := range map[string]struct {
		before func(b *box, n subscribers.Number)
		since  time.Duration
	}{
		"what was before the time": {func(*box, subscribers.Number) {}, time.Hour},
		"what was sent":            {func(b *box, _ subscribers.Number) { b.posts(200) }, -time.Hour},
		"what is on its way":       {func(b *box, _ subscribers.Number) { b.claimOn(notifier.Webhook, "w", 1) }, -time.Hour},
		"what was withdrawn":       {func(b *box, _ subscribers.Number) { b.exec(`UPDATE incidents SET state = 'retracted'`) }, -time.Hour},
		"what was before it subscribed": {func(b *box, n subscribers.Number) {
			b.exec(`UPDATE subscribers SET created_at = %d`, b.time().UnixMicro())
		}, -time.Hour},
		"what a newer message told of": {func(b *box, _ subscribers.Number) { b.newerSent() }, -time.Hour},
		"what its deliveries are gone of": {func(b *box, _ subscribers.Number) {
			b.posts(200)
			b.exec(`UPDATE events SET pruned_at = 1`)
			b.exec(`DELETE FROM deliveries`)
			b.exec(`DELETE FROM event_counts`)
			b.exec(`DELETE FROM event_latency`)
		}, -time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
				b.incident("one")
				b.event(notifier.Event{IncidentID: "one"})
				b.expand(10)
				b.pass(time.Second)
				c.before(b, n)
				if got := b.recover(n, b.time().Add(c.since)); got != 0 {
					t.Errorf("%d messages", got)
				}
			})
		})
	}
}

// newerSent lets the first event fail, and sends a second.
func (b *box) newerSent() {
	b.settle("w", notifier.Failed, b.claimOn(notifier.Webhook, "w", 1)...)
	b.event(notifier.Event{IncidentID: "one"})
	b.expand(10)
	b.posts(200)
}
