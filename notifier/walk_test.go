package notifier

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is said in whatever order, these hold after every step. The store
// and the templates lean on them.
func TestEveryWayThroughAnIncidentHoldsItsLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]Kind{KindIncident, KindMaintenance}).Draw(t, "kind")
		d := desk()
		a := Announcement{Title: "x", Kind: kind, Status: rapid.SampledFrom(Statuses(kind)).Draw(t, "first"), Quiet: rapid.Bool().Draw(t, "first quiet")}
		if kind == KindMaintenance {
			a.StartsAt = d.Now
		}
		if rapid.Bool().Draw(t, "draft") {
			a.State = Draft
		}
		p, err := Open(a, d)
		if err != nil {
			t.Fatal(err)
		}
		i, number, over := p.Incident, int64(0), false // over: readers were told that it ended
		step := func(p Posting) {
			updates := i.Updates
			i = p.Incident
			if p.Event != nil {
				number++
				p.Event.Number = number
			}
			if p.Update != nil {
				if p.Event != nil {
					p.Update.Event = number
				}
				updates = append(updates, *p.Update)
			}
			i.Updates = updates
			checkStep(t, i, p)
			if p.Event != nil && kind == KindIncident && p.Event.Type == IncidentResolved && over {
				t.Fatal("a second resolution of the same end")
			}
			switch {
			case !i.Status.Final():
				over = false
			case p.Event != nil && p.Event.Type != IncidentCorrected:
				over = true
			}
		}
		step(p)
		for range rapid.IntRange(0, 8).Draw(t, "steps") {
			d.Now = d.Now.Add(time.Minute)
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				if p, err := i.Publish(rapid.Bool().Draw(t, "quiet"), d); err == nil {
					// The store notes the event at the update that it tells of.
					if p.Event != nil {
						i.Updates[len(i.Updates)-1].Event = number + 1
					}
					step(p)
				}
			case 1:
				if p, err := i.Correct(Correction{Severity: ptr(SeverityMinor), Tell: rapid.Bool().Draw(t, "tell")}, d); err == nil {
					step(p)
				}
			default:
				said := Saying{Body: "b", Quiet: rapid.Bool().Draw(t, "quiet")}
				if rapid.Bool().Draw(t, "moves") {
					said.Status = rapid.SampledFrom(Statuses(kind)).Draw(t, "status")
				}
				p, err := i.Say(said, d)
				if err != nil {
					t.Fatal(err)
				}
				step(p)
			}
		}
	})
}

func checkStep(t *rapid.T, i Incident, p Posting) {
	if i.Status.Final() == i.ResolvedAt.IsZero() {
		t.Fatalf("status %s, resolved at %s", i.Status, i.ResolvedAt)
	}
	if i.Open() != (i.State == Published && !i.Status.Final()) {
		t.Fatalf("open is %v at %s, %s", i.Open(), i.State, i.Status)
	}
	if u := p.Update; u != nil && (u.Status != i.Status || u.IncidentID != i.ID || u.ID == "" || u.Severity != i.Severity) {
		t.Fatalf("the update does not say where the incident stands: %+v", u)
	}
	e := p.Event
	if e == nil {
		return
	}
	if i.State == Draft {
		t.Fatal("a draft was told")
	}
	if e.Type.Closing() && !i.Status.Final() {
		t.Fatalf("%s at %s", e.Type, i.Status)
	}
	life := IncidentLife
	if i.Status.Final() {
		life = ResolvedLife
	}
	if e.ExpiresAt.Sub(e.AcceptedAt) != life {
		t.Fatalf("%s at %s lives %s", e.Type, i.Status, e.ExpiresAt.Sub(e.AcceptedAt))
	}
}
