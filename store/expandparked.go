package store

import (
	"fmt"
	"strings"

	"allclear/notifier"
)

// What a hold-down parked waits for newer news of its incident, and for nothing
// else: no relay was asked to take it. Where that news goes to the reader's other
// address, because their domain went down or came back in between, it takes the
// place of what was parked at this one, and tells what was missed there.

// parked is the condition that the delivery d is.
var parked = fmt.Sprintf(`d.state || '' = 'pending' AND d.due_at = %d`, micros(notifier.UntilResumed))

// mayBeParked are the events of which something may be parked.
func (x *expansion) mayBeParked() (out []int64) {
	for _, e := range x.earlier {
		if e.Open && e.Held {
			out = append(out, e.Number)
		}
	}
	return out
}

// since is the first event that a reader of the slice waits for, at their own
// address or parked for their second one.
func (x *expansion) since() (string, []any) {
	events := x.mayBeParked()
	if x.event.Reader > 0 || !x.seconds || len(events) == 0 {
		return `s.since`, nil
	}
	args := make([]any, len(events))
	for i, e := range events {
		args[i] = int64(notifier.MakeDeliveryID(e, 0))
	}
	return `coalesce(s.since, (SELECT min(d.since) FROM subscribers AS z JOIN deliveries AS d
		ON d.id IN (CAST(? AS bigint) + z.number` + strings.Repeat(`, CAST(? AS bigint) + z.number`, len(args)-1) + `)
		WHERE z.second_of = s.number AND z.second_of > 0 AND ` + parked + `))`, args
}

// endParked supersedes what is parked for readers of the slice at one address,
// where the new event has a delivery for them at the other: each is a column of
// z, who has the second address.
func (x *expansion) endParked(at, other string) error {
	if !x.seconds {
		return nil
	}
	lock := ``
	if x.store.dialect == postgres {
		lock = ` ORDER BY d.id FOR UPDATE OF d`
	}
	for _, e := range x.mayBeParked() {
		var found []struct {
			ID      int64
			Channel string
		}
		if err := x.tx.Raw(`SELECT d.id, d.channel FROM subscribers AS z JOIN deliveries AS d ON d.id = CAST(? AS bigint) + `+at+`
			JOIN deliveries AS n ON n.id = CAST(? AS bigint) + `+other+`
			WHERE z.second_of > ? AND z.second_of <= ? AND z.second_of > 0 AND `+parked+lock,
			int64(notifier.MakeDeliveryID(e, 0)), int64(notifier.MakeDeliveryID(x.event.Number, 0)), x.lo, x.hi).Scan(&found).Error; err != nil {
			return fmt.Errorf("look for what is parked elsewhere: %w", err)
		}
		if len(found) == 0 {
			continue
		}
		ids := make([]int64, len(found))
		for i, f := range found {
			ids[i] = f.ID
			a := x.accounts.of(e, f.Channel)
			a.count(-1, notifier.Pending, false)
			a.count(1, notifier.Superseded, false)
		}
		in, arg := x.store.among(`id`, ids)
		if err := x.tx.Exec(`UPDATE deliveries SET state = 'superseded' WHERE `+in, arg).Error; err != nil {
			return fmt.Errorf("supersede what is parked elsewhere: %w", err)
		}
	}
	return nil
}
