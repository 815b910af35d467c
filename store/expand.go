package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// fanoutLock is PostgreSQL's advisory lock between those who make deliveries
// (shared) and those who end a reader's or revive old ones (alone): neither may
// work with half of what the other does. On SQLite there is one writer anyway.
const fanoutLock = 0x616c6c636c656172 // "allclear"

// expansion is a slice of readers of one event: those with numbers in (lo, hi].
type expansion struct {
	store     *Store
	tx        *gorm.DB
	event     expandable
	lo, hi    int64
	now       int64
	earlier   []earlier  // events of the incident that this one may replace or refer to
	seconds   bool       // there are second addresses
	redirects []redirect // of the slice: who is told elsewhere
	tails     []redirect // whose second addresses hear of an end, as they heard of the rest
	accounts  tally
	made      int64
}

// expandable is what is read of an event to expand it.
type expandable struct {
	Number     int64
	Type       notifier.EventType
	Lane       notifier.Lane
	Kind       notifier.Kind
	Severity   notifier.Severity
	Components string
	IncidentID sql.NullString
	Reader     int64
	AcceptedAt int64
	DueFrom    int64
	Progress   int64
	NoticeID   string
	Released   int64 // of a notice's event: the last reader whose delivery may be made
	Raised     bool  // it made the incident worse
	Parked     bool  // it was held, and newer news of the incident follows: that takes its place
}

// expands is the condition on events that there is something to expand: of a
// notice's, what was released. Of what is held back there is nothing before its
// time, the one parameter.
const expands = `expanded_at = 0 AND NOT stopped AND (notice_id = '' OR progress < released) AND held_until <= ?`

// keys are the delivery keys of the slice in an event: a range, (after, upTo].
func (x *expansion) keys(event int64) (after, upTo int64) {
	return int64(notifier.MakeDeliveryID(event, x.lo)), int64(notifier.MakeDeliveryID(event, x.hi))
}

func (x *expansion) keysOf(event int64) keys { return keysIn(x.keys(event)) }

// ExpandSlice makes the deliveries of at most max more readers of the oldest
// event of the highest lane, and supersedes what these readers have not been
// sent of the same incident (I4). Events of one incident expand in their
// order. It also goes on with cancelling what was withdrawn, by as much, so that
// neither waits for the other. Whatever interrupts it, it is repeated without harm.
func (s *Store) ExpandSlice(ctx context.Context, max int) (notifier.Slice, error) {
	if max < 1 {
		return notifier.Slice{Idle: true}, fmt.Errorf("expand an event: a slice of %d readers", max)
	}
	out, err := s.expandSome(ctx, max)
	cancelled, cancelErr := s.cancelSome(ctx, max)
	out.Idle = out.Idle && !cancelled
	return out, errors.Join(err, cancelErr)
}

func (s *Store) expandSome(ctx context.Context, max int) (notifier.Slice, error) {
	idle := notifier.Slice{Idle: true}
	var some int
	if err := s.conn(ctx).Raw(`SELECT count(*) FROM (SELECT 1 FROM events WHERE `+expands+` LIMIT 1) AS one`, micros(s.Now())).Scan(&some).Error; err != nil {
		return idle, fmt.Errorf("look for events: %w", translate(err))
	}
	if some == 0 {
		return idle, nil
	}
	out := idle
	err := s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		out = idle
		if err := s.lockFanout(tx, true); err != nil {
			return err
		}
		x := &expansion{store: s, tx: tx, now: micros(s.Now()), accounts: tally{}}
		found, err := x.choose()
		if err != nil || !found {
			return err
		}
		complete, err := x.expand(max)
		if err != nil {
			return fmt.Errorf("expand event %d: %w", x.event.Number, err)
		}
		out = notifier.Slice{Event: x.event.Number, Lane: x.event.Lane, Made: x.made, Complete: complete}
		return nil
	})
	if err != nil {
		return idle, err
	}
	return out, nil
}

// lockFanout takes fanoutLock until the transaction ends.
func (s *Store) lockFanout(tx *gorm.DB, shared bool) error {
	if s.dialect != postgres {
		return nil
	}
	how := `pg_advisory_xact_lock`
	if shared {
		how = `pg_advisory_xact_lock_shared`
	}
	if err := tx.Exec(`SELECT `+how+`(?)`, int64(fanoutLock)).Error; err != nil {
		return fmt.Errorf("lock the fan-out: %w", err)
	}
	return nil
}

// choose takes the next event. One that another process is expanding counts as
// unexpanded for those that follow it in its incident.
func (x *expansion) choose() (bool, error) {
	row := x.tx.Raw(`SELECT number, type, lane, kind, severity, components, incident_id, reader, accepted_at, `+dueFrom+`, progress, notice_id, released, raised, `+newerNews+` FROM events AS e
		WHERE `+expands+` AND NOT EXISTS (SELECT 1 FROM events AS p
			WHERE p.incident_id = e.incident_id AND p.number < e.number AND p.expanded_at = 0)
		ORDER BY lane, number LIMIT 1`+x.store.skipLocked(), x.now).Row()
	e := &x.event
	err := row.Scan(&e.Number, &e.Type, &e.Lane, &e.Kind, &e.Severity, &e.Components, &e.IncidentID, &e.Reader, &e.AcceptedAt, &e.DueFrom, &e.Progress, &e.NoticeID, &e.Released, &e.Raised, &e.Parked)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("choose an event: %w", err)
	}
	return true, nil
}

func (x *expansion) expand(max int) (complete bool, err error) {
	if x.event.NoticeID != "" {
		complete, err = x.recipients(max)
	} else {
		complete, err = x.subscribers(max)
	}
	if err != nil {
		return false, err
	}
	done := int64(0)
	if complete {
		done = x.now
	}
	if err := x.tx.Exec(`UPDATE events SET progress = ?, expanded_at = ? WHERE number = ?`, x.hi, done, x.event.Number).Error; err != nil {
		return false, fmt.Errorf("note how far it came: %w", err)
	}
	if err := x.accounts.save(x.store, x.tx); err != nil {
		return false, err
	}
	if x.made == 0 {
		return complete, nil
	}
	return complete, x.store.notify(x.tx)
}

// subscribers makes the slice's deliveries to subscribers.
func (x *expansion) subscribers(max int) (complete bool, err error) {
	if x.event.IncidentID.Valid {
		if err := x.findEarlier(); err != nil {
			return false, err
		}
	}
	if complete, err = x.slice(max); err != nil {
		return false, err
	}
	if err := x.lockEarlier(); err != nil {
		return false, err
	}
	if err := x.findRedirects(); err != nil {
		return false, err
	}
	if err := x.insert(); err != nil {
		return false, err
	}
	if err := x.replace(x.keysOf); err != nil {
		return false, err
	}
	if err := x.endParked(`z.number`, `z.second_of`); err != nil {
		return false, err
	}
	return complete, x.tellElsewhere()
}

// mayAtOnce are readers who can be told at once of what their incident did not
// tell them of before, in the words of an index. A million who get digests are not
// to be walked past, slice by slice, before the first who waits for a mail.
const mayAtOnce = ` AND (cadence = 'instant' OR cadence = 'milestones' OR critical)`

// news reports whether nobody knows anything of the incident, nor waits for
// something of it: what goes by what somebody was told then goes to nobody.
func (x *expansion) news() bool { return x.event.Reader == 0 && len(x.earlier) == 0 }

// slice finds where the slice ends: behind max active readers.
func (x *expansion) slice(max int) (complete bool, err error) {
	if n := x.event.Reader; n > 0 {
		x.lo, x.hi = n-1, n
		return true, nil
	}
	var ends []int64
	who := ``
	if x.news() {
		who = mayAtOnce
	}
	if err := x.tx.Raw(`SELECT number FROM subscribers WHERE number > ? AND state = 'active'`+who+` ORDER BY number LIMIT 2 OFFSET ?`,
		x.event.Progress, max-1).Scan(&ends).Error; err != nil {
		return false, fmt.Errorf("find the next readers: %w", err)
	}
	x.lo, x.hi = x.event.Progress, math.MaxUint32
	if len(ends) > 1 {
		x.hi = ends[0]
	}
	return len(ends) < 2, nil
}

// insert makes the slice's deliveries and counts them.
func (x *expansion) insert() error {
	wants, wantArgs, err := x.wants()
	if err != nil {
		return err
	}
	readers, args := x.readers()
	args = append(args, wantArgs...)
	channel, address := x.door()
	if x.event.Type.Closing() {
		elsewhere, more := x.toldElsewhere()
		wants, args = wants+` OR s.told > 0 OR `+elsewhere, append(args, more...)
	}
	since, sinceArgs := x.since()
	and, andArgs := x.notElsewhere()
	if x.event.Reader > 0 {
		wants += ` AND ` + address + ` <> '` + nobody + `'`
	}
	after, upTo := x.keys(x.event.Number)
	query := `INSERT INTO deliveries (id, event_number, lane, channel, address, language, timezone, since, told, state, due_at, behind)
		SELECT CAST(? AS bigint) + s.number, CAST(? AS bigint), CAST(? AS smallint), ` + channel + `, ` + address + `, s.language, s.timezone,
			coalesce(` + since + `, CAST(? AS bigint)), s.told, CASE WHEN s.flying > 0 THEN 'held' ELSE 'pending' END,
			CASE WHEN s.flying > 0 THEN CAST(? AS bigint) ELSE CAST(? AS bigint) END, s.flying
		FROM (` + readers + `) AS s
		WHERE NOT EXISTS (SELECT 1 FROM suppressions AS b WHERE b.channel = ` + channel + ` AND b.address = ` + address + `)
			AND (` + wants + ` OR ` + since + ` IS NOT NULL OR s.flying > 0)` + and + x.reminded() + `
		ON CONFLICT DO NOTHING`
	args = slices.Concat([]any{after - x.lo, x.event.Number, int(x.event.Lane)}, sinceArgs,
		[]any{x.event.Number, micros(notifier.UntilResumed), x.due()}, args, sinceArgs, andArgs)
	if x.made, err = x.store.insertCounted(x.tx, x.accounts, x.event.Number, keysIn(after, upTo), query, args); err != nil {
		return fmt.Errorf("make deliveries: %w", err)
	}
	return nil
}

// door is through which channel and to which address the event goes. What is
// personal of an endpoint is mail to whoever looks after it.
func (x *expansion) door() (channel, address string) {
	switch {
	case x.event.Type == notifier.SubscriberOwner:
		return `s.channel`, `s.contact`
	case x.event.Reader > 0:
		return `CASE WHEN s.channel = 'webhook' THEN 'email' ELSE s.channel END`, `CASE WHEN s.channel = 'webhook' THEN s.contact ELSE s.address END`
	}
	return `s.channel`, `s.address`
}

// readers are the slice's subscribers with what they know of the incident: told,
// the last event they were sent; since, the first they wait for; flying, a
// delivery in flight. Their earlier deliveries are found by key, each by itself:
// a join with ranges of them invites both planners to worse.
func (x *expansion) readers() (string, []any) {
	of := ` FROM subscribers AS s`
	where := ` WHERE s.number > ? AND s.number <= ? AND s.state IN (` + x.states() + `)`
	if x.news() {
		where = ` WHERE s.number > ? AND s.number <= ? AND s.state = 'active'` + mayAtOnce
		if x.store.dialect == sqlite { // which would walk along the numbers of all
			of += ` INDEXED BY subscribers_at_once`
		}
	}
	if len(x.earlier) == 0 {
		return `SELECT s.*, 0 AS told, CAST(NULL AS bigint) AS since, 0 AS flying` + of + where, []any{x.lo, x.hi}
	}
	var args []any
	for _, e := range x.earlier {
		args = append(args, int64(notifier.MakeDeliveryID(e.Number, 0)))
	}
	keys := `CAST(? AS bigint) + s.number` + strings.Repeat(`, CAST(? AS bigint) + s.number`, len(args)-1)
	return `SELECT s.*, max(CASE WHEN d.state IN ('sent', 'bounced') THEN d.event_number ELSE 0 END) AS told,
			min(CASE WHEN d.state IN ('pending', 'held') THEN d.since END) AS since,
			max(CASE WHEN d.state = 'sending' THEN d.id ELSE 0 END) AS flying
		` + of + ` LEFT JOIN deliveries AS d ON d.id IN (` + keys + `)` + where + ` GROUP BY s.number`, append(args, x.lo, x.hi)
}

// states are those of subscribers who may get this event: one who is asked to
// confirm has not done so yet, and a link that was asked for goes to whoever it is about.
func (x *expansion) states() string {
	switch {
	case x.event.Reader == 0:
		return `'active'`
	case x.event.Type == notifier.SubscriberConfirm, x.event.Type == notifier.SubscriberSecond:
		return `'pending', 'active'`
	}
	return `'pending', 'active', 'paused', 'quarantined', 'unsubscribed'`
}

// kindBits are the bits of subscribers.kinds.
var kindBits = map[notifier.Kind]int{notifier.KindIncident: 1, notifier.KindMaintenance: 2, notifier.KindPost: 4}

// typeBits are the bits of subscribers.types; a new type takes the next.
var typeBits = map[notifier.EventType]int{
	notifier.IncidentCreated: 1, notifier.IncidentUpdated: 2, notifier.IncidentResolved: 4, notifier.IncidentCorrected: 8, notifier.IncidentRetracted: 16,
	notifier.MaintenanceScheduled: 32, notifier.MaintenanceStarted: 64, notifier.MaintenanceExtended: 128, notifier.MaintenanceCompleted: 256,
	notifier.PostPublished: 512,
}

// wants is subscribers.Filter.Match and subscribers.Subscriber.AtOnce in SQL, about
// the subscriber s; a property test holds them equal.
func (x *expansion) wants() (string, []any, error) {
	switch {
	case x.event.Reader > 0:
		return `true`, nil, nil
	case x.event.Type == notifier.IncidentRetracted:
		return `false`, nil, nil // who never heard of the mistake need not hear that it was one
	}
	var cadences []string
	for _, c := range subscribers.Cadences {
		if c.Wants(notifier.Event{Type: x.event.Type, Raised: x.event.Raised}) {
			cadences = append(cadences, string(c))
		}
	}
	atOnce := `s.cadence IN ?`
	if x.event.Kind == notifier.KindIncident && x.event.Severity == notifier.SeverityCritical {
		atOnce = `(s.cadence IN ? OR s.critical AND s.cadence IN ('daily', 'weekly', 'monthly'))`
	}
	sql := atOnce + ` AND (s.kinds = 0 OR s.kinds & ? <> 0) AND (s.types = 0 OR s.types & ? <> 0) AND (s.incident = '' OR s.incident = ?)`
	args := []any{cadences, kindBits[x.event.Kind], typeBits[x.event.Type], x.event.IncidentID.String}
	if x.event.Kind == notifier.KindIncident {
		sql += ` AND s.severity <= ?`
		args = append(args, int(x.event.Severity))
	}
	var components []string
	if err := json.Unmarshal([]byte(x.event.Components), &components); err != nil {
		return "", nil, fmt.Errorf("read its components: %w", err)
	}
	if len(components) > 0 {
		sql += ` AND (NOT s.chooses OR EXISTS (SELECT 1 FROM subscriber_components AS c WHERE c.subscriber = s.number AND c.component_key IN ?))`
		args = append(args, components)
		touched, who, err := x.touched(components)
		if err != nil {
			return "", nil, err
		}
		sql, args = sql+touched, append(args, who...)
	}
	return `(` + sql + `)`, args, nil
}
