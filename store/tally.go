package store

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// accountKey names an event's account on a channel.
type accountKey struct {
	event   int64
	channel string
}

// account is how an event's counts on a channel are moved.
type account struct {
	total, unsettled, held, tried int64
	final                         map[notifier.DeliveryState]int64
	sentAt                        []int64 // of those sent just now
}

// finals are the columns of final states, named as the states are.
var finals = [...]notifier.DeliveryState{
	notifier.Sent, notifier.Bounced, notifier.Failed, notifier.Superseded, notifier.Suppressed, notifier.Cancelled, notifier.Expired,
}

// tally collects how accounts are to be moved, and moves them once.
type tally map[accountKey]*account

func (t tally) of(event int64, channel string) *account {
	k := accountKey{event, channel}
	a := t[k]
	if a == nil {
		a = &account{final: map[notifier.DeliveryState]int64{}}
		t[k] = a
	}
	return a
}

// count adds n deliveries that are in a state (or takes them away, n < 0).
func (a *account) count(n int64, state notifier.DeliveryState, tried bool) {
	if state.Final() {
		a.final[state] += n
	} else {
		a.unsettled += n
	}
	if state == notifier.Held {
		a.held += n
	}
	if tried || state.Final() {
		a.tried += n
	}
}

// still reports whether nothing is moved: a claim leaves an account as it is.
func (a *account) still() bool {
	for _, n := range a.final {
		if n != 0 {
			return false
		}
	}
	return a.total == 0 && a.unsettled == 0 && a.held == 0 && a.tried == 0 && len(a.sentAt) == 0
}

// move books that a delivery was one thing and is another.
func (t tally) move(was, is *deliveryRow) {
	if was.State == is.State && was.TriedAt == is.TriedAt {
		return
	}
	a := t.of(is.event(), is.Channel)
	a.count(-1, was.State, was.TriedAt > 0)
	a.count(1, is.State, is.TriedAt > 0)
	if is.State == notifier.Sent && was.State != notifier.Sent && was.SentAt == 0 {
		a.sentAt = append(a.sentAt, is.SentAt)
	}
}

// save moves the accounts, in the order of events and channels, then the histograms.
func (t tally) save(s *Store, tx *gorm.DB) error {
	keys := slices.SortedFunc(maps.Keys(t), func(a, b accountKey) int {
		return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.channel, b.channel))
	})
	for _, k := range keys {
		if t[k].still() {
			continue
		}
		if err := t[k].save(tx, k); err != nil {
			return fmt.Errorf("count deliveries: %w", err)
		}
	}
	if err := t.saveSteps(s, tx); err != nil {
		return fmt.Errorf("keep the times of sending: %w", err)
	}
	return nil
}

func (a *account) save(tx *gorm.DB, k accountKey) error {
	columns := []string{"total", "unsettled", "held", "tried"}
	deltas := []any{a.total, a.unsettled, a.held, a.tried}
	for _, state := range finals {
		if n := a.final[state]; n != 0 {
			columns, deltas = append(columns, string(state)), append(deltas, n)
		}
	}
	var sets []string
	for _, c := range columns {
		sets = append(sets, c+` = `+c+` + ?`)
	}
	args := slices.Clone(deltas)
	if len(a.sentAt) > 0 {
		first, last := slices.Min(a.sentAt), slices.Max(a.sentAt)
		sets = append(sets,
			`first_sent_at = CASE WHEN first_sent_at = 0 OR first_sent_at > CAST(? AS bigint) THEN CAST(? AS bigint) ELSE first_sent_at END`,
			`last_sent_at = CASE WHEN last_sent_at < CAST(? AS bigint) THEN CAST(? AS bigint) ELSE last_sent_at END`)
		args = append(args, first, first, last, last)
	}
	done := tx.Exec(`UPDATE event_counts SET `+strings.Join(sets, ", ")+` WHERE event_number = ? AND channel = ?`,
		append(args, k.event, k.channel)...)
	if done.Error != nil || done.RowsAffected > 0 {
		return done.Error
	}
	return tx.Exec(`INSERT INTO event_counts (event_number, channel, `+strings.Join(columns, ", ")+`) VALUES (?, ?`+strings.Repeat(", ?", len(columns))+`)`,
		append([]any{k.event, k.channel}, deltas...)...).Error
}

// saveSteps adds those sent just now to their events' histograms.
func (t tally) saveSteps(s *Store, tx *gorm.DB) error {
	var events []int64
	for k, a := range t {
		if len(a.sentAt) > 0 && !slices.Contains(events, k.event) {
			events = append(events, k.event)
		}
	}
	if len(events) == 0 {
		return nil
	}
	times, err := s.timesOf(tx, events)
	if err != nil {
		return err
	}
	type place struct {
		event int64
		step  int
	}
	steps := map[place]int64{}
	for k, a := range t {
		for _, at := range a.sentAt {
			steps[place{k.event, stepOf(time.Duration(at-times[k.event].accepted) * time.Microsecond)}]++
		}
	}
	places := slices.SortedFunc(maps.Keys(steps), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.step, b.step))
	})
	for part := range slices.Chunk(places, 500) {
		args := make([]any, 0, 3*len(part))
		for _, p := range part {
			args = append(args, p.event, p.step, steps[p])
		}
		if err := tx.Exec(`INSERT INTO event_latency (event_number, step, messages) VALUES (?, ?, ?)`+strings.Repeat(`, (?, ?, ?)`, len(part)-1)+
			` ON CONFLICT (event_number, step) DO UPDATE SET messages = event_latency.messages + excluded.messages`, args...).Error; err != nil {
			return err
		}
	}
	return nil
}

// eventTimes are when an event was accepted and until when it is worth sending.
type eventTimes struct{ accepted, expires int64 }

// timesOf reads the times of events.
func (s *Store) timesOf(tx *gorm.DB, events []int64) (map[int64]eventTimes, error) {
	in, arg := s.among(`number`, events)
	var found []struct{ Number, AcceptedAt, ExpiresAt int64 }
	if err := tx.Raw(`SELECT number, accepted_at, expires_at FROM events WHERE `+in, arg).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("read the events' times: %w", err)
	}
	out := make(map[int64]eventTimes, len(found))
	for _, e := range found {
		out[e.Number] = eventTimes{e.AcceptedAt, e.ExpiresAt}
	}
	return out, nil
}

// keys is a condition on the keys of deliveries.
type keys struct {
	where string
	args  []any
}

// keysIn are those in a range, (after, upTo].
func keysIn(after, upTo int64) keys { return keys{inKeys, []any{after, upTo}} }

// insertCounted runs an INSERT of deliveries of one event with some of these
// keys and books what it made. PostgreSQL counts while it inserts; on SQLite,
// where nobody else writes meanwhile, it is what is there after and was not before.
func (s *Store) insertCounted(tx *gorm.DB, t tally, event int64, within keys, insert string, args []any) (made int64, err error) {
	type kind struct {
		Channel string
		State   notifier.DeliveryState
		N       int64
	}
	var before, found []kind
	if s.dialect == postgres {
		if err := tx.Raw(`WITH made AS (`+insert+` RETURNING channel, state)
			SELECT channel, state, count(*) AS n FROM made GROUP BY channel, state`, args...).Scan(&found).Error; err != nil {
			return 0, err
		}
	} else {
		count := `SELECT channel, state, count(*) AS n FROM deliveries WHERE ` + within.where + ` GROUP BY channel, state`
		if err := tx.Raw(count, within.args...).Scan(&before).Error; err != nil {
			return 0, err
		}
		if err := tx.Exec(insert, args...).Error; err != nil {
			return 0, err
		}
		if err := tx.Raw(count, within.args...).Scan(&found).Error; err != nil {
			return 0, err
		}
	}
	book := func(k kind, sign int64) {
		a := t.of(event, k.Channel)
		a.total += sign * k.N
		a.count(sign*k.N, k.State, false)
		made += sign * k.N
	}
	for _, k := range found {
		book(k, 1)
	}
	for _, k := range before {
		book(k, -1)
	}
	return made, nil
}
