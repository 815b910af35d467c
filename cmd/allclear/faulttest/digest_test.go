package faulttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/ledgertest"
	"allclear/store"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// digestZones are where the readers of digests live; "" is the service's.
var digestZones = []string{
	"", "Europe/Berlin", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "Africa/Cairo", "Asia/Kathmandu", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia", "Pacific/Kiritimati",
}

// gazette is what readers of digests are to get, by a model that knows nothing
// but who wants what: the clocks on their walls, and a list of what happened.
type gazette struct {
	t       *testing.T
	now     time.Time
	events  []happening
	readers map[string]*gazetteer // by address
	told    int                   // readers who want something of what happened
}

type happening struct {
	number     int64
	mark       string // of its incident, in its title
	severity   notifier.Severity
	components []string
}

type gazetteer struct {
	subscribers.Subscriber
	day    string // of the digest that is due, by the clock on their wall
	missed int
}

// wants says whether an event is for a reader.
func (g *gazetteer) wants(e happening) bool {
	shared := func(key string) bool { return slices.Contains(e.components, key) }
	return len(g.Filter.Kinds) == 0 && e.severity >= g.Filter.Severity &&
		(len(g.Filter.Components) == 0 || len(e.components) == 0 || slices.ContainsFunc(g.Filter.Components, shared))
}

// newGazette adds n readers to a site, two days ago, and then what they missed. The
// digests of all fell due some hours ago, and the next are many hours away.
func newGazette(s *site, n int) *gazette {
	s.t.Helper()
	g := &gazette{t: s.t, now: time.Now(), readers: map[string]*gazetteer{}}
	past := g.now.Add(-50 * time.Hour)
	db := storetest.At(s.t, s.dsn)(storetest.Clock(func() time.Time { return past }))
	defer func() { _ = db.Close() }()
	for _, key := range []string{"web", "imap7"} {
		g.must(db.AddComponent(s.t.Context(), notifier.Component{Key: key, Name: key, State: notifier.Operational}))
	}
	for from := 0; from < n; from += 600 {
		var batch []subscribers.Subscriber
		for i := from; i < min(from+600, n); i++ {
			batch = append(batch, g.reader(i, past))
		}
		if _, errs, err := db.ImportSubscribers(s.t.Context(), batch, nil); err != nil || slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
			s.t.Fatalf("add readers: %v, %v", err, errs)
		}
	}
	past = g.now.Add(-40 * time.Hour)
	for i := range 9 {
		g.happens(s, db, i)
	}
	var known []ledgertest.Reader
	for _, r := range g.readers {
		local, _, _ := strings.Cut(r.Address, "@")
		known = append(known, ledgertest.Reader{Address: r.Address, Words: []string{local}})
		if len(g.wanted(r)) > 0 {
			g.told++
		}
	}
	s.ledger = ledgertest.Open(s.t, known)
	for _, e := range g.events {
		if e.mark == "" { // of an incident that is known
			continue
		}
		var without []string
		for _, r := range g.readers {
			if !r.wants(e) {
				without = append(without, r.Address)
			}
		}
		s.ledger.Says(e.mark, e.mark, without...)
		s.ledger.Accepted(e.mark, "")
	}
	return g
}

func (g *gazette) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// reader is the i-th reader: of five schedules in each zone, with filters of all kinds.
func (g *gazette) reader(i int, since time.Time) subscribers.Subscriber {
	zone, turn := digestZones[i%len(digestZones)], i/len(digestZones)
	place, err := time.LoadLocation(zone) // "" is UTC
	g.must(err)
	due := g.now.Add(-time.Duration(3+turn%3) * time.Hour).In(place)
	hour, err := subscribers.HourOf(due.Hour())
	g.must(err)
	r := &gazetteer{day: due.Format(time.DateOnly), missed: 1, Subscriber: subscribers.Subscriber{
		Channel: notifier.Email, Address: fmt.Sprintf("stork%05d%s@example.com", i, word(6)), State: subscribers.Active, Cadence: subscribers.Daily, Timezone: zone, Hour: hour,
		CreatedAt: since, ConfirmedAt: since,
	}}
	if turn%5 > 2 {
		r.Cadence, r.Weekday, r.missed = subscribers.Weekly, subscribers.Weekdays[(due.Weekday()+6)%7], 0
	}
	if zone == "" && turn%3 == 0 {
		r.Hour = 0 // the service's, which is the same
	}
	switch i % 7 {
	case 1:
		r.Filter.Severity = notifier.SeverityMajor
	case 2:
		r.Filter.Components = []string{"web"}
	case 3:
		r.Filter.Components, r.Filter.Severity = []string{"imap7"}, notifier.SeverityCritical
	case 4:
		r.Filter.Kinds = []notifier.Kind{notifier.KindPost} // and nobody posts one
	}
	g.readers[r.Address] = r
	return r.Subscriber
}

// happens opens the i-th incident, and resolves every third.
func (g *gazette) happens(s *site, db *store.Store, i int) {
	e := happening{mark: s.mark(), severity: []notifier.Severity{notifier.SeverityMinor, notifier.SeverityMajor, notifier.SeverityCritical}[i%3]}
	e.components = [][]string{nil, {"web"}, {"imap7"}, {"web", "imap7"}}[i%4]
	desk := notifier.Desk{Now: db.Now(), Zone: time.UTC, NewID: func() string { return word(12) }}
	p, err := notifier.Open(notifier.Announcement{Title: "About " + e.mark + " only", Severity: e.severity, Components: e.components, Status: notifier.Investigating}, desk)
	g.must(err)
	p, err = db.OpenIncident(g.t.Context(), p)
	g.must(err)
	e.number = p.Event.Number
	g.events = append(g.events, e)
	if i%3 > 0 {
		return
	}
	p, err = db.ReviseIncident(g.t.Context(), p.Incident.ID, func(is notifier.Incident) (notifier.Posting, error) {
		return is.Say(notifier.Saying{Status: notifier.Resolved, Body: "It is over."}, desk)
	})
	g.must(err)
	e.number, e.mark = p.Event.Number, ""
	g.events = append(g.events, e)
}

// wanted are the events that a reader's digest tells, as the database lists them.
func (g *gazette) wanted(r *gazetteer) string {
	var out []string
	for _, e := range g.events {
		if r.wants(e) {
			out = append(out, strconv.FormatInt(e.number, 10))
		}
	}
	return strings.Join(out, ",")
}

// count asks the database for one number.
func (g *gazette) count(dsn, query string) (n int) {
	g.t.Helper()
	g.must(storetest.SQL(g.t, dsn).QueryRowContext(g.t.Context(), query).Scan(&n))
	return n
}

// check compares what is written down with the model.
func (g *gazette) check(s *site) {
	g.t.Helper()
	rows, err := storetest.SQL(g.t, s.dsn).QueryContext(g.t.Context(), `SELECT u.address, c.cursor, c.day, coalesce(t.items, ''), coalesce(d.day, ''), coalesce(d.missed, 0), coalesce(v.state, '')
		FROM subscribers AS u JOIN digest_cursors AS c ON c.subscriber = u.number LEFT JOIN digest_readers AS r ON r.reader = u.number
		LEFT JOIN digest_contents AS t ON t.event_number = r.event_number AND t.place = r.place LEFT JOIN digests AS d ON d.event_number = r.event_number
		LEFT JOIN deliveries AS v ON v.id = r.event_number * 4294967296 + r.reader`)
	g.must(err)
	defer func() { _ = rows.Close() }()
	seen := 0
	last := g.events[len(g.events)-1].number
	for rows.Next() {
		var cursor int64
		var address, on, items, day, state string
		var missed int
		g.must(rows.Scan(&address, &cursor, &on, &items, &day, &missed, &state))
		r := g.readers[address]
		want := g.wanted(r)
		switch seen++; {
		case cursor < last:
			g.t.Errorf("the cursor of %s (%+v) is at %d, and %d happened", r.Address, r.Schedule(), cursor, last)
		case items != want:
			g.t.Errorf("the digest of %s (%+v) tells %q, want %q", r.Address, r.Schedule(), items, want)
		case want != "" && (day != r.day || on != r.day || missed != r.missed || state != string(notifier.Sent)):
			g.t.Errorf("the digest of %s (%+v) is of %q, %d missed, noted as %q, %s; want %q, %d, sent", r.Address, r.Schedule(), day, missed, on, state, r.day, r.missed)
		}
	}
	g.must(rows.Err())
	if seen != len(g.readers) { // more: somebody has two digests
		g.t.Errorf("%d digests of %d readers", seen, len(g.readers))
	}
	if n := g.count(s.dsn, `SELECT count(*) FROM deliveries`); n != g.told {
		g.t.Errorf("%d deliveries, want %d", n, g.told)
	}
	opened := slices.DeleteFunc(slices.Clone(g.events), func(e happening) bool { return e.mark == "" })
	for i, m := range s.ledger.Mails() {
		var want []int
		for n, e := range opened {
			if r := g.readers[m.To]; r != nil && r.wants(e) {
				want = append(want, n)
			}
		}
		if !slices.Equal(m.Marks, want) {
			g.t.Errorf("mail %d to %s tells of incidents %v, want %v", i, m.To, m.Marks, want)
		}
	}
	s.check()
}

// fleet is the processes of a site, which come back as what they were.
type fleet struct {
	s       *site
	start   []func() *process
	running []*process
}

func newFleet(s *site, worker bool, env string) *fleet {
	f := &fleet{s: s, start: []func() *process{func() *process { return s.serve(env) }}}
	if worker {
		state := "ALLCLEAR_STATE=" + s.t.TempDir()
		f.start = append(f.start, func() *process { return s.worker(env, state) })
	}
	for _, start := range f.start {
		f.running = append(f.running, start())
	}
	return f
}

// strike kills the first of them, all at once as far as that is possible, looks
// at what they left, and starts them again.
func (f *fleet) strike(most int, look func()) {
	most = min(most, len(f.running))
	for _, p := range f.running[:most] {
		f.s.killed(p)
	}
	look()
	for i := range f.running[:most] {
		f.running[i] = f.start[i]()
	}
}

func TestKilledWhileDigestsArePlannedMadeAndSentEverybodyGetsTheirsAndOnlyOnce(t *testing.T) {
	t.Parallel()
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			const n = 2400
			random := dice(t)
			s := newSite(t, storetest.DSN(t, dialect), 0)
			g := newGazette(s, n)
			sending := make(chan struct{})
			killed, release := s.barrier()
			var once sync.Once
			s.ledger.Before(func(ledgertest.Mail) string {
				if s.ledger.Count() > g.told/3 { // however late the last kill comes, it is in the middle
					once.Do(func() { close(sending) })
					<-killed
				}
				return ""
			})
			f := newFleet(s, dialect == "postgres", fmt.Sprintf("ALLCLEAR_DIGEST_HOUR=%d", g.now.UTC().Add(-3*time.Hour).Hour()))
			const made = `SELECT count(*) FROM digest_readers`
			caught := 0
			for _, c := range []struct {
				what, query string
				from        int
			}{
				{"planned schedules", `SELECT count(*) FROM digest_runs WHERE planned <> ''`, 1},
				{"digests", made, 1 + random.IntN(g.told/3)},
				{"digests", made, g.told/3 + random.IntN(g.told/3)},
			} {
				eventually(t, c.what, func() bool { return g.count(s.dsn, c.query) >= c.from })
				f.strike(2, func() {
					at := g.count(s.dsn, made)
					t.Logf("killed with %d schedules planned, %d of %d digests made and %d mails sent",
						g.count(s.dsn, `SELECT count(*) FROM digest_runs WHERE planned <> ''`), at, g.told, s.ledger.Count())
					if at > 0 && at < g.told {
						caught++
					}
				})
			}
			if caught == 0 {
				t.Error("all digests were made before a kill: the test is blind; give it more readers")
			}
			wait(t, sending)
			f.strike(1, release) // where there are two, the other one goes on
			eventually(t, "all digests are made and sent", func() bool {
				return g.count(s.dsn, `SELECT (SELECT count(*) FROM digest_runs WHERE planned = '' OR up_to > 0) + (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending', 'held'))`) == 0 &&
					g.count(s.dsn, made) >= g.told
			})
			g.check(s)
		})
	}
}
