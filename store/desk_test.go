package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/notifiertest"
)

// desk makes postings with ids that count up and a clock that stands still.
type desk struct {
	*notifiertest.Clock
	ids  atomic.Int64
	hold time.Duration
	now  func() time.Time // in place of the clock; nil is the clock
}

func newDesk() *desk { return &desk{Clock: notifiertest.NewClock()} }

func (d *desk) desk() notifier.Desk {
	now := d.Now
	if d.now != nil {
		now = d.now
	}
	return notifier.Desk{Now: now(), Zone: time.UTC, HoldDown: d.hold, NewID: func() string { return fmt.Sprintf("id%06d", d.ids.Add(1)) }}
}

func (d *desk) open(t testing.TB, a notifier.Announcement) notifier.Posting {
	t.Helper()
	p, err := notifier.Open(a, d.desk())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// say is for ReviseIncident.
func (d *desk) say(s notifier.Saying) func(notifier.Incident) (notifier.Posting, error) {
	return func(i notifier.Incident) (notifier.Posting, error) { return i.Say(s, d.desk()) }
}
