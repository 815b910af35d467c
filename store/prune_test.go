package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/store/storetest"
)

const day = 24 * time.Hour

// prune forgets what is older than ninety days, in steps, and returns how much that was.
func (b *box) prune(step int) (all int) {
	b.t.Helper()
	for {
		n, err := b.Prune(b.ctx, b.time().Add(-90*day), step)
		b.must(err)
		if n > step {
			b.t.Errorf("a step of %d forgot %d", step, n)
		}
		if n == 0 {
			return all
		}
		all += n
	}
}

// over says that an incident has been resolved.
func (b *box) over(incident string) {
	b.t.Helper()
	b.exec(`UPDATE incidents SET status = 'resolved', resolved_at = %d WHERE id = '%s'`, b.time().UnixMicro(), incident)
}

// told is an incident that n readers were told of, and failed for one.
func (b *box) told(incident string, n int) (event int64) {
	b.t.Helper()
	b.incident(incident)
	event = b.event(notifier.Event{IncidentID: incident})
	b.expand(100)
	ds := b.claim("w", n+1)
	b.settle("w", notifier.Sent, ds[1:]...)
	b.settle("w", notifier.Failed, ds[0])
	return event
}

func TestOldDeliveriesAreForgottenInSmallStepsAndTheirEventKeepsItsAccount(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(10)
		old := b.told("one", 9)
		b.over("one")
		b.pass(89 * day)
		if n := b.prune(3); n != 0 {
			t.Errorf("%d were forgotten before their time", n)
		}
		recent := b.told("two", 9)
		b.over("two")
		before := b.progress(old)
		b.pass(2 * day)
		if n := b.prune(3); n != 10 {
			t.Errorf("%d were forgotten, ten were old", n)
		}
		same(t, "progress", b.progress(old), before)
		if n := b.number(`SELECT count(*) FROM deliveries WHERE event_number = %d`, recent); n != 10 {
			t.Errorf("%d of ten young ones are left", n)
		}
		for _, q := range []notifier.DeliveryQuery{{Event: eventID(b, old)}, {Address: "reader5@example.com"}, {State: notifier.Sent}, {}} {
			q.Limit = 50
			list, _, err := b.Deliveries(b.ctx, q)
			b.must(err)
			for _, d := range list {
				if d.ID.Event() == old {
					t.Errorf("%+v still lists %s", q, d.ID)
				}
			}
		}
		if n, err := b.RetryFailed(b.ctx, eventID(b, old)); n != 0 || err != nil {
			t.Errorf("%d of what was forgotten were tried again, %v", n, err)
		}
	})
}

// The resolution goes to everyone who was told, and who that is stands in the deliveries.
func TestAnIncidentThatGoesOnKeepsItsDeliveriesHoweverOldTheyAre(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(4)
		first := b.told("one", 3)
		b.pass(400 * day)
		if n := b.prune(100); n != 0 {
			t.Errorf("%d were forgotten", n)
		}
		b.exec(`UPDATE subscribers SET severity = 3, cadence = 'weekly'`) // wants nothing of the kind any more
		b.over("one")
		b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentResolved})
		if n := b.prune(100); n != 0 {
			t.Errorf("%d were forgotten before the resolution went out", n)
		}
		if n := b.expand(100); n != 3 {
			t.Errorf("the resolution goes to %d of three", n)
		}
		for _, d := range b.claim("w", 10) {
			if d.Told != first {
				t.Errorf("%s was told %d", d.ID, d.Told)
			}
			b.settle("w", notifier.Sent, d)
		}
		b.pass(91 * day)
		if n := b.prune(2); n != 7 {
			t.Errorf("%d of seven were forgotten in the end", n)
		}
	})
}

func TestWhatIsOpenIsNeverForgotten(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(3)
		b.incident("one")
		e := b.event(notifier.Event{IncidentID: "one"})
		b.over("one")
		b.pass(100 * day)
		if n := b.prune(10); n != 0 {
			t.Errorf("%d of an event that is not expanded", n)
		}
		b.expand(10)
		ds := b.claim("w", 2)
		b.settle("w", notifier.Expired, ds[0])
		if n := b.prune(10); n != 0 {
			t.Errorf("%d were forgotten beside open ones", n)
		}
		b.settle("w", notifier.Expired, ds[1])
		b.settle("w", notifier.Expired, b.claim("w", 1)...)
		if n := b.prune(10); n != 3 {
			t.Errorf("%d of three expired ones", n)
		}
		if p := b.progress(e); p.Total != 3 || p.Counts[notifier.Expired] != 3 {
			t.Errorf("%+v", p)
		}
	})
}

func TestConfirmationsPostsAndRetractedMistakesAreForgottenToo(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(2)
		for n := range int64(2) {
			b.event(notifier.Event{Type: notifier.SubscriberConfirm, Kind: notifier.KindPost, Lane: notifier.LaneConfirm, Reader: n + 1})
		}
		b.told("post", 1)
		b.exec(`UPDATE incidents SET kind = 'post', status = '' WHERE id = 'post'`)
		b.told("mistake", 1)
		b.exec(`UPDATE incidents SET state = 'retracted' WHERE id = 'mistake'`)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.pass(91 * day)
		if n := b.prune(1); n != 6 {
			t.Errorf("%d of six were forgotten", n)
		}
		if n, err := b.Prune(b.ctx, b.time(), 100); n != 0 || err != nil {
			t.Errorf("%d, %v: everything is forgotten already", n, err)
		}
	})
}

func TestKeptAnswersAreForgottenAfterADayThoughNobodyAsks(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		_, _, err := b.Once(b.ctx, notifier.OnceKey{Scope: "s", Key: "k"}, func(context.Context) (notifier.Answer, error) { return notifier.Answer{Status: 201}, nil })
		b.must(err)
		if n := b.prune(10); n != 0 {
			t.Errorf("%d were forgotten at once", n)
		}
		b.pass(day + time.Second)
		b.exec(`INSERT INTO answers (scope, key_hash, body_hash, answer, created_at) SELECT 'other', key_hash, body_hash, answer, created_at FROM answers`)
		if n := b.prune(1); n != 0 { // they are no deliveries, and more than one step
			t.Errorf("%d are told as deliveries", n)
		}
		if n := b.number(`SELECT count(*) FROM answers`); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

func TestOnlyOneProcessForgetsAtATime(t *testing.T) {
	b := newBox(t, "postgres")
	b.readers(2)
	b.told("one", 1)
	b.over("one")
	b.pass(91 * day)
	tx, err := b.db.Begin()
	b.must(err)
	_, err = tx.Exec(`SELECT pg_advisory_xact_lock(7020105093439906164)`)
	b.must(err)
	if n := b.prune(10); n != 0 {
		t.Errorf("%d were forgotten beside another process", n)
	}
	b.must(tx.Rollback())
	if n := b.prune(10); n != 2 {
		t.Errorf("%d were forgotten afterwards", n)
	}
}

// Two stores live through the same; one of them forgets whenever it can. What
// they send must be the same, message by message.
func TestForgettingNeverChangesWhatIsSentNext(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			forgets, keeps := newBox(t, dialect), newBox(t, dialect)
			both := []*box{forgets, keeps}
			rapid.Check(t, func(r *rapid.T) {
				incidents := []string{"one", "two", "three"}
				over := map[string]bool{}
				for _, b := range both {
					b.empty()
					b.exec(`UPDATE counters SET value = 0 WHERE name = 'event'`)
					b.readers(4)
					for _, i := range incidents {
						b.incident(i)
					}
				}
				for range rapid.IntRange(1, 15).Draw(r, "steps") {
					incident := rapid.SampledFrom(incidents).Draw(r, "incident")
					what := rapid.IntRange(0, 9).Draw(r, "what")
					limit, final := rapid.IntRange(1, 9).Draw(r, "limit"), rapid.SampledFrom([]notifier.DeliveryState{notifier.Sent, notifier.Failed, notifier.Pending}).Draw(r, "state")
					var said [2]string
					for n, b := range both {
						switch {
						case what < 4 && !over[incident]:
							kind := notifier.IncidentUpdated
							if what == 0 {
								kind = notifier.IncidentResolved
								b.over(incident)
							}
							b.event(notifier.Event{IncidentID: incident, Type: kind})
							b.expand(limit)
						case what < 7:
							ds := b.claim("w", limit)
							said[n] = spoken(ds)
							b.settle("w", final, ds...)
						default:
							b.pass(time.Duration(limit) * 20 * day)
						}
					}
					if what == 0 {
						over[incident] = true
					}
					forgets.prune(limit)
					if said[0] != said[1] {
						r.Fatalf("the one that forgets sends\n%s\nthe other\n%s", said[0], said[1])
					}
				}
			})
		})
	}
}

// spoken are claimed deliveries as their messages would tell them apart.
func spoken(ds []notifier.Delivery) string {
	var out strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&out, "%s to %s since %d told %d, try %d\n", d.ID, d.Address, d.Since, d.Told, d.Attempts)
	}
	return out.String()
}
