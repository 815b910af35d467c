package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"allclear/notifier"
)

func (b *box) progress(event int64) notifier.Progress {
	b.t.Helper()
	p, err := b.Progress(b.ctx, eventID(b, event))
	b.must(err)
	return p
}

func TestProgressTellsTheWholeWayOfAnEvent(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(8)
		e := b.incidentless()
		look := func(state notifier.EventState, total, tried int64, counts map[notifier.DeliveryState]int64) {
			t.Helper()
			p := b.progress(e)
			if p.State() != state || p.Total != total || p.Tried != tried || p.Event.Number != e {
				t.Errorf("%s, total %d, tried %d; want %s, %d, %d", p.State(), p.Total, p.Tried, state, total, tried)
			}
			if len(p.Counts) != len(notifier.DeliveryStates) {
				t.Errorf("counts %v", p.Counts)
			}
			for s, n := range p.Counts {
				if n != counts[s] {
					t.Errorf("%d %s, want %d", n, s, counts[s])
				}
			}
		}
		look(notifier.Expanding, 0, 0, nil)
		b.expand(10)
		look(notifier.Delivering, 8, 0, map[notifier.DeliveryState]int64{notifier.Pending: 8})
		ds := b.claim("w", 6)
		look(notifier.Delivering, 8, 0, map[notifier.DeliveryState]int64{notifier.Pending: 2, notifier.Sending: 6})
		b.settle("w", notifier.Sent, ds[0], ds[1])
		b.settle("w", notifier.Pending, ds[2])
		b.settle("w", notifier.Held, ds[3])
		b.settle("w", notifier.Failed, ds[4])
		look(notifier.Delivering, 8, 5, map[notifier.DeliveryState]int64{notifier.Pending: 3, notifier.Sending: 1, notifier.Held: 1, notifier.Sent: 2, notifier.Failed: 1})
		b.settle("w", notifier.Expired, ds[5])
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		look(notifier.Settling, 8, 8, map[notifier.DeliveryState]int64{notifier.Pending: 1, notifier.Held: 1, notifier.Sent: 4, notifier.Failed: 1, notifier.Expired: 1})
		b.pass(time.Hour)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		look(notifier.Done, 8, 8, map[notifier.DeliveryState]int64{notifier.Sent: 6, notifier.Failed: 1, notifier.Expired: 1})
	})
}

func TestTheTimesOfSendingAreTrueToTwoPercent(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		const readers = 1000
		b.readers(readers)
		e := b.incidentless()
		b.expand(2000)
		p := b.progress(e)
		if !p.FirstSentAt.IsZero() || !p.P50SentAt.IsZero() || !p.P99SentAt.IsZero() || !p.LastSentAt.IsZero() {
			t.Errorf("times before anything was sent: %+v", p)
		}
		accepted := p.Event.AcceptedAt
		var batch []notifier.Settlement
		for i, d := range b.claim("w", readers) {
			late := 100*time.Millisecond + time.Duration(i)*10*time.Millisecond // 0.1 s to 10.09 s
			batch = append(batch, notifier.Settlement{ID: d.ID, State: notifier.Sent, Tried: true, At: accepted.Add(late), Worker: "w"})
		}
		b.must(b.Settle(b.ctx, batch[:300]))
		b.must(b.Settle(b.ctx, batch[300:]))
		p = b.progress(e)
		for what, c := range map[string]struct {
			got  time.Time
			want time.Duration
			off  float64
		}{
			"first": {p.FirstSentAt, 100 * time.Millisecond, 0}, "p50": {p.P50SentAt, 5090 * time.Millisecond, 0.02},
			"p99": {p.P99SentAt, 9990 * time.Millisecond, 0.02}, "last": {p.LastSentAt, 10090 * time.Millisecond, 0},
		} {
			if got := c.got.Sub(accepted); got < c.want || float64(got) > float64(c.want)*(1+c.off) {
				t.Errorf("%s is %s after acceptance, want %s", what, got, c.want)
			}
		}
		b.sound()
	})
}

func TestOneMessageIsFirstMedianAndLast(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(1)
		e := b.incidentless()
		b.expand(10)
		b.pass(1234567 * time.Microsecond)
		b.settle("w", notifier.Sent, b.claim("w", 1)...)
		p := b.progress(e)
		for _, at := range []time.Time{p.FirstSentAt, p.P50SentAt, p.P99SentAt, p.LastSentAt} {
			if !at.Equal(b.time()) {
				t.Errorf("%s, want %s", at, b.time())
			}
		}
	})
}

// The clocks of two hosts may differ: an answer before the question is the first.
func TestAMessageSentBeforeItsAcceptanceSpoilsNothing(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(1)
		e := b.incidentless()
		b.expand(10)
		at := b.time().Add(-time.Second)
		b.must(b.Settle(b.ctx, []notifier.Settlement{{ID: b.claim("w", 1)[0].ID, State: notifier.Sent, At: at}}))
		if p := b.progress(e); !p.P50SentAt.Equal(at) || p.State() != notifier.Done {
			t.Errorf("%+v", p)
		}
	})
}

func TestProgressOfNothingIsNotFound(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		if _, err := b.Progress(b.ctx, "nonsense"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestDepthsTellWhatWaitsWhere(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		depths := func() string {
			t.Helper()
			ds, err := b.Depths(b.ctx)
			b.must(err)
			out := ""
			for _, d := range ds {
				out += fmt.Sprintf("%s/%s %d+%d+%d since %d; ", d.Channel, d.Lane, d.Pending, d.Sending, d.Held, d.Oldest.UnixMicro())
			}
			return out
		}
		if got := depths(); got != "" {
			t.Errorf("of an empty queue: %s", got)
		}
		b.readers(4)
		b.exec(`UPDATE subscribers SET channel = 'sms' WHERE number = 4`)
		b.incident("one")
		b.incident("two")
		b.event(notifier.Event{IncidentID: "one", Lane: notifier.LaneRoutine})
		b.expand(10)
		routine := b.time().UnixMicro()
		b.pass(time.Second)
		b.event(notifier.Event{IncidentID: "two"})
		b.expand(10)
		urgent := b.time().UnixMicro()
		if got, want := depths(), fmt.Sprintf("email/incident 3+0+0 since %d; sms/incident 1+0+0 since %d; email/routine 3+0+0 since %d; sms/routine 1+0+0 since %d; ",
			urgent, urgent, routine, routine); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		ds := b.claim("w", 4)
		b.settle("w", notifier.Sent, ds[:1]...)
		b.settle("w", notifier.Held, ds[1:2]...)
		if got, want := depths(), fmt.Sprintf("email/incident 0+1+1 since %d; sms/incident 1+0+0 since %d; email/routine 2+1+0 since %d; sms/routine 1+0+0 since %d; ",
			time.Time{}.UnixMicro(), urgent, routine, routine); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}
