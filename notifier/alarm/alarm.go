// Package alarm tells staff of trouble with the service itself: when it begins,
// again while it lasts, and when it is over.
package alarm

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"allclear/notifier"
)

// Keeper keeps what staff know, for all processes that share it; *store.Store is one.
type Keeper interface {
	NoteTroubles(ctx context.Context, seen []notifier.Trouble) error
	TakeAlarms(ctx context.Context, calm bool) ([]notifier.Alarm, error)
	AlarmTold(ctx context.Context, a notifier.Alarm) error
}

// Target is somebody who is told.
type Target interface {
	// Tell tells all of it, or none. Its error is for logs and holds no address.
	Tell(ctx context.Context, alarms []notifier.Alarm) error
	// String is how logs name it; no address either.
	String() string
}

// Options are what a Teller is made of. All but Wait are mandatory.
type Options struct {
	// Look finds the troubles that are kept where all processes see them. It
	// may ask the database.
	Look func(ctx context.Context) ([]notifier.Trouble, error)
	// Near finds those that must be told without the database; each process
	// tells of them for itself.
	Near    func(ctx context.Context) []notifier.Trouble
	Keeper  Keeper
	Targets []Target
	Now     func() time.Time
	Log     *slog.Logger
	// Wait waits between two looks, and reports whether to go on; nil waits
	// Every, or until Nudge.
	Wait func(ctx context.Context) bool
}

// How often a Teller looks, and how patient it is.
const (
	Every = 10 * time.Second
	// writes is how often it is tried whether the database takes writes.
	writes = 30 * time.Second
	// asks is how long one look may take, and Patience for how long it must fail
	// until that is a trouble: a database that restarts is none.
	asks     = 20 * time.Second
	Patience = 30 * time.Second
	// rests is how long a target that could not be reached is left alone, where
	// there is nothing new to tell.
	rests = time.Minute
	// onceAgain is how often a trouble that is told once is noted again.
	onceAgain = 6 * time.Hour
)

// Teller looks for trouble and tells of it.
type Teller struct {
	o    Options
	wake chan struct{}

	near    memory
	outlets []*outlet
	noted   map[string]time.Time // by key, of what is told once
	wrote   time.Time
	failing time.Time // since when the database fails; zero: it does not
	why     error
	clear   time.Time // since when all looks succeeded
	unheard bool      // it is logged that nobody can be reached
}

// outlet is a target, and what it still has to be told.
type outlet struct {
	Target
	owed map[string]owed // by key
	rest time.Time
}

type owed struct {
	alarm notifier.Alarm
	at    time.Time
}

// New makes a Teller.
func New(o Options) *Teller {
	t := &Teller{o: o, wake: make(chan struct{}, 1), noted: map[string]time.Time{}}
	if t.o.Wait == nil {
		t.o.Wait = t.wait
	}
	for _, target := range o.Targets {
		t.outlets = append(t.outlets, &outlet{Target: target, owed: map[string]owed{}})
	}
	return t
}

// Nudge makes it look at once.
func (t *Teller) Nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *Teller) wait(ctx context.Context) bool {
	timer := time.NewTimer(Every)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-t.wake:
	}
	return true
}

// Run looks and tells until ctx ends.
func (t *Teller) Run(ctx context.Context) {
	for t.o.Wait(ctx) {
		t.look(ctx)
	}
}

// look is one round.
func (t *Teller) look(ctx context.Context) {
	shared, err := t.shared(ctx)
	if ctx.Err() != nil {
		return
	}
	now := t.o.Now()
	t.judge(err, now)
	near := t.o.Near(ctx)
	if !t.failing.IsZero() && now.Sub(t.failing) >= Patience {
		near = append(near, databaseTrouble(t.failing, t.why))
	}
	t.near.note(near, now)
	t.tell(ctx, t.near.take(now), shared)
}

// shared notes what is seen for all processes, and takes what this one is to
// tell of.
func (t *Teller) shared(ctx context.Context) ([]notifier.Alarm, error) {
	ctx, done := context.WithTimeout(ctx, asks)
	defer done()
	seen, err := t.o.Look(ctx)
	if err != nil {
		return nil, err
	}
	now := t.o.Now()
	fresh := seen[:0:0]
	for _, s := range seen {
		if at, known := t.noted[s.Key]; !s.Once || !known || now.Sub(at) >= onceAgain {
			fresh = append(fresh, s)
		}
	}
	if len(fresh) > 0 || t.wrote.IsZero() || now.Sub(t.wrote) >= writes || !t.failing.IsZero() {
		if err := t.o.Keeper.NoteTroubles(ctx, fresh); err != nil {
			return nil, err
		}
		t.wrote = now
	}
	maps.DeleteFunc(t.noted, func(_ string, at time.Time) bool { return now.Sub(at) >= onceAgain })
	for _, s := range fresh {
		if s.Once {
			t.noted[s.Key] = now
		}
	}
	// What nobody has seen for a while may only be unseen because nobody could note it.
	calm := !t.clear.IsZero() && now.Sub(t.clear) > notifier.AlarmCalm
	return t.o.Keeper.TakeAlarms(ctx, calm)
}

// judge notes how the database does.
func (t *Teller) judge(err error, now time.Time) {
	switch {
	case err == nil:
		t.failing, t.why = time.Time{}, nil
		if t.clear.IsZero() {
			t.clear = now
		}
		return
	case t.failing.IsZero():
		t.failing = now
	}
	t.why, t.clear = err, time.Time{}
}

func databaseTrouble(since time.Time, why error) notifier.Trouble {
	return notifier.Trouble{
		Key: "database", About: "database", Since: since,
		Title: "The database does not answer or takes no writes",
		Text: "Nothing is accepted or sent until it does; nothing that was accepted is lost. It said: " + notifier.Clip(why.Error()) +
			". Look whether it runs, whether its disk is full and what holds its lock; `docs/operations.md` says what each of them looks like. No restart of allclear is needed.",
		Ended: "The database answers and takes writes again",
	}
}

// tell passes alarms on to everybody, and notes of which somebody knows now.
func (t *Teller) tell(ctx context.Context, near, shared []notifier.Alarm) {
	now := t.o.Now()
	fresh := slices.Concat(near, shared)
	call, done := context.WithTimeout(ctx, notifier.AlarmTry-5*time.Second)
	defer done()
	heard := make([][]string, len(t.outlets))
	var asking sync.WaitGroup
	for i, o := range t.outlets {
		asking.Go(func() { heard[i] = t.pour(call, o, fresh, now) })
	}
	asking.Wait()
	if ctx.Err() != nil {
		return
	}
	known := map[string]bool{}
	for _, keys := range heard {
		for _, k := range keys {
			known[k] = true
		}
	}
	deaf := 0
	for i := range fresh {
		a := &fresh[i]
		if !known[a.Key] {
			deaf++
			continue
		}
		t.o.Log.Info("staff were told", "about", a.About, "state", State(*a))
		if i < len(near) {
			t.near.told(*a, now)
		} else if err := t.o.Keeper.AlarmTold(ctx, *a); err != nil {
			t.o.Log.Warn("note that staff were told", "about", a.About, "error", err)
		}
	}
	// What nobody knows of is taken again, by whoever; what somebody knows of is owed to the others.
	for _, o := range t.outlets {
		maps.DeleteFunc(o.owed, func(k string, d owed) bool {
			return d.at.Equal(now) && !known[k] || now.Sub(d.at) >= notifier.AlarmAgain
		})
	}
	if deaf > 0 && !t.unheard {
		t.o.Log.Error("staff cannot be told of trouble: nobody of ALLCLEAR_ALERT can be reached", "count", deaf)
	}
	if len(fresh) > 0 {
		t.unheard = deaf > 0
	}
}

// pour tells one target all that it does not know, and returns the keys of it.
func (t *Teller) pour(ctx context.Context, o *outlet, fresh []notifier.Alarm, now time.Time) []string {
	for _, a := range fresh {
		o.owed[a.Key] = owed{a, now} // the newest word of it takes the place of an older one
	}
	if len(o.owed) == 0 || len(fresh) == 0 && now.Before(o.rest) {
		return nil
	}
	keys := slices.Sorted(maps.Keys(o.owed))
	alarms := make([]notifier.Alarm, 0, len(keys))
	for _, k := range keys {
		alarms = append(alarms, o.owed[k].alarm)
	}
	slices.SortStableFunc(alarms, func(a, b notifier.Alarm) int { return a.Since.Compare(b.Since) })
	err := o.Tell(ctx, alarms)
	switch {
	case ctx.Err() != nil && err != nil:
		o.rest = now.Add(rests)
		return nil
	case err != nil:
		if o.rest.IsZero() {
			t.o.Log.Warn("staff cannot be told of trouble this way", "way", o.String(), "error", err)
		}
		o.rest = now.Add(rests)
		return nil
	case !o.rest.IsZero():
		t.o.Log.Info("staff can be told of trouble this way again", "way", o.String())
	}
	o.rest = time.Time{}
	clear(o.owed)
	return keys
}

// memory is what a Keeper keeps, for one process and without a database.
type memory struct{ kept map[string]*remembered }

type remembered struct {
	notifier.Alarm
	busy time.Time // until when it is being told of
}

func (m *memory) note(seen []notifier.Trouble, now time.Time) {
	if m.kept == nil {
		m.kept = map[string]*remembered{}
	}
	for _, s := range seen {
		if m.kept[s.Key] == nil {
			m.kept[s.Key] = &remembered{}
		}
		m.kept[s.Key].See(s, now)
	}
}

func (m *memory) take(now time.Time) []notifier.Alarm {
	var out []notifier.Alarm
	for _, k := range slices.Sorted(maps.Keys(m.kept)) {
		a := m.kept[k]
		if a.Rest(now); a.Due(now) && !now.Before(a.busy) {
			a.busy = now.Add(notifier.AlarmTry)
			out = append(out, a.Alarm)
		}
	}
	return out
}

func (m *memory) told(a notifier.Alarm, now time.Time) {
	if a.Over {
		delete(m.kept, a.Key)
		return
	}
	m.kept[a.Key].Told, m.kept[a.Key].busy = now, time.Time{}
}

// State names how an alarm stands, for programs: began, lasts, over; reminder
// is what is told once.
func State(a notifier.Alarm) string {
	switch {
	case a.Over:
		return "over"
	case a.Once:
		return "reminder"
	case a.Told.IsZero():
		return "began"
	}
	return "lasts"
}

// String is for logs.
func (o *outlet) String() string { return fmt.Sprint(o.Target) }
