package store_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/subscribers"
)

var ownExample = []subscribers.OwnDomain{{Domain: "own.example", Component: "imap7"}}

func TestADomainIsDownExactlyWhenItsComponentIs(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		severities := []notifier.Severity{notifier.SeverityNone, notifier.SeverityMinor, notifier.SeverityMajor, notifier.SeverityCritical}
		rapid.Check(t, func(r *rapid.T) {
			b.exec(`UPDATE incidents SET state = 'retracted'`)
			b.must(b.SetOwnDomains(b.ctx, ownExample)) // which looks how things stand
			d := newDesk()
			d.ids.Store(b.number(`SELECT count(*) FROM incidents`) * 1000)
			var open []string
			for range rapid.IntRange(1, 6).Draw(r, "steps") {
				switch what := rapid.IntRange(0, 3).Draw(r, "what"); {
				case what == 0:
					_, err := b.ChangeComponent(b.ctx, rapid.SampledFrom(componentKeys).Draw(r, "key"), func(c *notifier.Component) error {
						c.State = rapid.SampledFrom(notifier.ComponentStates).Draw(r, "state")
						return nil
					})
					b.must(err)
				case what == 1 || len(open) == 0:
					p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{
						Title: "Trouble", Severity: rapid.SampledFrom(severities).Draw(r, "severity"),
						State:      rapid.SampledFrom([]notifier.PublishState{notifier.Published, notifier.Draft}).Draw(r, "published"),
						Components: rapid.SliceOfNDistinct(rapid.SampledFrom(componentKeys), 0, 2, rapid.ID).Draw(r, "components"),
					}))
					b.must(err)
					open = append(open, p.Incident.ID)
				default:
					at := rapid.IntRange(0, len(open)-1).Draw(r, "which")
					i, err := b.Incident(b.ctx, open[at])
					b.must(err)
					if i.State == notifier.Draft {
						continue
					}
					severity := rapid.SampledFrom(severities).Draw(r, "now")
					say := notifier.Saying{Status: notifier.Monitoring, Body: "More.", Severity: &severity}
					if what == 2 {
						say.Status = notifier.Resolved
						open = slices.Delete(open, at, at+1)
					}
					_, err = b.ReviseIncident(b.ctx, i.ID, d.say(say))
					b.must(err)
				}
				all, err := b.Components(b.ctx)
				b.must(err)
				incidents, _, err := b.Incidents(b.ctx, notifier.IncidentQuery{Open: true, Limit: 1000})
				b.must(err)
				at := slices.IndexFunc(all, func(c notifier.Component) bool { return c.Key == "imap7" })
				down, err := b.Outages(b.ctx)
				b.must(err)
				if want := all[at].Down(incidents); want != (len(down) == 1) {
					r.Fatalf("down: %t, kept: %v", want, down)
				}
			}
		})
	})
}

func TestAnOutageHoldsTheEventThatBeganItAndTheOneThatEndedIt(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		b.must(b.SetOwnDomains(b.ctx, ownExample))
		d := newDesk()
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "Mail is down", Severity: notifier.SeverityMajor, Components: []string{"imap7"}}))
		b.must(err)
		if from := b.number(`SELECT from_event FROM outages WHERE back_at = 0`); from != p.Event.Number {
			t.Errorf("it began with event %d, want %d", from, p.Event.Number)
		}
		b.pass(3)
		over, err := b.ReviseIncident(b.ctx, p.Incident.ID, d.say(notifier.Saying{Status: notifier.Resolved, Body: "Mended."}))
		b.must(err)
		if until := b.number(`SELECT until_event FROM outages WHERE back_at = %d`, b.time().UnixMicro()); until != over.Event.Number {
			t.Errorf("it ended with event %d, want %d", until, over.Event.Number)
		}
	})
}

func TestOwnDomainsAreWhatTheSettingSaysByNow(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		b.exec(`UPDATE components SET state = 'major_outage' WHERE key = 'imap7'`)
		b.must(b.SetOwnDomains(b.ctx, ownExample))
		b.must(b.SetOwnDomains(b.ctx, ownExample)) // another process says the same
		down, err := b.Outages(b.ctx)
		b.must(err)
		if got := fmt.Sprint(len(down)); got != "1" || down[0].OwnDomain != ownExample[0] || !down[0].Since.Equal(b.time()) {
			t.Errorf("%+v", down)
		}
		b.must(b.SetOwnDomains(b.ctx, []subscribers.OwnDomain{{Domain: "other.example", Component: "none"}}))
		if down, err = b.Outages(b.ctx); err != nil || len(down) != 0 {
			t.Errorf("%+v, %v", down, err)
		}
		own, err := b.OwnDomains(b.ctx)
		b.must(err)
		if len(own) != 1 || own[0].Component != "none" {
			t.Errorf("%+v", own)
		}
		if n := b.number(`SELECT count(*) FROM audit WHERE action = 'domains.set'`); n != 2 {
			t.Errorf("%d entries in the audit", n)
		}
	})
}
