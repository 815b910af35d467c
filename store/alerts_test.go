package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/store/storetest"
)

// monitors says that disks are full since some minutes after ten, or were until then.
func (d *desk) monitors(group string, start, end int) notifier.Report {
	a := notifier.Alert{Fingerprint: "disk", StartsAt: minute(start), Severity: notifier.SeverityMajor, Components: []string{"imap7"}, Body: "It is full."}
	if end > 0 {
		a.EndsAt = minute(end)
	}
	return notifier.Report{Source: "monitor", Fingerprint: group, Alerts: []notifier.Alert{a}, Over: end > 0, Opening: notifier.Announcement{Title: group}}
}

func minute(n int) time.Time { return time.Date(2026, 11, 23, 10, n, 0, 0, time.UTC) }

func (b *box) reported(d *desk, rs ...notifier.Report) []notifier.Taken {
	b.t.Helper()
	taken, err := b.TakeReports(b.ctx, rs, d.desk())
	b.must(err)
	return taken
}

func TestAReportOpensAnIncidentAndItsEndResolvesIt(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		got := b.reported(d, d.monitors("disks", 5, 0))[0]
		if got.Outcome != notifier.ReportOpened || len(got.Events) != 1 || got.Events[0].Number != 1 {
			t.Errorf("%+v", got)
		}
		is, err := b.Incident(b.ctx, got.Incident.ID)
		b.must(err)
		same(t, "incident", is, got.Incident)
		if !is.OpenedAt.Equal(minute(5)) || is.Severity != notifier.SeverityMajor || fmt.Sprint(is.Components) != "[imap7]" || is.Updates[0].Event != 1 {
			t.Errorf("%+v", is)
		}
		again := b.reported(d, d.monitors("disks", 5, 0))[0]
		if again.Outcome != notifier.ReportUnchanged || again.Incident.ID != is.ID {
			t.Errorf("%+v", again)
		}
		over := b.reported(d, d.monitors("disks", 5, 20))[0]
		if over.Outcome != notifier.ReportResolved || over.Incident.ID != is.ID || !over.Incident.ResolvedAt.Equal(minute(20)) || over.Events[0].Type != notifier.IncidentResolved {
			t.Errorf("%+v", over)
		}
		b.reported(d, d.monitors("disks", 5, 20), d.monitors("disks", 5, 0))
		if n := b.number(`SELECT count(*) FROM updates`); n != 2 {
			t.Errorf("%d updates", n)
		}
		if n := b.number(`SELECT count(*) FROM audit WHERE subject = '%s' AND action IN ('incident.open', 'alert.opened', 'incident.update', 'alert.resolved')`, is.ID); n != 4 {
			t.Errorf("%d entries in the audit", n)
		}
	})
}

func TestOneReportThatIsRefusedTakesTheOthersWithIt(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		bad := d.monitors("bad", 5, 0)
		bad.Alerts[0].Components = []string{"imap8"}
		var invalid *notifier.Invalid
		if _, err := b.TakeReports(b.ctx, []notifier.Report{d.monitors("good", 5, 0), bad}, d.desk()); !errors.As(err, &invalid) {
			t.Errorf("%v", err)
		}
		for _, table := range []string{"incidents", "alerts", "alert_parts", "audit WHERE action LIKE 'alert%'", "events"} {
			if n := b.number(`SELECT count(*) FROM %s`, table); n != 0 {
				t.Errorf("%d rows in %s", n, table)
			}
		}
	})
}

func TestACutBetweenIncidentAndMemoryLeavesNeither(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		cut := errors.New("cut")
		err := b.Atomic(b.ctx, func(ctx context.Context) error {
			taken, err := b.TakeReports(ctx, []notifier.Report{d.monitors("disks", 5, 0)}, d.desk())
			if err != nil || taken[0].Outcome != notifier.ReportOpened {
				t.Errorf("%+v, %v", taken, err)
			}
			return cut
		})
		if !errors.Is(err, cut) {
			t.Error(err)
		}
		if n := b.number(`SELECT (SELECT count(*) FROM incidents) + (SELECT count(*) FROM alerts)`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		if got := b.reported(d, d.monitors("disks", 5, 0))[0]; got.Outcome != notifier.ReportOpened {
			t.Errorf("%+v", got)
		}
	})
}

func TestTwinsOfAReportOpenOneIncident(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		stores := []interface {
			TakeReports(context.Context, []notifier.Report, notifier.Desk) ([]notifier.Taken, error)
		}{b.Store, storetest.At(t, b.dsn)(storetest.Clock(d.Now))}
		var all sync.WaitGroup
		outcomes := make([][]notifier.Taken, 12)
		for i := range outcomes {
			all.Go(func() {
				// Some have the two in another order: nobody may wait for one who waits.
				rs := []notifier.Report{d.monitors("one", 5, 0), d.monitors("two", 5, 0)}
				if i%3 == 0 {
					rs[0], rs[1] = rs[1], rs[0]
				}
				var err error
				if outcomes[i], err = stores[i%2].TakeReports(b.ctx, rs, d.desk()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		opened, ids := 0, map[string]bool{}
		for _, taken := range outcomes {
			for _, one := range taken {
				ids[one.Incident.ID] = true
				if one.Outcome == notifier.ReportOpened {
					opened++
				}
			}
		}
		if n := b.number(`SELECT count(*) FROM incidents`); n != 2 || opened != 2 || len(ids) != 2 {
			t.Errorf("%d incidents, %d opened, answered %v", n, opened, ids)
		}
	})
}

func TestTheEndOfADraftResolvesItWithoutPublishing(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		begin, end := d.monitors("disks", 5, 0), d.monitors("disks", 5, 20)
		begin.Opening.State, end.Opening.State = notifier.Draft, notifier.Draft
		b.reported(d, begin)
		got := b.reported(d, end)[0]
		if got.Incident.State != notifier.Draft || got.Incident.Status != notifier.Resolved || len(got.Events) != 0 || b.number(`SELECT count(*) FROM events`) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestAMessageAndANoteAreTakenOnce(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		r := d.monitors("disks", 5, 0)
		r.ID, r.Alerts[0].Undated = "m1", true
		b.reported(d, r)
		over := d.monitors("disks", 5, 20)
		b.reported(d, over)
		r.Alerts[0].StartsAt = minute(30) // it came again, and bears our time
		if got := b.reported(d, r)[0]; got.Outcome != notifier.ReportUnchanged {
			t.Errorf("%+v", got)
		}
		page := notifier.Report{
			Source: "page", Fingerprint: "x", Alerts: []notifier.Alert{{StartsAt: minute(1)}}, Opening: notifier.Announcement{Title: "x"},
			Notes: []notifier.Note{{ID: "u1", Status: notifier.Investigating, Body: "one", At: minute(1)}, {ID: "u2", Status: notifier.Identified, Body: "two", At: minute(2)}},
		}
		for again := range 2 {
			if again > 0 { // and what says nothing new is left out
				page.Notes = append(page.Notes, notifier.Note{ID: "u3", Status: notifier.Identified, At: minute(3)})
			}
			got := b.reported(d, page)[0]
			is, err := b.Incident(b.ctx, got.Incident.ID)
			b.must(err)
			if len(is.Updates) != 2 || is.Updates[1].Body != "two" || is.Status != notifier.Identified {
				t.Errorf("%+v", is)
			}
		}
	})
}

func TestWhatIsOverIsForgottenAndWhatFiresIsNot(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		page := d.monitors("noted", 5, 6)
		page.ID = "m1"
		b.reported(d, d.monitors("fires", 5, 0), d.monitors("over", 5, 20), page)
		d.Advance(time.Hour)
		for range 2 {
			_, err := b.Prune(b.ctx, d.Now(), 100)
			b.must(err)
		}
		if n := b.number(`SELECT count(*) FROM alerts WHERE fingerprint = 'fires'`); n != 1 || b.number(`SELECT count(*) FROM alerts`) != 1 ||
			b.number(`SELECT count(*) FROM alert_parts`) != 1 || b.number(`SELECT count(*) FROM alert_messages`) != 0 {
			t.Error("forgotten is not what is over")
		}
		if got := b.reported(d, d.monitors("fires", 5, 20))[0]; got.Outcome != notifier.ReportResolved {
			t.Errorf("%+v", got)
		}
	})
}

func TestReportsOfManyAlertsComeBackInAnyOrder(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		run := 0
		rapid.Check(t, func(r *rapid.T) {
			run++
			var history []notifier.Report
			firing := map[string]int{}
			for n := range rapid.IntRange(1, 6).Draw(r, "length") {
				group := fmt.Sprint("run", run, rapid.SampledFrom([]string{"a", "b"}).Draw(r, "group"))
				if start, on := firing[group]; on {
					delete(firing, group)
					history = append(history, d.monitors(group, start, n+1))
				} else {
					firing[group] = n + 1
					history = append(history, d.monitors(group, n+1, 0))
				}
			}
			b.reported(d, rapid.Permutation(append(history, history...)).Draw(r, "order")...)
			open := b.number(`SELECT count(*) FROM incidents WHERE title LIKE 'run%d_' AND resolved_at = 0`, run)
			wrong := b.number(`SELECT count(*) FROM alerts a WHERE fingerprint LIKE 'run%d_' AND (state = 'firing') <> EXISTS (SELECT 1 FROM incidents i WHERE i.id = a.incident_id AND i.resolved_at = 0)`, run)
			if open != int64(len(firing)) || wrong != 0 {
				r.Fatalf("%d are open, %v fire, %d alerts do not agree with their incidents", open, firing, wrong)
			}
		})
		b.sound()
	})
}
