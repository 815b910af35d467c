package store_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/subscribers"
)

func signUp(address string, change ...func(*subscribers.SignUp)) subscribers.SignUp {
	x := subscribers.SignUp{
		Subscriber: subscribers.Subscriber{Channel: notifier.Email, Address: address, Cadence: subscribers.Instant},
		Network:    netip.MustParsePrefix("192.0.2.0/24"), Consent: subscribers.Consent{Language: "en", Words: "Yes, please."},
	}
	for _, c := range change {
		c(&x)
	}
	return x
}

func solved(x *subscribers.SignUp) { x.Solved = true }

// answer goes through everything that can be gone through now.
func (b *box) answer(limits subscribers.Limits) subscribers.Answered {
	b.t.Helper()
	all := subscribers.Answered{Fates: map[subscribers.Fate]int{}}
	for {
		did, err := b.AnswerSignUps(b.ctx, nil, limits, b.asking, 3)
		b.must(err)
		for f, n := range did.Fates {
			all.Fates[f] += n
		}
		all.Spent = all.Spent || did.Spent
		if all.Next = did.Next; !did.More {
			return all
		}
	}
}

// asking makes the event that asks somebody to confirm.
func (b *box) asking(s subscribers.Subscriber) notifier.Event {
	return s.ConfirmEvent(notifier.Desk{Now: b.time(), NewID: func() string { return fmt.Sprintf("ask-%d-%d", s.Number, b.time().UnixMicro()) }})
}

func (b *box) asks(xs ...subscribers.SignUp) {
	b.t.Helper()
	for _, x := range xs {
		b.must(b.QueueSignUp(b.ctx, x))
	}
}

func (b *box) confirmations() int64 {
	return b.number(`SELECT count(*) FROM events WHERE type = 'subscriber.confirm'`)
}

func TestWhoSignsUpIsAskedToConfirm(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		b.asks(signUp("ann@example.com", func(x *subscribers.SignUp) {
			x.Timezone, x.Language, x.Cadence = "Europe/Oslo", "de", subscribers.Milestones
			x.Filter = subscribers.Filter{Components: []string{componentKeys[1], componentKeys[0], "gone"}, Severity: notifier.SeverityMajor, Kinds: []notifier.Kind{notifier.KindIncident}, Incident: "one"}
		}))
		if b.number(`SELECT count(*) FROM subscribers`) != 0 {
			t.Error("somebody was added by the request itself")
		}
		b.pass(time.Minute)
		if did := b.answer(subscribers.SignUpLimits()); did.Fates[subscribers.SignUpAsked] != 1 || !did.Next.IsZero() {
			t.Errorf("answered %+v", did)
		}
		got, err := b.Subscriber(b.ctx, 1)
		b.must(err)
		if got.Address != "ann@example.com" || got.State != subscribers.Pending || got.Timezone != "Europe/Oslo" || got.Language != "de" ||
			got.Cadence != subscribers.Milestones || len(got.Filter.Components) != 2 || got.Filter.Severity != notifier.SeverityMajor ||
			got.Filter.Incident != "one" || !got.CreatedAt.Equal(b.time().Add(-time.Minute)) {
			t.Errorf("became %+v", got)
		}
		if b.expand(10) != 1 || b.number(`SELECT count(*) FROM signups`) != 0 {
			t.Error("no mail, or the sign-up is still there")
		}
		b.sound()
	})
}

func TestOneConfirmationADayGoesToAnAddressWhateverIsAsked(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for i := range 6 {
			b.asks(signUp("ann@gmail.com", solved), signUp("a.nn+x@googlemail.com", func(x *subscribers.SignUp) {
				x.Network = netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", i))
			}))
			b.answer(subscribers.SignUpLimits())
			b.pass(5 * time.Hour)
		}
		if n := b.confirmations(); n != 2 { // at once, and when a day had passed
			t.Errorf("%d confirmations in 25 hours", n)
		}
		b.pass(24 * time.Hour)
		b.answer(subscribers.SignUpLimits())
		if n := b.confirmations(); n != 2 || b.number(`SELECT count(*) FROM signups`) != 0 {
			t.Errorf("%d confirmations: what was asked within the day comes a day later", n)
		}
	})
}

func TestNothingIsSentToWhoIsThereOrBarred(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for _, s := range []subscribers.State{subscribers.Active, subscribers.Paused, subscribers.Quarantined} {
			_, err := b.AddSubscriber(b.ctx, reader(string(s)+"@example.com", s), nil)
			b.must(err)
			b.asks(signUp(string(s) + "@example.com"))
		}
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "barred@example.com", Reason: subscribers.ReasonComplaint}))
		b.asks(signUp("barred@example.com"), signUp("void@example.com", func(x *subscribers.SignUp) { x.Filter.Components = []string{"gone"} }))
		b.asks(signUp("trapped@example.com", func(x *subscribers.SignUp) { x.Trapped = true }))
		did := b.answer(subscribers.SignUpLimits())
		if did.Fates[subscribers.SignUpKnown] != 3 || did.Fates[subscribers.SignUpBarred] != 1 || did.Fates[subscribers.SignUpVoid] != 1 || did.Fates[subscribers.SignUpTrapped] != 1 || b.confirmations() != 0 {
			t.Errorf("%+v, %d confirmations", did, b.confirmations())
		}
		if b.number(`SELECT count(*) FROM budgets`) != 0 {
			t.Error("what is not sent was paid for")
		}
	})
}

func TestWhoLeftOrNeverConfirmedComesBackWithNewChoices(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		for _, s := range []subscribers.State{subscribers.Pending, subscribers.Unsubscribed} {
			old := reader(string(s)+"@example.com", s)
			old.Filter.Components, old.CreatedAt = []string{componentKeys[0]}, b.time()
			_, err := b.AddSubscriber(b.ctx, old, nil)
			b.must(err)
			b.pass(time.Hour)
			b.asks(signUp(string(s)+"@example.com", func(x *subscribers.SignUp) { x.Filter.Severity = notifier.SeverityMinor }))
		}
		if did := b.answer(subscribers.SignUpLimits()); did.Fates[subscribers.SignUpAsked] != 2 {
			t.Errorf("%+v", did)
		}
		for n := range subscribers.Number(2) {
			got, err := b.Subscriber(b.ctx, n+1)
			b.must(err)
			if got.State != subscribers.Pending || len(got.Filter.Components) != 0 || got.Filter.Severity != notifier.SeverityMinor || got.Unsubscribed.IsZero() != (n == 0) {
				t.Errorf("%+v", got)
			}
		}
		b.sound()
	})
}

func TestTheQueueIsBoundedAndAPlaceIsKeptForWhoDidTheWork(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		fill := `INSERT INTO signups (id, solved, address, choices, consent, asked_at, due_at) `
		if b.Dialect() == "postgres" {
			b.exec("%s", fill+`SELECT 'x' || n, false, 'x@example.com', '{}', '', 1, 1 FROM generate_series(1, 5000) AS n`)
		} else {
			b.exec("%s", fill+`WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5000) SELECT 'x' || n, false, 'x@example.com', '{}', '', 1, 1 FROM r`)
		}
		if err := b.QueueSignUp(b.ctx, signUp("ann@example.com")); !errors.Is(err, subscribers.ErrFull) {
			t.Errorf("the queue takes %v", err)
		}
		b.asks(signUp("ann@example.com", solved))
		did, err := b.AnswerSignUps(b.ctx, nil, subscribers.SignUpLimits(), b.asking, 10)
		b.must(err)
		if did.Fates[subscribers.SignUpAsked] != 1 || did.Fates[subscribers.SignUpExpired] != 9 || !did.More {
			t.Errorf("who did the work was not first, or what is a day old still counts: %+v", did)
		}
	})
}

// Whoever asks, from wherever, however often: what is sent stays within every
// budget, and those who did the work get in when the others used theirs up.
func TestConfirmationsStayWithinEveryBudget(t *testing.T) {
	limits := subscribers.Limits{
		subscribers.PerAddress: {Every: 24 * time.Hour, Burst: 1}, subscribers.PerNetwork: {Every: time.Hour, Burst: 3}, subscribers.PerDomain: {Every: time.Hour, Burst: 4},
		subscribers.ForAll: {Every: 30 * time.Minute, Burst: 5}, subscribers.DomainSolved: {Every: time.Hour, Burst: 2}, subscribers.AllSolved: {Every: 30 * time.Minute, Burst: 3},
	}
	eachBox(t, func(t *testing.T, b *box) {
		rapid.Check(t, func(r *rapid.T) {
			b.empty()
			b.exec(`DELETE FROM consents`)
			b.exec(`DELETE FROM signups`)
			b.exec(`DELETE FROM budgets`)
			began := b.time()
			for range rapid.IntRange(1, 6).Draw(r, "rounds") {
				for range rapid.IntRange(0, 10).Draw(r, "asks") {
					b.asks(signUp(fmt.Sprintf("r%d@d%d.example", rapid.IntRange(0, 30).Draw(r, "who"), rapid.IntRange(0, 2).Draw(r, "domain")), func(x *subscribers.SignUp) {
						x.Solved = rapid.Bool().Draw(r, "solved")
						x.Network = netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", rapid.IntRange(0, 3).Draw(r, "network")))
					}))
				}
				b.answer(limits)
				b.pass(time.Duration(rapid.IntRange(0, 120).Draw(r, "minutes")) * time.Minute)
			}
			passed := b.time().Sub(began)
			grown := func(scopes ...subscribers.Scope) (most int64) {
				for _, s := range scopes {
					most += int64(limits[s].Burst) + int64(passed/limits[s].Every)
				}
				return most
			}
			if n := b.confirmations(); n > grown(subscribers.ForAll, subscribers.AllSolved) {
				r.Fatalf("%d confirmations in %s", n, passed)
			}
			for _, c := range []struct {
				query string
				most  int64
			}{
				{`SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM events GROUP BY reader) AS x`, grown(subscribers.PerAddress)},
				{`SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM consents WHERE step = 'asked' GROUP BY network) AS x`, grown(subscribers.PerNetwork)},
				{`SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM events AS e JOIN subscribers AS s ON s.number = e.reader GROUP BY substr(s.address, length(s.address) - 9)) AS x`,
					grown(subscribers.PerDomain, subscribers.DomainSolved)},
			} {
				if n := b.number("%s", c.query); n > c.most {
					r.Fatalf("%s: %d of %d in %s", c.query, n, c.most, passed)
				}
			}
		})
	})
}

func TestWhenNothingIsLeftTheOthersWaitAndWhoDidTheWorkGetsIn(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		limits := subscribers.SignUpLimits()
		limits[subscribers.ForAll] = subscribers.Budget{Every: time.Minute, Burst: 2}
		for i := range 5 {
			b.asks(signUp(fmt.Sprintf("junk%d@j%d.example", i, i)))
		}
		did := b.answer(limits)
		if did.Fates[subscribers.SignUpAsked] != 2 || !did.Next.Equal(b.time().Add(time.Minute)) || !did.Spent {
			t.Errorf("%+v", did)
		}
		b.asks(signUp("ann@example.com", solved))
		if did := b.answer(limits); did.Fates[subscribers.SignUpAsked] != 1 {
			t.Errorf("who did the work waits: %+v", did)
		}
		b.pass(time.Minute)
		if did := b.answer(limits); did.Fates[subscribers.SignUpAsked] != 1 {
			t.Errorf("nothing grew back: %+v", did)
		}
		b.pass(10 * time.Minute)
		if did := b.answer(limits); did.Fates[subscribers.SignUpAsked] != 2 || b.confirmations() != 6 {
			t.Errorf("those who waited were forgotten: %+v", did)
		}
	})
}

func TestANetworksShareIsSpentWithoutHoldingUpOthers(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		limits := subscribers.SignUpLimits()
		limits[subscribers.PerNetwork] = subscribers.Budget{Every: time.Hour, Burst: 1}
		b.asks(signUp("a@example.com"), signUp("b@example.com"), signUp("c@example.com", func(x *subscribers.SignUp) { x.Network = netip.MustParsePrefix("2001:db8::/64") }))
		did := b.answer(limits)
		if did.Fates[subscribers.SignUpAsked] != 2 || !did.Next.Equal(b.time().Add(time.Hour)) {
			t.Errorf("%+v", did)
		}
		if did := b.answer(limits); !did.Next.Equal(b.time().Add(time.Hour)) || len(did.Fates) != 0 {
			t.Errorf("it is looked at before its time: %+v", did)
		}
		b.pass(time.Hour)
		if did := b.answer(limits); did.Fates[subscribers.SignUpAsked] != 1 {
			t.Errorf("%+v", did)
		}
	})
}

func TestTheEvidenceOfConsentIsKeptStepByStep(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.asks(signUp("ann@example.com"))
		b.answer(subscribers.SignUpLimits())
		asked := b.time()
		b.pass(time.Hour)
		for range 2 {
			who, err := b.ConfirmSubscriber(b.ctx, 1, netip.MustParsePrefix("2001:db8::/64"))
			b.must(err)
			if who.State != subscribers.Active || !who.ConfirmedAt.Equal(asked.Add(time.Hour)) {
				t.Errorf("became %+v", who)
			}
			b.pass(time.Hour)
		}
		got, err := b.Evidence(b.ctx, 1)
		b.must(err)
		version := subscribers.Consent{Language: "en", Words: "Yes, please."}.Version()
		same(t, "evidence", got, []subscribers.Evidence{
			{Step: subscribers.StepAsked, At: asked, Network: "192.0.2.0/24", Version: version, Words: "Yes, please."},
			{Step: subscribers.StepConfirmed, At: asked.Add(time.Hour), Network: "2001:db8::/64", Version: version, Words: "Yes, please."},
		})
		if _, err := b.ConfirmSubscriber(b.ctx, 99, netip.Prefix{}); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("nobody confirms: %v", err)
		}
	})
}

func TestBudgetsShowNoAddressAndGoWhenTheyAreWhole(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.asks(signUp("ann@example.com"))
		b.answer(subscribers.SignUpLimits())
		for _, key := range texts(t, b.db, `SELECT key FROM budgets WHERE scope = 'address'`) {
			if strings.Contains(key, "ann") || len(key) < 20 {
				t.Errorf("the key is %q", key)
			}
		}
		if n := b.number(`SELECT count(*) FROM budgets`); n != 4 {
			t.Errorf("%d budgets", n)
		}
		b.pass(25 * time.Hour)
		b.asks(signUp("bob@example.org"))
		b.answer(subscribers.SignUpLimits())
		if n := b.number(`SELECT count(*) FROM budgets`); n != 4 {
			t.Errorf("%d budgets", n)
		}
	})
}

func TestWhoNeverConfirmsIsForgotten(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.asks(signUp("never@example.com"), signUp("does@example.com"), signUp("again@example.com"))
		b.answer(subscribers.SignUpLimits())
		_, err := b.AddSubscriber(b.ctx, reader("staff@example.com", subscribers.Pending), nil)
		b.must(err)
		b.exec(`UPDATE subscribers SET state = 'active', confirmed_at = 1 WHERE address = 'does@example.com'`)
		b.pass(5 * 24 * time.Hour)
		b.asks(signUp("again@example.com"))
		b.answer(subscribers.SignUpLimits())
		b.pass(3 * 24 * time.Hour)
		n, err := b.ForgetUnconfirmed(b.ctx, b.time().Add(-7*24*time.Hour), 10)
		b.must(err)
		if n != 1 || b.number(`SELECT count(*) FROM subscribers`) != 3 || b.number(`SELECT count(*) FROM subscribers WHERE address = 'never@example.com'`) != 0 {
			t.Errorf("forgot %d", n)
		}
		b.sound()
	})
}
