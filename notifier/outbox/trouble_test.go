package outbox

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"allclear/notifier"
	"allclear/notifier/notifiertest"
)

var errLocked = errors.New("database is locked")

func TestNoLeaseIsTakenBackWhileAnAcknowledgementWaitsToBeSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(at)) // a bubble begins in 2000
		q := newMemory()
		s := &notifiertest.Sender{}
		r := start(t, q, s)
		<-time.After(reapGrace + reapEvery)
		if q.reaped() == 0 {
			t.Fatal("leases that ended are never taken back")
		}
		q.lock(errLocked)
		q.add(1, notifier.LaneIncident, 1)
		r.change(func(p *notifier.Pulse) { p.Work++ })
		s.WaitFor(t, 1)
		<-time.After(reapEvery) // whatever had begun is over
		before := q.reaped()
		<-time.After(2 * Lease)
		if n := q.reaped() - before; n != 0 {
			t.Errorf("leases were taken back %d times, the one of what was sent among them", n)
		}
		q.lock(nil)
		q.wait(t, notifier.Sent, 1)
		<-time.After(reapGrace + 2*reapEvery)
		if q.reaped() == before {
			t.Error("leases are not taken back any more")
		}
		r.end()
		if n := len(s.Sent()); n != 1 {
			t.Errorf("%d messages for one delivery", n)
		}
	})
}

func TestWhenTheDatabaseComesBackOthersMayTellWhatTheySentBeforeTheirLeasesAreTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(at)) // a bubble begins in 2000
		q := newMemory()
		r := start(t, q, &notifiertest.Sender{})
		<-time.After(reapGrace + reapEvery)
		r.silence(true)
		<-time.After(2 * Lease)
		before := q.reaped()
		r.silence(false)
		<-time.After(reapGrace - time.Second)
		if n := q.reaped() - before; n != 0 {
			t.Errorf("leases were taken back %d times as soon as the database answered", n)
		}
		<-time.After(2 * reapEvery)
		if q.reaped() == before {
			t.Error("leases are not taken back any more")
		}
		r.end()
	})
}

func TestNothingMoreIsSentWhileAcknowledgementsCannotBeWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(at)) // a bubble begins in 2000
		q, s := newMemory(), &notifiertest.Sender{}
		j := open(t, t.TempDir())
		r := start(t, q, s, func(o *Options) { o.Journal = j })
		whole := full(t, j)
		q.add(1, notifier.LaneIncident, 100)
		<-time.After(time.Minute)
		if n := len(s.Sent()); n == 0 || n > r.out.o.Workers {
			t.Errorf("%d messages were sent that nobody would remember; one for each of %d connections is meant", n, r.out.o.Workers)
		}
		whole()
		q.wait(t, notifier.Sent, 100)
		r.end()
		if n := len(s.Sent()); n != 100 {
			t.Errorf("%d messages for 100 deliveries", n)
		}
	})
}

// full makes every write to j fail, until whole is called.
func full(t *testing.T, j *Journal) (whole func()) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var files [2]*os.File
	for i, s := range j.segments {
		files[i] = s.file
		unwritable, err := os.Open(s.file.Name())
		if err != nil {
			t.Fatal(err)
		}
		s.file = unwritable
	}
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		for i, s := range j.segments {
			_ = s.file.Close()
			s.file = files[i]
		}
	}
}
