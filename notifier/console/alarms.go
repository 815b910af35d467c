package console

import (
	"slices"
	"time"

	"allclear/notifier"
)

// What the first page tells of the service itself: the latest alarms, and for a
// few days who was let in.
const (
	mostAlarms = 20
	newFor     = 3 * 24 * time.Hour
)

// newcomer is a change of who may sign in, in words: one person with two names
// is two for an approval, so that everybody on the staff is to see it.
type newcomer struct {
	By, Said string
	At       time.Time
}

func (c *console) newcomers(q *request) ([]newcomer, error) {
	var found []notifier.AuditEntry
	for _, action := range notifier.StaffActions { // whatever else was done to the staff hides none of it
		of, _, err := c.o.Store.AuditLog(q.Context(), notifier.AuditQuery{Action: action, From: c.o.Now().Add(-newFor), Limit: mostAlarms})
		if err != nil {
			return nil, err
		}
		found = append(found, of...)
	}
	slices.SortStableFunc(found, func(a, b notifier.AuditEntry) int { return b.At.Compare(a.At) })
	found = found[:min(len(found), mostAlarms)]
	list, err := c.o.Store.StaffList(q.Context())
	if err != nil {
		return nil, err
	}
	names := notifier.StaffNames(list)
	var out []newcomer
	for _, e := range found {
		if said := e.OfStaff(names); said != "" {
			out = append(out, newcomer{e.Actor, said, e.At})
		}
	}
	return out, nil
}
