package store_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

const aPhone = "+4740612345"

func phoneSignUp(phone string) subscribers.SignUp {
	return signUp(phone, func(x *subscribers.SignUp) { x.Channel, x.Quiet = notifier.SMS, "22:00-07:00" })
}

// codeOf is the code that a reader's last question carries.
func (b *box) codeOf(n subscribers.Number) string {
	b.t.Helper()
	at := b.number(`SELECT max(accepted_at) FROM events WHERE reader = %d AND type = 'subscriber.confirm'`, n)
	return subscribers.NewLinks(storetest.Secret()).Code(n, time.UnixMicro(at))
}

// wrongCode is none that a reader has.
func wrongCode(right string) string {
	if right == "123456" {
		return "123457"
	}
	return "123456"
}

func (b *box) check(phone, code string) (subscribers.Subscriber, error) {
	return b.CheckCode(b.ctx, phone, code, netip.MustParsePrefix("192.0.2.0/24"))
}

// onePhone is a store that one phone has signed up at.
func onePhone(t *testing.T, test func(t *testing.T, b *box, n subscribers.Number)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		b.asks(phoneSignUp(aPhone))
		if did := b.answer(subscribers.SignUpLimits()); did.Fates[subscribers.SignUpAsked] != 1 {
			t.Fatalf("%+v", did)
		}
		test(t, b, 1)
	})
}

func TestAPhoneIsConfirmedByItsCode(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.expand(10)
		if got := b.claimOn(notifier.SMS, "w", 10); len(got) != 1 || got[0].Address != aPhone || !got[0].ExpiresAt.Equal(b.time().Add(subscribers.CodeLife)) {
			t.Fatalf("the question: %+v", got)
		}
		b.pass(subscribers.CodeLife - time.Microsecond)
		who, err := b.check(aPhone, b.codeOf(n))
		b.must(err)
		if who.Number != n || who.State != subscribers.Active || who.Quiet != "22:00-07:00" {
			t.Errorf("%+v", who)
		}
		evidence, err := b.Evidence(b.ctx, n)
		b.must(err)
		if len(evidence) != 2 || evidence[1].Step != subscribers.StepConfirmed || evidence[1].Network != "192.0.2.0/24" || evidence[1].Words != "Yes, please." {
			t.Errorf("%+v", evidence)
		}
		if _, err := b.check(aPhone, b.codeOf(n)); !errors.Is(err, subscribers.ErrCode) {
			t.Errorf("twice: %v", err)
		}
	})
}

func TestACodeIsGoodForItsTime(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.pass(subscribers.CodeLife)
		if _, err := b.check(aPhone, wrongCode(b.codeOf(n))); !errors.Is(err, subscribers.ErrCode) {
			t.Errorf("a wrong one: %v", err)
		}
		if _, err := b.check(aPhone, b.codeOf(n)); !errors.Is(err, subscribers.ErrCodeExpired) {
			t.Errorf("the right one: %v", err)
		}
	})
}

func TestACodeIsGuessedFiveTimesAtMost(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, n subscribers.Number) {
		right := b.codeOf(n)
		for range subscribers.CodeTries {
			if _, err := b.check(aPhone, wrongCode(right)); !errors.Is(err, subscribers.ErrCode) {
				t.Fatal(err)
			}
		}
		for range 3 {
			if _, err := b.check(aPhone, right); !errors.Is(err, subscribers.ErrCodeTries) {
				t.Fatalf("a sixth guess: %v", err)
			}
		}
		b.pass(time.Minute)
		b.asks(phoneSignUp(aPhone))
		b.answer(subscribers.SignUpLimits())
		if _, err := b.check(aPhone, b.codeOf(n)); err != nil {
			t.Errorf("a new code: %v", err)
		}
	})
}

// Whoever guesses codes learns nothing of the number: neither that it is
// subscribed, nor that nobody knows it.
func TestCodesTellNothingOfANumber(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, n subscribers.Number) {
		const active, unknown = "+4740612346", "+4740612347"
		_, err := b.AddSubscriber(b.ctx, subscribers.Subscriber{Channel: notifier.SMS, Address: active, State: subscribers.Active, Cadence: subscribers.Instant}, nil)
		b.must(err)
		wrong := wrongCode(b.codeOf(n))
		for round := range 40 {
			_, want := b.check(aPhone, wrong)
			for _, phone := range []string{active, unknown} {
				if _, got := b.check(phone, wrong); !errors.Is(got, want) {
					t.Errorf("round %d: %v, and %v for one who waits", round, got, want)
				}
			}
			b.pass(time.Minute)
		}
		if kept := texts(t, b.db, `SELECT key FROM codes`); fmt.Sprint(kept) == "" || len(kept[0]) > 24 {
			t.Errorf("kept as %v", kept)
		}
	})
}

func TestBudgetsOfPhonesHoldTollFraudDown(t *testing.T) {
	hour := func(b *box, phones func(i int) string) (asked int) {
		for i := range 60 {
			b.asks(phoneSignUp(phones(i)))
			asked += b.answer(subscribers.SignUpLimits()).Fates[subscribers.SignUpAsked]
			b.pass(time.Minute)
		}
		return asked
	}
	for name, c := range map[string]struct {
		phones func(i int) string
		most   int
	}{
		"one number": {func(int) string { return aPhone }, 3},
		"one range":  {func(i int) string { return fmt.Sprintf("+4740612%03d", i) }, 40},
		"all ranges": {func(i int) string { return fmt.Sprintf("+47%02d612345", 40+i%60) }, 120},
	} {
		t.Run(name, func(t *testing.T) {
			eachBox(t, func(t *testing.T, b *box) {
				if got := hour(b, c.phones); got == 0 || got > c.most {
					t.Errorf("%d SMS in an hour, at most %d may be", got, c.most)
				}
				b.asks(signUp("ann@example.com", func(x *subscribers.SignUp) { x.Network = netip.MustParsePrefix("198.51.100.0/24") }))
				if did := b.answer(subscribers.SignUpLimits()); b.number(`SELECT count(*) FROM subscribers WHERE channel = 'email'`) != 1 {
					t.Errorf("mail waits for phones: %+v", did)
				}
			})
		})
	}
}

func TestPhonesDoNotWaitForMail(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		limits := subscribers.SignUpLimits()
		limits[subscribers.ForAll] = subscribers.Budget{Every: time.Hour, Burst: 1}
		b.asks(signUp("ann@example.com"), signUp("bob@example.com"), phoneSignUp(aPhone))
		if did := b.answer(limits); did.Fates[subscribers.SignUpAsked] != 2 || !did.Spent {
			t.Errorf("%+v", did)
		}
		if b.number(`SELECT count(*) FROM subscribers WHERE channel = 'sms'`) != 1 {
			t.Error("the phone waits")
		}
	})
}

func TestAReportHasOneEffectHoweverOftenItComes(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.expand(10)
		d := b.claimOn(notifier.SMS, "w", 1)[0]
		if err := b.ReportPhone(b.ctx, d.ID, notifier.TextReport{Delivered: false, Reply: "early"}); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("before it was sent: %v", err)
		}
		b.settle("w", notifier.Sent, d)
		for range 3 {
			b.must(b.ReportPhone(b.ctx, d.ID, notifier.TextReport{Delivered: true, Reply: "DELIVRD"}))
		}
		if got := b.row(d.ID.Event(), int64(n)); got.State != notifier.Sent {
			t.Errorf("%+v", got)
		}
		for range 3 {
			b.must(b.ReportPhone(b.ctx, d.ID, notifier.TextReport{Delivered: false, Reply: "UNDELIV err:027"}))
			b.sound()
		}
		if got := b.row(d.ID.Event(), int64(n)); got.State != notifier.Bounced || got.Remote != "queued" || got.Relay != "relay" {
			t.Errorf("%+v", got)
		}
		b.must(b.ReportPhone(b.ctx, d.ID, notifier.TextReport{Delivered: true, Reply: "DELIVRD"}))
		if got := b.row(d.ID.Event(), int64(n)); got.State != notifier.Bounced {
			t.Errorf("%+v", got)
		}
	})
}

// The account does not depend on which of the two comes first.
func TestAReportThatIsQuickerThanTheAnswerCountsTheTry(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.expand(10)
		d := b.claimOn(notifier.SMS, "w", 1)[0]
		b.must(b.ReportPhone(b.ctx, d.ID, notifier.TextReport{Gateway: "kannel", Delivered: true, Reply: "DELIVRD"}))
		b.settle("w", notifier.Sent, d)
		if got := b.row(d.ID.Event(), int64(n)); got.State != notifier.Sent || got.Attempts != 1 || got.Relay != "kannel" {
			t.Errorf("it is %s after %d tries by %q", got.State, got.Attempts, got.Relay)
		}
		b.sound()
	})
}

// Whoever tries again has to know, also in a process that was not there.
func TestATryInDoubtIsHandedOutAsOne(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, _ subscribers.Number) {
		b.expand(10)
		d := b.claimOn(notifier.SMS, "w", 1)[0]
		if d.InDoubt() || !d.TriedAt.IsZero() {
			t.Errorf("never tried: %+v", d)
		}
		tried := b.time()
		b.must(b.Settle(b.ctx, []notifier.Settlement{{
			ID: d.ID, State: notifier.Pending, DueAt: tried.Add(time.Minute), At: tried, Tried: true, Worker: "w", Receipt: notifier.Receipt{Relay: "twilio", Reply: notifier.Doubtful("no answer")},
		}}))
		b.pass(time.Minute)
		if d = b.claimOn(notifier.SMS, "v", 1)[0]; !d.InDoubt() || !d.TriedAt.Equal(tried) {
			t.Errorf("tried at %s: %+v", tried, d)
		}
	})
}

// A gateway that did not answer in time may have taken it all the same.
func TestAReportOfArrivalIsAFact(t *testing.T) {
	onePhone(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.expand(10)
		d := b.claimOn(notifier.SMS, "w", 1)[0]
		b.settle("w", notifier.Failed, d)
		b.must(b.ReportPhone(b.ctx, d.ID, notifier.TextReport{Delivered: true, Reply: "DELIVRD"}))
		if got := b.row(d.ID.Event(), int64(n)); got.State != notifier.Sent {
			t.Errorf("%+v", got)
		}
		b.sound()
	})
}

func TestAReportIsOfAnSMSOnly(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		b.settle("w", notifier.Sent, b.claim("w", 1)...)
		for _, id := range []notifier.DeliveryID{notifier.MakeDeliveryID(first, 1), notifier.MakeDeliveryID(first, 99)} {
			if err := b.ReportPhone(b.ctx, id, notifier.TextReport{Delivered: false, Reply: "no"}); !errors.Is(err, notifier.ErrNotFound) {
				t.Errorf("%s: %v", id, err)
			}
		}
		b.holds(first, notifier.Sent, first, 0)
	})
}

func TestADaysBudgetIsNeverExceeded(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for i, c := range []struct {
			day  string
			n    int
			want bool
		}{
			{"2026-11-23", 6, true}, {"2026-11-23", 5, false}, {"2026-11-23", 4, true}, {"2026-11-23", 1, false},
			{"2026-11-24", 11, false}, {"2026-11-24", 10, true}, {"2026-11-23", -3, true}, {"2026-11-23", 3, true}, {"2026-11-23", 1, false},
		} {
			if ok, err := b.SpendSegments(b.ctx, c.day, c.n, 10); ok != c.want || err != nil {
				t.Errorf("%d: %t, %v", i, ok, err)
			}
		}
		if spent := b.number(`SELECT spent FROM segments WHERE day = '2026-11-23'`); spent != 10 {
			t.Errorf("%d were spent", spent)
		}
	})
}

func TestAnEndpointThatSignsUpIsPaidForByItsContact(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		hook := func(i int) subscribers.SignUp {
			return signUp(fmt.Sprintf("https://example.com/%d", i), func(x *subscribers.SignUp) {
				x.Channel, x.Contact, x.Format = notifier.Webhook, "Ops+"+fmt.Sprint(i)+"@example.com", notifier.FormatSlack
				x.Filter.Types = []notifier.EventType{notifier.PostPublished}
			})
		}
		for i := range 5 {
			b.asks(hook(i))
			b.pass(time.Second)
		}
		did := b.answer(subscribers.SignUpLimits())
		if did.Fates[subscribers.SignUpAsked] != 3 || did.Fates[subscribers.SignUpAgain] != 2 {
			t.Errorf("%+v", did)
		}
		h := b.hook(1)
		if h.State != subscribers.Pending || h.Format != notifier.FormatSlack || len(h.Filter.Types) != 1 || h.Contact != "Ops+0@example.com" {
			t.Errorf("%+v", h)
		}
		b.expand(10)
		if got := b.claim("w", 10); len(got) != 3 || got[0].Address != "Ops+0@example.com" {
			t.Errorf("claimed %+v", got)
		}
		b.sound()
	})
}

func TestWhoSignsAPendingEndpointUpAgainHasToProveItAnew(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		hook := func(contact string) subscribers.SignUp {
			return signUp("https://example.com/hook", func(x *subscribers.SignUp) {
				x.Channel, x.Contact, x.Format = notifier.Webhook, contact, notifier.FormatStandard
			})
		}
		b.asks(hook("ann@example.com"))
		b.answer(subscribers.SignUpLimits())
		_, err := b.ConfirmSubscriber(b.ctx, 1, netip.Prefix{})
		b.must(err)
		b.pass(time.Second)
		b.asks(hook("eve@example.com"))
		b.answer(subscribers.SignUpLimits())
		if h := b.test(1, 200); h.State != subscribers.Pending || h.Contact != "eve@example.com" || !h.ContactAt.IsZero() {
			t.Errorf("%+v", h)
		}
		if _, err := b.ConfirmSubscriber(b.ctx, 1, netip.MustParsePrefix("192.0.2.0/24")); err != nil {
			t.Fatal(err)
		}
		if h := b.hook(1); h.State != subscribers.Active {
			t.Errorf("%+v", h)
		}
		b.asks(hook("mallory@example.com"))
		if did := b.answer(subscribers.SignUpLimits()); did.Fates[subscribers.SignUpKnown] != 1 {
			t.Errorf("%+v", did)
		}
	})
}

func TestASignUpForABarredContactSendsNothing(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "ops@example.com", Reason: subscribers.ReasonBounce}))
		b.asks(signUp("https://example.com/hook", func(x *subscribers.SignUp) {
			x.Channel, x.Contact, x.Format = notifier.Webhook, "ops@example.com", notifier.FormatStandard
		}))
		if did := b.answer(subscribers.SignUpLimits()); did.Fates[subscribers.SignUpBarred] != 1 || b.confirmations() != 0 {
			t.Errorf("%+v", did)
		}
	})
}
