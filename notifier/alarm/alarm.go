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
	// Slow is how long a look waits for those it tells; who takes longer is heard
	// of by a later one. 0 is five seconds.
	Slow time.Duration
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
	// notes is how long it may take to note what one target was told.
	notes = 5 * time.Second
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
	untold  map[string]bool
	asking  sync.WaitGroup
}

// outlet is a target, and what it still has to be told.
type outlet struct {
	Target
	owed map[string]owed // by key
	rest time.Time
	busy chan error // what it is being told; nil: nothing
	told []owed     // is being told
}

type owed struct {
	alarm notifier.Alarm
	at    time.Time
}

// New makes a Teller.
func New(o Options) *Teller {
	if o.Slow <= 0 {
		o.Slow = 5 * time.Second
	}
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
	t.asking.Wait()
	for _, o := range t.outlets {
		t.heard(ctx, o, nil) // what was taken behind the last look
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

// tell passes alarms on to everybody at once, and notes of which somebody knows
// now. Whoever is slow holds up nobody: what they took is noted by a later look.
func (t *Teller) tell(ctx context.Context, near, shared []notifier.Alarm) {
	now := t.o.Now()
	fresh := slices.Concat(near, shared)
	t.untold = map[string]bool{}
	for _, a := range fresh {
		t.untold[a.Key] = true
	}
	for _, o := range t.outlets {
		t.heard(ctx, o, nil) // what it took meanwhile
		for _, a := range fresh {
			o.owed[a.Key] = owed{a, now} // the newest word of it takes the place of an older one
		}
		if o.busy == nil && len(o.owed) > 0 && (len(fresh) > 0 || !now.Before(o.rest)) {
			t.pour(ctx, o)
		}
	}
	enough := time.NewTimer(t.o.Slow)
	defer enough.Stop()
	wait := enough.C
	for _, o := range t.outlets {
		if t.heard(ctx, o, wait) {
			wait = nil // the time is up for the others, too
		}
	}
	if ctx.Err() != nil {
		return
	}
	asked := map[string]bool{} // somebody may take it yet
	for _, o := range t.outlets {
		for _, d := range o.told {
			asked[d.alarm.Key] = true
		}
	}
	// What nobody knows of is taken again, by whoever; what somebody knows of is owed to the others.
	for _, o := range t.outlets {
		maps.DeleteFunc(o.owed, func(k string, d owed) bool {
			return d.at.Equal(now) && t.untold[k] && !asked[k] || now.Sub(d.at) >= notifier.AlarmAgain
		})
	}
	if len(t.untold) > 0 && len(asked) == 0 && !t.unheard {
		t.o.Log.Error("staff cannot be told of trouble: nobody of ALLCLEAR_ALERT can be reached", "count", len(t.untold))
	}
	if len(fresh) > 0 && len(asked) == 0 {
		t.unheard = len(t.untold) > 0
	}
}

// pour begins to tell one target all that it does not know.
func (t *Teller) pour(ctx context.Context, o *outlet) {
	o.told = o.told[:0:0]
	for _, k := range slices.Sorted(maps.Keys(o.owed)) {
		o.told = append(o.told, o.owed[k])
	}
	slices.SortStableFunc(o.told, func(a, b owed) int { return a.alarm.Since.Compare(b.alarm.Since) })
	alarms := make([]notifier.Alarm, len(o.told))
	for i, d := range o.told {
		alarms[i] = d.alarm
	}
	busy := make(chan error, 1)
	o.busy = busy
	t.asking.Go(func() {
		call, done := context.WithTimeout(ctx, notifier.AlarmTry-5*time.Second)
		defer done()
		busy <- o.Tell(call, alarms)
	})
}

// heard notes how it went to tell a target, once that is known; it waits for
// that until enough, and reports whether that came first. A nil enough is now.
func (t *Teller) heard(ctx context.Context, o *outlet, enough <-chan time.Time) (slow bool) {
	if o.busy == nil {
		return false
	}
	var err error
	if enough == nil {
		select {
		case err = <-o.busy:
		default:
			return false
		}
	} else {
		select {
		case err = <-o.busy:
		case <-enough:
			return true
		}
	}
	told := o.told
	o.busy, o.told = nil, nil
	now := t.o.Now()
	switch {
	case err != nil && ctx.Err() != nil:
		o.rest = now.Add(rests)
		return false
	case err != nil:
		if o.rest.IsZero() {
			t.o.Log.Warn("staff cannot be told of trouble this way", "way", o.String(), "error", err)
		}
		o.rest = now.Add(rests)
		return false
	case !o.rest.IsZero():
		t.o.Log.Info("staff can be told of trouble this way again", "way", o.String())
	}
	o.rest = time.Time{}
	// They know, whether or not this process ends meanwhile: what is not noted is told again by the next.
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), notes)
	defer done()
	for _, d := range told {
		if o.owed[d.alarm.Key].at.Equal(d.at) { // there is no newer word of it
			delete(o.owed, d.alarm.Key)
		}
		t.known(ctx, d.alarm, o.String(), now)
	}
	return false
}

// known notes that somebody knows of an alarm.
func (t *Teller) known(ctx context.Context, a notifier.Alarm, way string, now time.Time) {
	t.o.Log.Info("staff were told", "about", a.About, "state", State(a), "way", way)
	delete(t.untold, a.Key)
	if t.near.has(a.Key) {
		t.near.told(a, now)
		return
	}
	a.To = []string{way}
	if err := t.o.Keeper.AlarmTold(ctx, a); err != nil {
		t.o.Log.Warn("note that staff were told", "about", a.About, "error", err)
	}
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
