package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/subscribers"
)

// machine does to a store whatever may happen to it, in any order.
type machine struct {
	*box
	events  int64
	claimed []notifier.Delivery // every claim ever made, also those that were lost
	workers []string            // who made it
	retried bool
	steps   int
	gone    string // the incident that was withdrawn without a word
}

const machineReaders = 6

func (m *machine) incidentID(t *rapid.T) string {
	id := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "incident")
	if id == m.gone {
		t.Skip() // nothing is said of it any more
	}
	return id
}

// retract withdraws an incident; most runs do without.
func (m *machine) retract(t *rapid.T) {
	if m.gone != "" || rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		t.Skip()
	}
	m.gone = m.incidentID(t)
	_, err := m.ReviseIncident(m.ctx, m.gone, func(i notifier.Incident) (notifier.Posting, error) {
		i.State = notifier.Retracted
		return notifier.Posting{Incident: i}, nil
	})
	m.must(err)
	if mine := append(m.mine("v", m.claimed), m.mine("w", m.claimed)...); m.withdrawn(mine...) {
		t.Fatalf("a worker may still begin what was withdrawn: %v", mine)
	}
}

// withdrawn reports whether one of ids belongs to the incident that is gone.
func (m *machine) withdrawn(ids ...notifier.DeliveryID) bool {
	for _, id := range ids {
		if m.gone != "" && m.number(`SELECT count(*) FROM events WHERE number = %d AND incident_id = '%s'`, id.Event(), m.gone) > 0 {
			return true
		}
	}
	return false
}

func (m *machine) accept(t *rapid.T) {
	m.event(notifier.Event{
		IncidentID: m.incidentID(t), Type: rapid.SampledFrom([]notifier.EventType{notifier.IncidentUpdated, notifier.IncidentCreated, notifier.IncidentResolved}).Draw(t, "type"),
		Kind: notifier.KindIncident, Severity: notifier.Severity(rapid.IntRange(1, 3).Draw(t, "severity")),
	})
	m.events++
}

func (m *machine) slice(t *rapid.T) {
	_, err := m.ExpandSlice(m.ctx, rapid.IntRange(1, 8).Draw(t, "slice"))
	m.must(err)
}

func (m *machine) take(t *rapid.T) {
	worker := rapid.SampledFrom([]string{"v", "w"}).Draw(t, "worker")
	for _, d := range m.claim(worker, rapid.IntRange(1, 6).Draw(t, "limit")) {
		if m.withdrawn(d.ID) {
			t.Fatalf("%s was claimed after it was withdrawn", d.ID)
		}
		m.claimed, m.workers = append(m.claimed, d), append(m.workers, worker)
	}
}

// answer settles some of what was ever claimed, in time or too late.
func (m *machine) answer(t *rapid.T) {
	if len(m.claimed) == 0 {
		t.Skip()
	}
	var batch []notifier.Settlement
	for range rapid.IntRange(1, 5).Draw(t, "answers") {
		i := rapid.IntRange(max(0, len(m.claimed)-10), len(m.claimed)-1).Draw(t, "claim")
		state := rapid.SampledFrom([]notifier.DeliveryState{
			notifier.Sent, notifier.Sent, notifier.Pending, notifier.Held, notifier.Failed, notifier.Failed, notifier.Expired, notifier.Cancelled, notifier.Suppressed,
		}).Draw(t, "state")
		x := notifier.Settlement{ID: m.claimed[i].ID, State: state, At: m.time(), Worker: m.workers[i], Tried: rapid.Bool().Draw(t, "tried"), Charged: rapid.Bool().Draw(t, "charged")}
		switch {
		case state == notifier.Held && rapid.Bool().Draw(t, "domain"):
			x.DueAt = notifier.UntilResumed
		case state == notifier.Held || state == notifier.Pending:
			x.DueAt = m.time().Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "wait")) * time.Second)
		}
		batch = append(batch, x)
	}
	m.must(m.Settle(m.ctx, batch))
}

func (m *machine) giveBack(t *rapid.T) {
	worker := rapid.SampledFrom([]string{"v", "w"}).Draw(t, "worker")
	if rapid.Bool().Draw(t, "all") || len(m.claimed) == 0 {
		m.must(m.Release(m.ctx, worker, nil))
		return
	}
	m.must(m.Release(m.ctx, worker, []notifier.DeliveryID{rapid.SampledFrom(m.claimed).Draw(t, "claim").ID}))
}

func (m *machine) wait(t *rapid.T) {
	m.pass(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
	_, err := m.Reap(m.ctx, notifier.Email)
	m.must(err)
}

func (m *machine) join(t *rapid.T) {
	n := rapid.Int64Range(1, machineReaders).Draw(t, "reader")
	state := rapid.SampledFrom([]subscribers.State{subscribers.Active, subscribers.Active, subscribers.Paused, subscribers.Unsubscribed}).Draw(t, "state")
	_, err := m.ChangeSubscriber(m.ctx, subscribers.Number(n), func(s *subscribers.Subscriber) error {
		s.State, s.Filter.Severity = state, notifier.Severity(rapid.IntRange(0, 3).Draw(t, "severity"))
		return nil
	})
	if errors.Is(err, notifier.ErrConflict) { // who left and is barred does not come back
		t.Skip()
	}
	m.must(err)
}

func (m *machine) bar(t *rapid.T) {
	address := fmt.Sprintf("reader%d@example.com", rapid.Int64Range(1, machineReaders).Draw(t, "reader"))
	if rapid.Bool().Draw(t, "bar") {
		m.must(m.Suppress(m.ctx, subscribers.Suppression{Channel: notifier.Email, Address: address, Reason: subscribers.ReasonManual}))
	} else if err := m.Unsuppress(m.ctx, notifier.Email, address); err != nil && !strings.Contains(err.Error(), "not") {
		m.must(err)
	}
}

func (m *machine) domain(t *rapid.T) {
	if rapid.Bool().Draw(t, "pause") {
		m.must(m.Pause(m.ctx, notifier.Pause{Scope: notifier.PauseDomain, Key: "example.com"}))
		return
	}
	_ = m.Resume(m.ctx, notifier.PauseDomain, "example.com") // refused where nothing is paused
}

func (m *machine) again(t *rapid.T) {
	if m.events == 0 {
		t.Skip()
	}
	m.retried = true
	event := rapid.Int64Range(1, m.events).Draw(t, "event")
	if rapid.Bool().Draw(t, "one") {
		_ = m.RetryDelivery(m.ctx, notifier.MakeDeliveryID(event, rapid.Int64Range(1, machineReaders).Draw(t, "reader")))
		return
	}
	if _, err := m.RetryFailed(m.ctx, fmt.Sprintf("event%d", event)); !errors.Is(err, notifier.ErrConflict) || !m.withdrawn(notifier.MakeDeliveryID(event, 0)) {
		m.must(err)
	}
}

// untold are superseded deliveries that no later one tells of.
const untold = `SELECT count(*) FROM deliveries d JOIN events e ON e.number = d.event_number WHERE d.state = 'superseded' AND NOT EXISTS
	(SELECT 1 FROM events f JOIN deliveries n ON n.id = f.number * 4294967296 + (d.id & 4294967295)
	WHERE f.incident_id = e.incident_id AND f.number > e.number AND n.since <= e.number)`

// mistold are deliveries that are still to be rendered and name another event
// than the last one their reader was sent.
const mistold = `SELECT count(*) FROM deliveries d JOIN events e ON e.number = d.event_number WHERE d.state IN ('pending', 'held') AND d.behind = 0 AND d.told <>
	(SELECT coalesce(max(f.number), 0) FROM events f JOIN deliveries n ON n.id = f.number * 4294967296 + (d.id & 4294967295)
	WHERE f.incident_id = e.incident_id AND f.number < e.number AND n.state = 'sent')`

// checkSome checks behind every fifth step: what is wrong stays wrong, and
// counting everything is most of what this costs.
func (m *machine) checkSome(t *rapid.T) {
	if m.steps++; m.steps%5 == 0 {
		m.check(t)
	}
}

func (m *machine) check(t *rapid.T) {
	if p := m.problems(); len(p) > 0 {
		t.Fatal(strings.Join(p, "\n"))
	}
	if n := m.number(untold); n > 0 && !m.retried {
		t.Fatalf("%d superseded deliveries are told of by no later one:\n%s", n, m.all())
	}
	if n := m.number(mistold); n > 0 {
		t.Fatalf("%d deliveries do not follow what was sent last:\n%s", n, m.all())
	}
}

// all is every delivery, for whoever must find out what went wrong.
func (m *machine) all() string {
	rows, err := m.db.Query(`SELECT d.id, e.incident_id, d.state, d.since, d.told, d.behind, d.awaited FROM deliveries d JOIN events e ON e.number = d.event_number ORDER BY d.id & 4294967295, d.id`)
	m.must(err)
	defer rows.Close()
	var out strings.Builder
	for rows.Next() {
		var id, behind notifier.DeliveryID
		var incident, state string
		var since, told int64
		var awaited bool
		m.must(rows.Scan(&id, &incident, &state, &since, &told, &behind, &awaited))
		fmt.Fprintf(&out, "%s of %s: %s since %d told %d behind %s awaited %t\n", id, incident, state, since, told, behind, awaited)
	}
	m.must(rows.Err())
	return out.String()
}

// finish lets everything come to its end: nothing that was accepted may be stuck.
func (m *machine) finish(t *rapid.T) {
	_ = m.Resume(m.ctx, notifier.PauseDomain, "example.com")
	for range 20 {
		m.expand(100)
		m.pass(10 * time.Minute)
		_, err := m.Reap(m.ctx, notifier.Email)
		m.must(err)
		ds := m.claim("last", 1000)
		if m.withdrawn(ids(ds)...) {
			t.Fatal("what was withdrawn is sent after all")
		}
		m.box.settle("last", notifier.Sent, ds...)
		if m.number(`SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending', 'held')`) == 0 {
			m.check(t)
			return
		}
	}
	t.Fatal("something waits for ever")
}

func TestWhateverHappensAccountsAreRightAndNothingIsStuck(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		rapid.Check(t, func(r *rapid.T) {
			b.empty()
			b.exec(`UPDATE counters SET value = 0 WHERE name = 'event'`)
			b.readers(machineReaders)
			b.incident("one")
			b.incident("two")
			m := &machine{box: b}
			r.Repeat(map[string]func(*rapid.T){
				"accept": m.accept, "slice": m.slice, "slice again": m.slice, "take": m.take, "take again": m.take, "answer": m.answer, "answer again": m.answer,
				"give back": m.giveBack, "wait": m.wait, "join": m.join, "bar": m.bar, "domain": m.domain, "retry": m.again, "retract": m.retract, "": m.checkSome,
			})
			m.finish(r)
		})
	})
}
