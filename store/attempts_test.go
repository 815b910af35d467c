package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// post is how one try ended.
func post(b *box, worker string, d notifier.Delivery, status int) notifier.Settlement {
	x := notifier.Settlement{ID: d.ID, At: b.time(), Tried: true, Charged: true, Worker: worker,
		Receipt: notifier.Receipt{Relay: "example.com", Status: status, Took: 30 * time.Millisecond, Answer: fmt.Sprint("answer ", status)}}
	switch {
	case status/100 == 2:
		x.State = notifier.Sent
	case status == 410:
		x.State, x.Gone = notifier.Failed, true
	default:
		x.State, x.DueAt = notifier.Pending, b.time().Add(time.Hour)
	}
	if status == 0 {
		x.Receipt.Answer, x.Receipt.Reply = "", "the connection timed out"
	}
	return x
}

// posts claims what is due for endpoints and settles it with a status.
func (b *box) posts(status int) int {
	b.t.Helper()
	var batch []notifier.Settlement
	for _, d := range b.claimOn(notifier.Webhook, "w", 100) {
		batch = append(batch, post(b, "w", d, status))
	}
	b.must(b.Settle(b.ctx, batch))
	return len(batch)
}

// one endpoint, active and told of nothing yet.
func oneHook(t *testing.T, test func(t *testing.T, b *box, n subscribers.Number)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) { test(t, b, b.addHook("https://example.com/hook", subscribers.Active)) })
}

func TestEveryPostIsKeptAsItsOwnerSeesIt(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		e := b.incidentless()
		id := notifier.MakeDeliveryID(e, int64(n))
		b.expand(10)
		var want []notifier.Attempt
		for _, status := range []int{0, 503, 200} {
			a := notifier.Attempt{Delivery: id, Type: notifier.IncidentUpdated, Title: "Mail is slow", At: b.time(), Status: status, Took: 30 * time.Millisecond,
				Answer: fmt.Sprint("answer ", status), State: notifier.Pending}
			switch status {
			case 0:
				a.Answer, a.Trouble = "", "the connection timed out"
			case 200:
				a.State = notifier.Sent
			}
			want = append([]notifier.Attempt{a}, want...)
			if got := b.posts(status); got != 1 {
				t.Fatalf("%d posts", got)
			}
			b.pass(time.Hour)
		}
		test := notifier.Attempt{Type: notifier.EndpointTest, At: b.time(), Status: 204, Took: 20 * time.Millisecond, Answer: "ok", Trouble: "said"}
		b.test(n, 204)
		want = append([]notifier.Attempt{test}, want...)
		got, next, err := b.Attempts(b.ctx, n, "", 10)
		b.must(err)
		if !slices.Equal(got, want) || next != "" {
			t.Errorf("kept %+v\nwant %+v", got, want)
		}
		var paged []notifier.Attempt
		for page := ""; ; {
			got, next, err := b.Attempts(b.ctx, n, page, 3)
			b.must(err)
			paged = append(paged, got...)
			if page = next; page == "" {
				break
			}
		}
		if !slices.Equal(paged, want) {
			t.Errorf("by pages %+v", paged)
		}
		b.sound()
	})
}

func TestAnAnswerIsKeptAsTextAndNoLongerThanItsShare(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.incidentless()
		b.expand(10)
		x := post(b, "w", b.claimOn(notifier.Webhook, "w", 1)[0], 200)
		x.Receipt.Answer = "a\x00b\xff'\"\r\n{1,2}" + strings.Repeat("ö", notifier.AnswerSize)
		b.must(b.Settle(b.ctx, []notifier.Settlement{x}))
		got, _, err := b.Attempts(b.ctx, n, "", 1)
		b.must(err)
		if a := got[0].Answer; !strings.HasPrefix(a, "a\ufffdb\ufffd'\"\r\n{1,2}ö") || len(a) > notifier.AnswerSize || len(a) < notifier.AnswerSize-1 {
			t.Errorf("%d bytes: %q", len(a), a[:20])
		}
	})
}

func TestASettlementThatComesTwiceIsOneAttempt(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.incidentless()
		b.expand(10)
		x := post(b, "w", b.claimOn(notifier.Webhook, "w", 1)[0], 200)
		b.must(b.Settle(b.ctx, []notifier.Settlement{x}))
		b.must(b.Settle(b.ctx, []notifier.Settlement{x}))
		b.must(b.Settle(b.ctx, []notifier.Settlement{x, post(b, "w", notifier.Delivery{ID: x.ID}, 500)}))
		if rows := b.number(`SELECT count(*) FROM attempts`); rows != 1 {
			t.Errorf("%d attempts", rows)
		}
		b.sound()
	})
}

func TestMailIsNoAttempt(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(2)
		b.incidentless()
		b.expand(10)
		ds := b.claim("w", 2)
		b.settle("w", notifier.Sent, ds[0])
		b.settle("w", notifier.Failed, ds[1])
		if rows := b.number(`SELECT count(*) FROM attempts`); rows != 0 {
			t.Errorf("%d attempts", rows)
		}
	})
}

// disabled fails unless the endpoint is disabled, its contact told once, and
// nothing is open for it.
func (b *box) disabled(n subscribers.Number, why subscribers.Disabled) {
	b.t.Helper()
	h := b.hook(n)
	if h.State != subscribers.Quarantined || h.DisabledWhy != why || h.DisabledAt.IsZero() {
		b.t.Errorf("%s, %s since %s", h.State, h.DisabledWhy, h.DisabledAt)
	}
	if events := b.number(`SELECT count(*) FROM events WHERE type = 'endpoint.disabled' AND reader = %d`, n); events != 1 {
		b.t.Errorf("%d notices", events)
	}
	if open := b.number(`SELECT count(*) FROM deliveries WHERE channel = 'webhook' AND state IN ('pending', 'sending', 'held')`); open != 0 {
		b.t.Errorf("%d are open", open)
	}
	b.sound()
}

func TestAnEndpointThatIsGoneIsDisabledAndItsContactToldOnce(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.incident("one")
		first := b.event(notifier.Event{IncidentID: "one"})
		other := b.incidentless()
		b.expand(10)
		flying := b.claimOn(notifier.Webhook, "w", 10)
		later := b.event(notifier.Event{IncidentID: "one"})
		b.expand(10)
		b.states(int64(n), map[int64]notifier.DeliveryState{first: notifier.Sending, other: notifier.Sending, later: notifier.Held})
		before := b.pulse().Halts
		b.must(b.Settle(b.ctx, []notifier.Settlement{post(b, "w", flying[0], 410)}))
		b.disabled(n, subscribers.DisabledGone)
		b.states(int64(n), map[int64]notifier.DeliveryState{first: notifier.Failed, other: notifier.Suppressed, later: notifier.Suppressed})
		if b.pulse().Halts <= before {
			t.Error("no worker is told to stop")
		}
		b.must(b.Settle(b.ctx, []notifier.Settlement{post(b, "w", flying[0], 410), post(b, "w", flying[1], 410)}))
		b.disabled(n, subscribers.DisabledGone)
		b.expand(10)
		mail := b.claim("w", 10)
		if len(mail) != 1 || mail[0].Address != "ops@example.com" {
			t.Errorf("claimed %+v", mail)
		}
		b.incidentless()
		if made := b.expand(10); made != 0 {
			t.Errorf("%d made for an endpoint that is gone", made)
		}
		h := b.test(n, 200)
		if h.State != subscribers.Active || h.DisabledWhy != "" || !h.DisabledAt.IsZero() || !h.FailingSince.IsZero() {
			t.Errorf("after a test: %+v", h)
		}
	})
}

func TestAnEndpointThatDoesNothingButFailIsDisabled(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		since := b.time()
		fail := func(status int) {
			t.Helper()
			b.incidentless()
			b.expand(10)
			if b.posts(status) == 0 {
				t.Fatal("nothing was due")
			}
		}
		fail(500)
		b.pass(notifier.EndpointPatience - time.Minute)
		fail(0)
		if h := b.hook(n); h.State != subscribers.Active || h.FailingSince.Sub(since) > time.Second {
			t.Fatalf("%+v", h)
		}
		b.pass(time.Minute)
		fail(500)
		b.disabled(n, subscribers.DisabledFailing)
	})
}

func TestAnySuccessResetsTheClockOfFailures(t *testing.T) {
	for name, succeed := range map[string]func(b *box, n subscribers.Number){
		"a post": func(b *box, _ subscribers.Number) { b.incidentless(); b.expand(10); b.posts(200) },
		"a test": func(b *box, n subscribers.Number) { b.test(n, 200) },
	} {
		t.Run(name, func(t *testing.T) {
			oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
				b.incidentless()
				b.expand(10)
				b.posts(500)
				b.pass(notifier.EndpointPatience)
				b.exec(`UPDATE deliveries SET due_at = %d WHERE state = 'pending'`, b.time().Add(time.Hour).UnixMicro())
				succeed(b, n)
				if h := b.hook(n); !h.FailingSince.IsZero() || h.State != subscribers.Active {
					t.Fatalf("%+v", h)
				}
				b.pass(time.Hour)
				b.posts(500)
				if h := b.hook(n); !h.FailingSince.Equal(b.time()) || h.State != subscribers.Active {
					t.Errorf("%+v", h)
				}
				b.sound()
			})
		})
	}
}

func TestOfABatchTheLastAnswerCounts(t *testing.T) {
	for name, c := range map[string]struct {
		statuses []int
		failing  bool
	}{
		"at last it answers": {[]int{500, 500, 200}, false},
		"at last it fails":   {[]int{500, 200, 500}, true},
	} {
		t.Run(name, func(t *testing.T) {
			oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
				b.exec(`UPDATE endpoints SET failing_since = %d`, b.time().Add(-notifier.EndpointPatience).UnixMicro())
				for range c.statuses {
					b.incidentless()
				}
				b.expand(10)
				var batch []notifier.Settlement
				for i, d := range b.claimOn(notifier.Webhook, "w", 10) {
					batch = append(batch, post(b, "w", d, c.statuses[i]))
					b.pass(time.Second)
				}
				at := batch[2].At
				slices.Reverse(batch)
				b.must(b.Settle(b.ctx, batch))
				h := b.hook(n)
				if h.State != subscribers.Active || c.failing != h.FailingSince.Equal(at) || !c.failing && !h.FailingSince.IsZero() {
					t.Errorf("%s, failing since %s", h.State, h.FailingSince)
				}
			})
		})
	}
}

// A fault of ours (the template, the guard) is nothing an endpoint can mend.
func TestOurOwnTroubleDisablesNoEndpoint(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.exec(`UPDATE endpoints SET failing_since = 1`)
		b.incidentless()
		b.expand(10)
		x := post(b, "w", b.claimOn(notifier.Webhook, "w", 1)[0], 500)
		x.State, x.Charged = notifier.Held, false
		b.must(b.Settle(b.ctx, []notifier.Settlement{x}))
		if h := b.hook(n); h.State != subscribers.Active {
			t.Errorf("%+v", h)
		}
	})
}

func TestStaffAloneEndWhatStaffDisabled(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.must(b.into(int64(n), subscribers.Quarantined))
		if h := b.test(n, 200); h.State != subscribers.Quarantined || h.DisabledWhy != subscribers.DisabledByStaff {
			t.Errorf("%+v", h)
		}
		b.must(b.into(int64(n), subscribers.Active))
		if h := b.hook(n); h.DisabledWhy != "" {
			t.Errorf("%+v", h)
		}
	})
}

func TestAPausedEndpointIsDisabledToo(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.incidentless()
		b.expand(10)
		d := b.claimOn(notifier.Webhook, "w", 1)[0]
		_, err := b.ChangeSubscriber(b.ctx, n, func(s *subscribers.Subscriber) error {
			s.State, s.PausedUntil = subscribers.Paused, b.time().Add(time.Hour)
			return nil
		})
		b.must(err)
		b.exec(`UPDATE deliveries SET state = 'sending', worker = 'w', lease_until = 1 WHERE id = %d`, d.ID) // as if the pause had come a moment later
		b.exec(`UPDATE event_counts SET suppressed = 0, unsettled = 1, tried = 0`)
		b.must(b.Settle(b.ctx, []notifier.Settlement{post(b, "w", d, 410)}))
		b.disabled(n, subscribers.DisabledGone)
	})
}

func TestAPhoneThatWantsNothingMoreIsBarred(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		s, err := b.AddSubscriber(b.ctx, subscribers.Subscriber{Channel: notifier.SMS, Address: "+4740612345", State: subscribers.Active, Cadence: subscribers.Instant}, nil)
		b.must(err)
		b.incidentless()
		b.incidentless()
		b.expand(10)
		ds := b.claimOn(notifier.SMS, "w", 10)
		b.must(b.Settle(b.ctx, []notifier.Settlement{post(b, "w", ds[0], 410)}))
		barred, _, err := b.Suppressions(b.ctx, "", 10)
		b.must(err)
		if len(barred) != 1 || barred[0].Reason != subscribers.ReasonStop || barred[0].Address != s.Address {
			t.Errorf("%+v", barred)
		}
		if got := b.mine("w", ds); len(got) != 0 {
			t.Errorf("still being sent: %v", got)
		}
		if rows := b.number(`SELECT count(*) FROM attempts`); rows != 0 {
			t.Errorf("%d attempts", rows)
		}
		b.sound()
	})
}

func TestOldAttemptsAreForgottenByAndBy(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for i := range 3 {
			n := b.addHook(fmt.Sprintf("https://example.com/%d", i), subscribers.Active)
			for range 10 {
				b.test(n, 200)
				b.pass(time.Second)
			}
		}
		before := b.time()
		b.pass(time.Hour)
		b.test(1, 200)
		total := 0
		for {
			n, err := b.Prune(b.ctx, before, 7)
			b.must(err)
			if n == 0 {
				break
			}
			if total += n; n > 8 {
				t.Errorf("%d at once", n)
			}
		}
		if left := b.number(`SELECT count(*) FROM attempts`); total != 30 || left != 1 {
			t.Errorf("%d forgotten, %d left", total, left)
		}
	})
}
