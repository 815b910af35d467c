package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// digestRun is a schedule's row: when its digests are due next, and how far they
// have come while they are being made.
type digestRun struct {
	digestRow
	AfterAt     int64
	NextAt      int64
	Planned     string
	UpTo        int64
	Day         string
	Missed      int
	EventNumber int64
	Progress    int64
}

const digestRunColumns = `cadence, hour, weekday, timezone, after_at, next_at, planned, up_to, day, missed, event_number, progress`

// MakeDigests does one short step of making the digests that are due at a time,
// of at most max readers, and returns what it did. A schedule's row is locked
// for the step, so that any number of processes may call it, and all that the
// step did is committed with how far it came: whatever interrupts it, the next
// one goes on. Runs that nobody made are made up for by one, which says so. A
// schedule that fails is passed over; its error is returned by the step that
// finds nothing else to do. By a calendar of another setting than the one that
// SetDigests set nothing is done; the step names that one.
func (s *Store) MakeDigests(ctx context.Context, calendar subscribers.Calendar, at time.Time, max int) (subscribers.MadeDigests, error) {
	idle := subscribers.MadeDigests{Idle: true}
	if max < 1 {
		return idle, fmt.Errorf("make digests: of %d readers at a time", max)
	}
	// A look first: where even an empty transaction would keep others from writing.
	some, setting, err := s.digestsDue(s.conn(ctx), calendar, at)
	if err == nil && setting != "" && setting != calendar.Setting() {
		idle.Setting = setting
		return idle, nil
	}
	if err != nil || !some {
		if err == nil {
			idle.Next, err = s.nextDigests(s.conn(ctx))
		}
		return idle, translate(err)
	}
	_, within := ctx.Value(txKey{}).(*gorm.DB)
	var failed []digestRow
	var first error
	for {
		out, run, err := s.digestStep(ctx, calendar, at, max, failed)
		switch {
		case err == nil && out.Idle && first != nil:
			return idle, first
		case err == nil:
			return out, nil
		case run == nil:
			return idle, fmt.Errorf("make digests: %w", err)
		}
		err = fmt.Errorf("make %s digests (hour %d, zone %q): %w", run.Cadence, run.Hour, run.Timezone, err)
		if within || ctx.Err() != nil { // what it half did is only undone with all
			return idle, err
		}
		if first == nil {
			first = err
		}
		failed = append(failed, run.digestRow)
	}
}

// digestStep does a step with a schedule that is none of those that failed. It
// returns the one that it chose with the error of working at it.
func (s *Store) digestStep(ctx context.Context, calendar subscribers.Calendar, at time.Time, max int, failed []digestRow) (out subscribers.MadeDigests, run *digestRun, err error) {
	err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		out, run = subscribers.MadeDigests{Idle: true}, nil
		// Between what ends or turns a reader and what is made for them.
		if err := s.lockFanout(tx, true); err != nil {
			return err
		}
		var err error
		if run, err = s.chooseRun(tx, calendar, at, failed); err != nil {
			return err
		}
		if run == nil {
			made, found, err := s.lastDigest(tx)
			if err == nil && !found {
				made, found, err = s.summarise(tx, max)
			}
			out = subscribers.MadeDigests{Idle: !found, Made: made}
			return err
		}
		m := &digestMaker{store: s, tx: tx, run: run, calendar: calendar, at: at, now: s.Now()}
		made, err := m.step(max)
		out = subscribers.MadeDigests{Made: made}
		return err
	})
	return out, run, err
}

// dueRuns are rows with something to do: what to find, to begin or to go on with.
const dueRuns = `(planned <> ? OR up_to > 0 OR next_at <= ?)`

// owedLast are readers to whom a last digest is owed, and all that it may tell of
// is expanded. It does not wait for what is held down beyond the one parameter:
// that comes to them at once, when its time is over. Whoever asks for one asks in
// order of c.subscriber: without statistics PostgreSQL believes that a third of all
// are owed one, and looks for any among all.
const owedLast = ` FROM digest_cursors AS c WHERE c.last_up_to > 0
	AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.expanded_at = 0 AND e.incident_id IS NOT NULL AND e.number <= c.last_up_to AND e.held_until <= ?)`

// digestsDue reports whether there is something to do, and what SetDigests set.
func (s *Store) digestsDue(db *gorm.DB, calendar subscribers.Calendar, at time.Time) (some bool, setting string, err error) {
	if err := db.Raw(`SELECT (SELECT count(*) FROM (SELECT 1 FROM digest_runs WHERE `+dueRuns+` LIMIT 1) AS one)
		+ (SELECT count(*) FROM (SELECT 1`+owedLast+` ORDER BY c.subscriber LIMIT 1) AS one) + (SELECT count(*) FROM (SELECT 1`+untold+` LIMIT 1) AS one) > 0,
			coalesce((SELECT setting FROM digest_setting), '')`, calendar.Setting(), micros(at), micros(s.Now()), micros(s.Now())).Row().Scan(&some, &setting); err != nil {
		return false, "", fmt.Errorf("look for digests that are due: %w", err)
	}
	return some, setting, nil
}

func (s *Store) nextDigests(db *gorm.DB) (time.Time, error) {
	var next int64
	if err := db.Raw(`SELECT coalesce(min(next_at), 0) FROM digest_runs`).Scan(&next).Error; err != nil {
		return time.Time{}, fmt.Errorf("look for the next digests: %w", err)
	}
	return instant(next), nil
}

// chooseRun takes a row that nobody else works at and that is none of those that
// failed: those first that are to be planned, which takes no time, then what was
// begun. nil: there is none.
func (s *Store) chooseRun(tx *gorm.DB, calendar subscribers.Calendar, at time.Time, failed []digestRow) (*digestRun, error) {
	var run digestRun
	others, args := ``, []any{calendar.Setting(), micros(at)}
	for _, f := range failed {
		others += ` AND NOT (cadence = ? AND hour = ? AND weekday = ? AND timezone = ?)`
		args = append(args, f.Cadence, f.Hour, f.Weekday, f.Timezone)
	}
	err := tx.Raw(`SELECT `+digestRunColumns+` FROM digest_runs WHERE `+dueRuns+others+`
		ORDER BY CASE WHEN planned <> ? THEN 0 WHEN up_to > 0 THEN 1 ELSE 2 END, next_at, cadence, timezone, hour, weekday LIMIT 1`+s.skipLocked(),
		append(args, calendar.Setting())...).Row().Scan(&run.Cadence, &run.Hour, &run.Weekday, &run.Timezone,
		&run.AfterAt, &run.NextAt, &run.Planned, &run.UpTo, &run.Day, &run.Missed, &run.EventNumber, &run.Progress)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // nothing to do
	}
	if err != nil {
		return nil, fmt.Errorf("choose a schedule: %w", err)
	}
	return &run, nil
}

// digestMaker does one step with one schedule.
type digestMaker struct {
	store    *Store
	tx       *gorm.DB
	run      *digestRun
	calendar subscribers.Calendar
	at, now  time.Time
}

func (m *digestMaker) step(max int) (made int, err error) {
	switch {
	case m.run.Planned != m.calendar.Setting():
		return 0, m.plan()
	case m.run.UpTo == 0:
		return 0, m.begin()
	}
	return m.slice(max)
}

func (m *digestMaker) set(what string, args ...any) error {
	where, key := m.run.where()
	done := m.tx.Exec(`UPDATE digest_runs SET `+what+where, append(args, key...)...)
	if done.Error == nil && done.RowsAffected != 1 {
		return fmt.Errorf("note how far digests came: %d rows", done.RowsAffected)
	}
	return wrapped("note how far digests came", done.Error)
}

// plan finds the next run, where that was not done or the service's hour or zone
// changed. Of the day of the last run, or of one before it, there is no other: a
// later hour or a zone to the west would find that day again.
func (m *digestMaker) plan() error {
	next, err := m.calendar.Next(m.run.schedule(), instant(m.run.AfterAt))
	for err == nil && next.Day <= m.run.Day {
		next, err = m.calendar.Next(m.run.schedule(), next.At)
	}
	if err != nil { // a zone that this program does not know, say: the others' digests do not wait for it
		m.store.log.Error("a schedule of digests has no next run", "cadence", m.run.Cadence, "timezone", m.run.Timezone, "error", err)
		next.At = notifier.UntilResumed
	}
	return m.set(`next_at = ?, planned = ?`, micros(next.At), m.calendar.Setting())
}

// begin decides which run this is, and which events it is about. Earlier ones
// that nobody made are missed. The next run is written down before anything is made.
func (m *digestMaker) begin() error {
	schedule := m.run.schedule()
	// The run that is due: its day is found from just before it.
	this, err := m.calendar.Next(schedule, instant(m.run.NextAt).Add(-time.Microsecond))
	if err != nil {
		return err
	}
	missed := 0
	var next subscribers.Run
	for {
		if next, err = m.calendar.Next(schedule, this.At); err != nil {
			return err
		}
		if next.At.After(m.at) {
			break
		}
		this, missed = next, missed+1
	}
	last, _, err := newestEvents(m.tx)
	if err != nil {
		return err
	}
	// Where nothing ever happened they are begun all the same, for who wants one on
	// quiet days, too: an event that comes in between is told by them.
	return m.set(`after_at = ?, next_at = ?, up_to = ?, day = ?, missed = ?, event_number = 0, progress = 0`,
		micros(this.At), micros(next.At), max(last, 1), this.Day, missed)
}

// announce writes the event that the digests belong to, once there is somebody to
// send one to. It is a step of its own: everyone else who accepts an event waits
// for its end. Where the schedule's digests of that day were made already, this
// run ends: nobody's cursor was moved past what they missed, so the next tells it.
// (The event of that day is no place for it, for it may have expired.)
func (m *digestMaker) announce() error {
	var before int
	where, key := m.run.where()
	if err := m.tx.Raw(`SELECT count(*) FROM digests`+where+` AND day = ?`, append(key, m.run.Day)...).Scan(&before).Error; err != nil {
		return fmt.Errorf("look whether digests were made: %w", err)
	}
	if before > 0 {
		return m.set(`up_to = 0, event_number = 0, progress = 0`)
	}
	e, err := m.store.acceptDigest(m.tx, 0, m.now)
	if err != nil {
		return err
	}
	if err := m.tx.Exec(`INSERT INTO digests (event_number, cadence, hour, weekday, timezone, day, missed) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		e, m.run.Cadence, m.run.Hour, m.run.Weekday, m.run.Timezone, m.run.Day, m.run.Missed).Error; err != nil {
		return fmt.Errorf("write what digests are of: %w", err)
	}
	// They show how things stand now, so they go up to here.
	return m.set(`event_number = ?, up_to = ?`, e, max(e-1, m.run.UpTo))
}

// acceptDigest writes the event of digests, which the fan-out passes over.
func (s *Store) acceptDigest(tx *gorm.DB, reader int64, now time.Time) (int64, error) {
	e := notifier.Event{
		ID: randomText(), Type: notifier.DigestDue, Lane: notifier.LaneDigest, Kind: notifier.KindPost,
		Reader: reader, AcceptedAt: now, ExpiresAt: now.Add(notifier.DigestLife),
	}
	if err := s.accept(tx, &e); err != nil {
		return 0, err
	}
	return e.Number, wrapped("write the event of digests", tx.Exec(`UPDATE events SET expanded_at = accepted_at, progress = ? WHERE number = ?`, maxReader, e.Number).Error)
}
