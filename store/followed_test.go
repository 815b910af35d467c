package store_test

import (
	"fmt"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func (b *box) endFollowed(d *desk) int {
	b.t.Helper()
	n, err := b.EndFollowed(b.ctx, d.Now().Add(-notifier.ResolvedLife), 10)
	b.must(err)
	return n
}

func TestASubscriptionToOneIncidentEndsADayAfterIt(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		ends, goesOn, mistake := b.opened(d, notifier.Announcement{Title: "a"}), b.opened(d, notifier.Announcement{Title: "b"}), b.opened(d, notifier.Announcement{Title: "c"})
		follows := func(address, incident string, state subscribers.State) subscribers.Number {
			t.Helper()
			who := reader(address, state)
			who.Filter.Incident = incident
			return b.subscribe(who).Number
		}
		over := map[subscribers.Number]bool{}
		for _, state := range []subscribers.State{subscribers.Active, subscribers.Paused, subscribers.Quarantined} {
			over[follows(string(state)+"@example.org", ends.Incident.ID, state)] = true
		}
		over[follows("mistake@example.org", mistake.Incident.ID, subscribers.Active)] = true
		stays := map[subscribers.Number]subscribers.State{
			follows("open@example.org", goesOn.Incident.ID, subscribers.Active):     subscribers.Active,
			follows("asked@example.org", ends.Incident.ID, subscribers.Pending):     subscribers.Pending,
			b.subscribe(reader("all@example.org", subscribers.Active)).Number:       subscribers.Active,
			follows("left@example.org", ends.Incident.ID, subscribers.Unsubscribed): subscribers.Unsubscribed,
		}
		d.Advance(time.Minute)
		for id, change := range map[string]func(notifier.Incident) (notifier.Posting, error){
			ends.Incident.ID:    d.say(notifier.Saying{Status: notifier.Resolved}),
			mistake.Incident.ID: func(i notifier.Incident) (notifier.Posting, error) { return i.Retract("Sorry.", true, d.desk()) },
		} {
			_, err := b.ReviseIncident(b.ctx, id, change)
			b.must(err)
		}
		d.Advance(notifier.ResolvedLife)
		if n := b.endFollowed(d); n != 0 {
			t.Errorf("%d ended within the day", n)
		}
		d.Advance(time.Second)
		if n := b.endFollowed(d); n != len(over) {
			t.Errorf("%d ended, of %d", n, len(over))
		}
		if n := b.endFollowed(d); n != 0 {
			t.Errorf("%d ended again", n)
		}
		for n := range over {
			is, err := b.Subscriber(b.ctx, n)
			b.must(err)
			if is.State != subscribers.Unsubscribed || is.Left != (subscribers.Leave{}) || is.Filter.Incident == "" || !is.Unsubscribed.Equal(d.Now()) {
				t.Errorf("%s is %+v", is.Address, is)
			}
		}
		for n, state := range stays {
			if is, err := b.Subscriber(b.ctx, n); err != nil || is.State != state {
				t.Errorf("%s is %s, %v", is.Address, is.State, err)
			}
		}
		fates, _, err := b.ImportSubscribers(b.ctx, []subscribers.Subscriber{reader("active@example.org", subscribers.Active)}, subscribers.Columns())
		b.must(err)
		if fmt.Sprint(fates) != "[unchanged]" {
			t.Errorf("a file brings back who followed one incident: %v", fates)
		}
	})
}

func TestAnIncidentThatIsOpenAgainIsFollowedOn(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		i := b.opened(d, notifier.Announcement{Title: "a"}).Incident
		who := reader("a@example.org", subscribers.Active)
		who.Filter.Incident = i.ID
		n := b.subscribe(who).Number
		for _, status := range []notifier.Status{notifier.Resolved, notifier.Investigating} {
			d.Advance(time.Minute)
			_, err := b.ReviseIncident(b.ctx, i.ID, d.say(notifier.Saying{Status: status, Body: "x"}))
			b.must(err)
		}
		d.Advance(2 * notifier.ResolvedLife)
		if ended := b.endFollowed(d); ended != 0 {
			t.Errorf("%d ended", ended)
		}
		if is, err := b.Subscriber(b.ctx, n); err != nil || is.State != subscribers.Active {
			t.Errorf("%+v, %v", is, err)
		}
	})
}
