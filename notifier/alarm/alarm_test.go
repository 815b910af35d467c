package alarm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
)

// shared is a Keeper for tests: what stands in a database otherwise.
type shared struct {
	memory
	now  func() time.Time
	fail error
}

func (s *shared) NoteTroubles(_ context.Context, seen []notifier.Trouble) error {
	s.note(seen, s.now())
	return s.fail
}

func (s *shared) TakeAlarms(_ context.Context, calm bool) ([]notifier.Alarm, error) {
	var out []notifier.Alarm
	for _, a := range s.take(s.now()) {
		if calm || !a.Over {
			out = append(out, a)
		}
	}
	return out, s.fail
}

func (s *shared) AlarmTold(ctx context.Context, a notifier.Alarm) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.told(a, s.now())
	return nil
}

// listener is a Target that can be out of reach.
type listener struct {
	name  string
	away  error
	asked int
	gate  chan struct{} // it takes its time until something comes; nil: none
	lock  sync.Mutex
	heard []string
}

func (l *listener) all() []string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return slices.Clone(l.heard)
}

func (l *listener) String() string { return l.name }

func (l *listener) Tell(_ context.Context, alarms []notifier.Alarm) error {
	l.asked++
	if l.away != nil {
		return l.away
	}
	if l.gate != nil {
		<-l.gate
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	for _, a := range alarms {
		l.heard = append(l.heard, State(a)+" "+a.About)
	}
	return nil
}

func (l *listener) hears(t *testing.T, want ...string) {
	t.Helper()
	if got := fmt.Sprint(l.heard); got != fmt.Sprint(want) {
		t.Errorf("%s heard %s, want %s", l.name, got, want)
	}
	l.heard = nil
}

// stage is a Teller with everything around it, and a clock that is put forward.
type stage struct {
	*Teller
	t     *testing.T
	now   time.Time
	seen  []notifier.Trouble
	near  []notifier.Trouble
	away  error // of the database
	keeps *shared
	log   bytes.Buffer
}

func newStage(t *testing.T, listeners ...*listener) *stage {
	s := &stage{t: t, now: time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)}
	s.keeps = &shared{now: func() time.Time { return s.now }}
	var targets []Target
	for _, l := range listeners {
		targets = append(targets, l)
	}
	s.Teller = New(Options{
		Look:   func(context.Context) ([]notifier.Trouble, error) { return s.seen, s.away },
		Near:   func(context.Context) []notifier.Trouble { return s.near },
		Keeper: s.keeps, Targets: targets, Now: func() time.Time { return s.now }, Log: slog.New(slog.NewTextHandler(&s.log, nil)),
	})
	return s
}

// passes lets time pass, with a look every ten seconds.
func (s *stage) passes(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(Every)
		s.look(s.t.Context())
	}
}

var relay = notifier.Trouble{Key: "relay:a:25", About: "relay:a:25", Title: "Relay a:25 is down", Text: "Look at it.", Ended: "relay a:25 works again"}

func TestEverybodyIsToldOnceOfTheBeginAndOnceOfTheEnd(t *testing.T) {
	mail, hook := &listener{name: "mail"}, &listener{name: "hook"}
	s := newStage(t, mail, hook)
	s.passes(2 * time.Minute)
	s.seen = []notifier.Trouble{relay}
	s.passes(time.Hour)
	mail.hears(t, "began relay:a:25")
	hook.hears(t, "began relay:a:25")
	s.passes(notifier.AlarmAgain)
	mail.hears(t, "lasts relay:a:25")
	s.seen = nil
	s.passes(time.Hour)
	mail.hears(t, "over relay:a:25")
	hook.hears(t, "lasts relay:a:25", "over relay:a:25")
}

func TestWhoCannotBeReachedIsToldLaterAndThenTheNewestWord(t *testing.T) {
	mail, hook := &listener{name: "mail", away: errors.New("no relay")}, &listener{name: "hook"}
	s := newStage(t, mail, hook)
	s.seen = []notifier.Trouble{relay}
	s.passes(10 * time.Minute)
	hook.hears(t, "began relay:a:25")
	mail.hears(t)
	if mail.asked < 5 || mail.asked > 12 {
		t.Errorf("asked %d times in ten minutes", mail.asked)
	}
	mail.away = nil
	s.passes(2 * time.Minute)
	mail.hears(t, "began relay:a:25")
	mail.away = errors.New("no relay")
	s.seen = nil
	s.passes(5 * time.Minute)
	mail.away = nil
	s.passes(2 * time.Minute)
	mail.hears(t, "over relay:a:25")
	hook.hears(t, "over relay:a:25")
	if n := strings.Count(s.log.String(), "staff cannot be told of trouble this way"); n != 2 {
		t.Errorf("the log tells of it %d times:\n%s", n, &s.log)
	}
}

func TestATroubleThatNobodyHeardOfIsToldWhenSomebodyCanBeReached(t *testing.T) {
	only := &listener{name: "mail", away: errors.New("no relay")}
	s := newStage(t, only)
	s.seen = []notifier.Trouble{relay}
	s.near = []notifier.Trouble{{Key: "state:h", About: "state:h", Title: "The folder takes no writes", Ended: "it does"}}
	s.passes(5 * time.Minute)
	if only.asked > 12 {
		t.Errorf("asked %d times", only.asked)
	}
	s.seen, s.near = nil, nil
	s.passes(5 * time.Minute)
	only.away = nil
	s.passes(5 * time.Minute)
	only.hears(t, "over relay:a:25", "over state:h")
	if n := strings.Count(s.log.String(), "nobody of ALLCLEAR_ALERT can be reached"); n != 1 {
		t.Errorf("the log tells of it %d times:\n%s", n, &s.log)
	}
}

func TestADatabaseThatIsAwayIsToldOfWithoutIt(t *testing.T) {
	hook := &listener{name: "hook"}
	s := newStage(t, hook)
	s.passes(5 * time.Minute)
	s.away = errors.New("connection refused")
	s.passes(Patience - Every)
	hook.hears(t) // a restart
	s.away = nil
	s.passes(5 * time.Minute)
	hook.hears(t)
	s.away = errors.New("connection refused")
	s.passes(10 * time.Minute)
	hook.hears(t, "began database")
	s.away = nil
	s.passes(5 * time.Minute)
	hook.hears(t, "over database")
	s.keeps.fail = errors.New("disk is full")
	s.passes(5 * time.Minute)
	hook.hears(t, "began database") // a read-only one answers, and fails all the same
}

func TestATroubleIsNotOverBecauseTheDatabaseWasAway(t *testing.T) {
	hook := &listener{name: "hook"}
	s := newStage(t, hook)
	s.seen = []notifier.Trouble{relay}
	s.passes(5 * time.Minute)
	hook.hears(t, "began relay:a:25")
	s.away = errors.New("connection refused")
	s.passes(10 * time.Minute)
	s.away = nil
	s.passes(10 * time.Minute)
	hook.hears(t, "began database", "over database")
}

func TestWhoIsSlowToBeToldHoldsUpNobodyAndIsHeardOfLater(t *testing.T) {
	slow, hook := &listener{name: "slow", gate: make(chan struct{})}, &listener{name: "hook"}
	s := newStage(t, slow, hook)
	s.o.Slow = time.Millisecond
	s.seen = []notifier.Trouble{relay}
	other := relay
	other.Key, other.About, other.Since = "queue", "queue", s.now
	s.passes(Every)
	eventually(t, func() bool { s.passes(Every); return len(hook.all()) == 1 })
	s.seen = append(s.seen, other)
	eventually(t, func() bool { s.passes(Every); return len(hook.all()) == 2 })
	if got := slow.all(); len(got) != 0 {
		t.Errorf("slow heard %s", got)
	}
	slow.gate <- struct{}{}
	eventually(t, func() bool { s.passes(Every); return len(slow.all()) == 1 })
	eventually(t, func() bool { // it is only told of the other by a look behind that
		s.passes(Every)
		select {
		case slow.gate <- struct{}{}:
		default:
		}
		return len(slow.all()) == 2
	})
	slow.hears(t, "began relay:a:25", "began queue")
	hook.hears(t, "began relay:a:25", "began queue")
	s.asking.Wait()
}

// eventually tries until it is so; what it waits for is a goroutine's turn.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	for range 100_000 {
		if so() {
			return
		}
		runtime.Gosched()
	}
	t.Fatal("it never came")
}

func TestAReminderIsNotedAndToldOnce(t *testing.T) {
	hook := &listener{name: "hook"}
	s := newStage(t, hook)
	s.seen = []notifier.Trouble{{Key: "incident:1:x:3h", About: "incident:1", Title: "No word", Once: true}}
	s.passes(24 * time.Hour)
	hook.hears(t, "reminder incident:1")
}

func TestWhatStaffWereToldWhileTheServiceEndsIsNotedAllTheSame(t *testing.T) {
	for name, late := range map[string]bool{"as a look ends": false, "behind the last look": true} {
		hook := &listener{name: "hook", gate: make(chan struct{})}
		s := newStage(t, hook)
		s.seen = []notifier.Trouble{relay}
		ctx, end := context.WithCancel(t.Context())
		looks := 0
		s.o.Wait = func(ctx context.Context) bool {
			if looks++; looks > 1 && late {
				end()
				close(hook.gate)
			}
			return ctx.Err() == nil
		}
		if late {
			s.o.Slow = time.Millisecond
		} else {
			s.o.Near = func(context.Context) []notifier.Trouble { end(); close(hook.gate); return nil }
		}
		s.Run(ctx)
		hook.hears(t, "began relay:a:25")
		if a := s.keeps.kept[relay.Key]; a.Told.IsZero() {
			t.Errorf("%s: the next process tells it again:\n%s", name, &s.log)
		}
	}
}

func TestWordsSayWhatIsWrongSinceWhenAndWhatToDo(t *testing.T) {
	a := notifier.Alarm{Trouble: relay, Seen: time.Date(2026, 11, 23, 16, 41, 0, 0, time.UTC)}
	a.Since, a.URL = time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC), "https://status.example.com"
	if got := Text(a); got != "Relay a:25 is down.\nSince 2026-11-23 16:11 UTC.\nLook at it.\nhttps://status.example.com\n" {
		t.Errorf("%q", got)
	}
	over := a
	over.Over = true
	if got := Text(over); got != "Over: relay a:25 works again.\nIt lasted from 2026-11-23 16:11 UTC to 2026-11-23 16:41 UTC (30 min).\nhttps://status.example.com\n" {
		t.Errorf("%q", got)
	}
	if got := Subject("Fjordpost\r\nBcc: x", []notifier.Alarm{a, over}); got != "[Fjordpost Bcc: x] Relay a:25 is down, and 1 more" {
		t.Errorf("%q", got)
	}
}

func TestProgramsGetOneObjectForEachAlarmAndChatsOneText(t *testing.T) {
	a := notifier.Alarm{Trouble: relay, Seen: time.Date(2026, 11, 23, 16, 41, 0, 0, time.UTC), Over: true}
	a.Since = time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	b := notifier.Alarm{Trouble: notifier.Trouble{Key: "n", About: "notice:1", Title: `<!channel> @everyone *now* & [then](http://x)`, Since: a.Since}}
	bodies, err := Bodies(notifier.FormatStandard, "Fjordpost", []notifier.Alarm{a, b})
	if err != nil || len(bodies) != 2 {
		t.Fatalf("%d bodies, %v", len(bodies), err)
	}
	const want = `{"type":"alarm","about":"relay:a:25","state":"over","title":"Over: relay a:25 works again","text":"Over: relay a:25 works again.\nIt lasted from 2026-11-23 16:11 UTC to 2026-11-23 16:41 UTC (30 min).\n","since":"2026-11-23T16:11:00Z","over":"2026-11-23T16:41:00Z","url":null}`
	if string(bodies[0]) != want {
		t.Errorf("%s", bodies[0])
	}
	for f, bad := range map[notifier.Format][]string{
		notifier.FormatSlack:   {"<!channel>"},
		notifier.FormatDiscord: {"@everyone"},
		notifier.FormatTeams:   {"[then](", " *now*"},
	} {
		bodies, err := Bodies(f, "Fjordpost", []notifier.Alarm{a, b})
		if err != nil || len(bodies) != 1 || !json.Valid(bodies[0]) {
			t.Fatalf("%s: %q, %v", f, bodies, err)
		}
		text := text(t, bodies[0])
		if !strings.Contains(text, "Fjordpost: Over: relay a:25 works again.") || !strings.Contains(text, "then") {
			t.Errorf("%s: %s", f, text)
		}
		for _, x := range bad {
			if strings.Contains(text, x) {
				t.Errorf("%s: %q stands in %s", f, x, text)
			}
		}
	}
}

// text is the one text of a chat's message.
func text(t *testing.T, body []byte) string {
	t.Helper()
	var m struct {
		Text, Content string
		Attachments   []struct {
			Content struct{ Body []struct{ Text string } }
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	for _, a := range m.Attachments {
		m.Text += a.Content.Body[0].Text
	}
	return m.Text + m.Content
}

func TestAChatsTextStaysWithinWhatItTakes(t *testing.T) {
	var many []notifier.Alarm
	for i := range 200 {
		many = append(many, notifier.Alarm{Trouble: notifier.Trouble{Key: fmt.Sprint(i), About: "x", Title: strings.Repeat("é", 100), Since: time.Unix(1, 0)}})
	}
	bodies, err := Bodies(notifier.FormatDiscord, "Fjordpost", many)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, bodies[0]); len([]rune(got)) > 2000 || !strings.Contains(got, "more; the log of allclear names them.") {
		t.Errorf("%d characters: %s", len([]rune(got)), got)
	}
}
