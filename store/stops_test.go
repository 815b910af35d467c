package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestStopIsRememberedUntilStart(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, n subscribers.Number) {
		_, err := b.check(aPhone, b.codeOf(n))
		b.must(err)
		b.incidentless()
		b.expand(10)
		stop := func(want bool) {
			t.Helper()
			if first, err := b.StopPhone(b.ctx, aPhone); first != want || err != nil {
				t.Errorf("stop: %t, %v", first, err)
			}
		}
		start := func(want bool) {
			t.Helper()
			if first, err := b.StartPhone(b.ctx, aPhone, ""); first != want || err != nil {
				t.Errorf("start: %t, %v", first, err)
			}
		}
		start(false)
		stop(true)
		stop(false)
		if got := b.claimOn(notifier.SMS, "w", 10); len(got) != 0 {
			t.Errorf("claimed %+v", got)
		}
		b.asks(phoneSignUp(aPhone))
		if did := b.answer(subscribers.SignUpLimits()); did.Fates[subscribers.SignUpBarred] != 1 {
			t.Errorf("asked again: %+v", did)
		}
		start(true)
		b.incidentless()
		b.expand(10)
		if got := b.claimOn(notifier.SMS, "w", 10); len(got) != 1 {
			t.Errorf("claimed %+v", got)
		}
		b.sound()
	})
}

// Every process and every later one knows what was said.
func TestAStartStartsOnceHoweverLongItIsKept(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, _ subscribers.Number) {
		say := func(id string, want bool) {
			t.Helper()
			if first, err := b.StartPhone(b.ctx, aPhone, id); first != want || err != nil {
				t.Errorf("start by %q: %t, %v", id, first, err)
			}
		}
		stop := func() {
			t.Helper()
			_, err := b.StopPhone(b.ctx, aPhone)
			b.must(err)
		}
		stop()
		say("m1", true)
		for _, pause := range []time.Duration{0, time.Minute, 300 * 24 * time.Hour} {
			stop()
			b.pass(pause)
			b.asks(phoneSignUp("+4740612399"))
			b.answer(subscribers.SignUpLimits()) // which forgets budgets
			say("m1", false)
		}
		say("m2", true)
		stop()
		say("", true) // of a gateway that gives no ids
		if kept := texts(t, b.db, `SELECT key FROM budgets WHERE scope = 'number'`); fmt.Sprint(kept) == "" || len(kept[0]) > 24 {
			t.Errorf("kept as %v", kept)
		}
	})
}

func TestAnswersAreAsFewAsCodes(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		count := func(phone func(i int) string) (n int) {
			for i := range 200 {
				ok, err := b.AnswerPhone(b.ctx, phone(i))
				b.must(err)
				if ok {
					n++
				}
			}
			return n
		}
		if n := count(func(int) string { return aPhone }); n != 3 {
			t.Errorf("one number is answered %d times at once", n)
		}
		if n := count(func(i int) string { return fmt.Sprintf("+4740612%03d", i) }); n != 27 {
			t.Errorf("%d others are", n)
		}
		b.asks(phoneSignUp(aPhone))
		if did := b.answer(subscribers.SignUpLimits()); did.Fates[subscribers.SignUpAsked] != 1 {
			t.Errorf("a sign-up pays for it: %+v", did)
		}
	})
}

func TestWhoSaidStopToTheGatewayIsBarredByItsReport(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, n subscribers.Number) {
		_, err := b.check(aPhone, b.codeOf(n))
		b.must(err)
		b.incidentless()
		b.incidentless()
		b.expand(10)
		ds := b.claimOn(notifier.SMS, "w", 10)
		b.settle("w", notifier.Sent, ds[0])
		gone := notifier.TextReport{Gone: true, Reply: "failed 21610"}
		for range 3 {
			b.must(b.ReportPhone(b.ctx, ds[0].ID, gone))
			b.sound()
		}
		if got := b.row(ds[0].ID.Event(), int64(n)); got.State != notifier.Bounced {
			t.Errorf("%+v", got)
		}
		if b.number(`SELECT count(*) FROM suppressions WHERE reason = 'stop'`) != 1 || b.number(`SELECT count(*) FROM deliveries WHERE channel = 'sms' AND state IN ('pending', 'sending', 'held')`) != 0 {
			t.Error("it is not barred, or waits for more")
		}
		if first, err := b.StartPhone(b.ctx, aPhone, "m1"); !first || err != nil {
			t.Errorf("start: %t, %v", first, err)
		}
		b.must(b.ReportPhone(b.ctx, ds[0].ID, gone)) // played again
		if b.number(`SELECT count(*) FROM suppressions`) != 0 {
			t.Error("an old report stops who has started since")
		}
	})
}

func TestStartDoesNotLiftWhatStaffBarred(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, _ subscribers.Number) {
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.SMS, Address: aPhone, Reason: subscribers.ReasonManual}))
		if first, err := b.StopPhone(b.ctx, aPhone); first || err != nil {
			t.Errorf("stop: %t, %v", first, err)
		}
		if first, err := b.StartPhone(b.ctx, aPhone, ""); first || err != nil {
			t.Errorf("start: %t, %v", first, err)
		}
		if b.number(`SELECT count(*) FROM suppressions WHERE reason = 'manual'`) != 1 {
			t.Error("the suppression is another")
		}
	})
}

func TestAStopOfANumberNobodyKnowsIsObeyedToo(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		if first, err := b.StopPhone(b.ctx, aPhone); !first || err != nil {
			t.Errorf("stop: %t, %v", first, err)
		}
		_, err := b.AddSubscriber(b.ctx, subscribers.Subscriber{Channel: notifier.SMS, Address: aPhone, State: subscribers.Active}, nil)
		if !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("added: %v", err)
		}
	})
}
