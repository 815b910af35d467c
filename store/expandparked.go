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
// where the new event has a delivery for them at the other.
func (x *expansion) endParked(at, other string) error {
	if !x.seconds {
		return nil
	}
	return x.endElsewhere(x.mayBeParked(), parked, at, other)
}

// endElsewhere supersedes what of events waits for readers of the slice at one
// address, as which says, where the new event has a delivery for them at the
// other: each is a column of z, who has the second address.
func (x *expansion) endElsewhere(events []int64, which, at, other string) error {
	lock := ``
	if x.store.dialect == postgres {
		lock = ` ORDER BY d.id FOR UPDATE OF d`
	}
	for _, e := range events {
		var found []struct {
			ID, Behind int64
			Channel    string
			State      notifier.DeliveryState
			Tried      bool
		}
		if err := x.tx.Raw(`SELECT d.id, d.behind, d.channel, d.state, d.tried_at > 0 AS tried FROM subscribers AS z JOIN deliveries AS d ON d.id = CAST(? AS bigint) + `+at+`
			JOIN deliveries AS n ON n.id = CAST(? AS bigint) + `+other+`
			WHERE z.second_of > ? AND z.second_of <= ? AND z.second_of > 0 AND `+which+lock,
			int64(notifier.MakeDeliveryID(e, 0)), int64(notifier.MakeDeliveryID(x.event.Number, 0)), x.lo, x.hi).Scan(&found).Error; err != nil {
			return fmt.Errorf("look for what waits elsewhere: %w", err)
		}
		if len(found) == 0 {
			continue
		}
		var ids, awaited []int64
		for _, f := range found {
			ids = append(ids, f.ID)
			if f.Behind > 0 {
				awaited = append(awaited, f.Behind)
			}
			a := x.accounts.of(e, f.Channel)
			a.count(-1, f.State, f.Tried)
			a.count(1, notifier.Superseded, f.Tried)
		}
		in, arg := x.store.among(`id`, ids)
		if err := x.tx.Exec(`UPDATE deliveries SET state = 'superseded', behind = 0 WHERE `+in, arg).Error; err != nil {
			return fmt.Errorf("supersede what waits elsewhere: %w", err)
		}
		if len(awaited) == 0 {
			continue
		}
		in, arg = x.store.among(`id`, awaited)
		if err := x.tx.Exec(`UPDATE deliveries SET awaited = false WHERE `+in, arg).Error; err != nil {
			return fmt.Errorf("note that nothing waits behind: %w", err)
		}
	}
	return nil
}
