package store_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"allclear/notifier"
)

// pages reads a whole list, page by page.
func (b *box) pages(q notifier.DeliveryQuery) (out []notifier.Delivery) {
	b.t.Helper()
	for {
		page, next, err := b.Deliveries(b.ctx, q)
		b.must(err)
		if len(page) > q.Limit || next != "" && len(page) != q.Limit {
			b.t.Errorf("a page of %d, next %q", len(page), next)
		}
		out = append(out, page...)
		if next == "" {
			return out
		}
		q.Cursor = next
	}
}

// delivered is a box with three events and ten readers: the first sent but for
// reader 3 and 7, who failed, the second sent to five, the third untouched.
func delivered(t *testing.T, test func(t *testing.T, b *box, events [3]int64)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(10)
		var events [3]int64
		for i := range events {
			events[i] = b.incidentless()
			b.expand(4)
			if i == 2 {
				break
			}
			for _, d := range b.claim("w", []int{10, 5}[i]) {
				state := notifier.Sent
				if i == 0 && (d.ID.Reader() == 3 || d.ID.Reader() == 7) {
					state = notifier.Failed
				}
				b.settle("w", state, d)
			}
		}
		test(t, b, events)
	})
}

func TestEveryChoiceOfDeliveriesIsFoundPageByPage(t *testing.T) {
	delivered(t, func(t *testing.T, b *box, events [3]int64) {
		id := notifier.MakeDeliveryID
		var all []notifier.DeliveryID
		of := func(keep func(event, reader int64) bool) (out []notifier.DeliveryID) {
			for _, e := range events {
				for n := int64(1); n <= 10; n++ {
					if keep(e, n) {
						out = append(out, id(e, n))
					}
				}
			}
			return out
		}
		all = of(func(_, _ int64) bool { return true })
		second := eventID(b, events[1])
		for name, c := range map[string]struct {
			q    notifier.DeliveryQuery
			want []notifier.DeliveryID
		}{
			"everything":                 {notifier.DeliveryQuery{}, all},
			"an event":                   {notifier.DeliveryQuery{Event: second}, of(func(e, _ int64) bool { return e == events[1] })},
			"an event's sent":            {notifier.DeliveryQuery{Event: second, State: notifier.Sent}, of(func(e, n int64) bool { return e == events[1] && n <= 5 })},
			"the failed":                 {notifier.DeliveryQuery{State: notifier.Failed}, []notifier.DeliveryID{id(events[0], 3), id(events[0], 7)}},
			"the pending":                {notifier.DeliveryQuery{State: notifier.Pending}, of(func(e, n int64) bool { return e == events[2] || e == events[1] && n > 5 })},
			"the bounced":                {notifier.DeliveryQuery{State: notifier.Bounced}, nil},
			"an address":                 {notifier.DeliveryQuery{Address: "reader7@example.com"}, of(func(_, n int64) bool { return n == 7 })},
			"an address's failed":        {notifier.DeliveryQuery{Address: "reader7@example.com", State: notifier.Failed}, []notifier.DeliveryID{id(events[0], 7)}},
			"an address in an event":     {notifier.DeliveryQuery{Address: "reader7@example.com", Event: second}, []notifier.DeliveryID{id(events[1], 7)}},
			"an address that nobody has": {notifier.DeliveryQuery{Address: "nobody@example.com"}, nil},
		} {
			for _, limit := range []int{1, 3, 10, 200} {
				c.q.Limit = limit
				got := b.pages(c.q)
				if !slices.Equal(ids(got), c.want) {
					t.Errorf("%s by %d: %v\nwant %v", name, limit, ids(got), c.want)
				}
			}
		}
	})
}

func TestADeliveryInAListTellsEverything(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		accepted := b.time()
		b.pass(time.Second)
		b.settle("w", notifier.Pending, b.claim("w", 1)...)
		b.pass(time.Hour)
		b.settle("w", notifier.Sent, b.claim("w", 1)...)
		got, _, err := b.Deliveries(b.ctx, notifier.DeliveryQuery{Limit: 1})
		b.must(err)
		want := notifier.Delivery{
			ID: notifier.MakeDeliveryID(first, 1), Lane: notifier.LaneIncident, Channel: notifier.Email, Address: "reader1@example.com", Since: first, Attempts: 1,
			State: notifier.Sent, DueAt: accepted.Add(time.Second + time.Minute), AcceptedAt: accepted, ExpiresAt: accepted.Add(notifier.IncidentLife),
			TriedAt: b.time(), SentAt: b.time(), Relay: "relay", Reply: "said", Remote: "queued",
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestAQueryThatCannotBeAnsweredSaysWhy(t *testing.T) {
	delivered(t, func(t *testing.T, b *box, events [3]int64) {
		for field, q := range map[string]notifier.DeliveryQuery{
			"limit": {}, "limit ": {Limit: 201}, "state": {Limit: 1, State: "lost"}, "cursor": {Limit: 1, Cursor: "nonsense"}, "cursor ": {Limit: 1, Cursor: "1-01"},
		} {
			var bad *notifier.Invalid
			if _, _, err := b.Deliveries(b.ctx, q); !errors.As(err, &bad) || bad.Field != field && bad.Field+" " != field {
				t.Errorf("%+v: %v", q, err)
			}
		}
		if _, _, err := b.Deliveries(b.ctx, notifier.DeliveryQuery{Limit: 1, Event: "nonsense"}); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
		// A cursor from beyond the chosen event ends the list.
		if got := b.pages(notifier.DeliveryQuery{Limit: 5, Event: eventID(b, events[0]), Cursor: notifier.MakeDeliveryID(events[2], 1).String()}); len(got) != 0 {
			t.Errorf("%+v", got)
		}
	})
}
