package faulttest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"allclear/notifier/ledgertest"
	"allclear/store/storetest"
)

// every lists the places at which a fault strikes in turn: the first few all,
// then ever fewer, so that a long series stays affordable; all of them where
// ALLCLEAR_TEST_ROUNDS asks for many rounds.
func every(t *testing.T, few int) func(yield func(n int) bool) {
	step := 1
	return func(yield func(n int) bool) {
		for n := 1; yield(n); n += step {
			if rounds(t, few) <= few {
				step = max(1, n/few)
			}
		}
	}
}

// atEvery tells a small incident over and over, killed at the first, second,
// third ... place, until the place is not reached any more. strike starts the
// program so that it dies at place n; calm, if set, ends that.
func (s *site) atEvery(few int, strike func(n int) (*process, error), calm func()) {
	s.t.Helper()
	killed, missed := 0, 0
	var open []string
	for n := range every(s.t, few) {
		if n > 60 && rounds(s.t, few) <= few {
			break // what runs by itself goes on for ever: leases, looks for work
		}
		p, err := strike(n)
		if err == nil {
			if mark := s.tell(p); mark != "" {
				open = append(open, mark)
			}
		}
		if p.died() {
			s.doubts += connections
			killed, missed = killed+1, 0
			continue
		}
		if err != nil {
			s.t.Fatalf("place %d: %v\n%s", n, err, p.log)
		}
		s.killed(p)
		if missed++; missed == 3 { // threads take turns, so one miss says nothing
			break
		}
	}
	if killed < 3 {
		s.t.Errorf("killed at %d places: the test is blind", killed)
	}
	if calm != nil {
		calm()
	}
	s.serve()
	for _, mark := range open {
		s.clear(mark)
	}
	s.t.Logf("killed at %d places, %d openings without an answer", killed, len(open))
	s.done()
	s.check()
}

// tell opens an incident and resolves it, as far as p lives. It returns the
// mark of an opening that had no answer. A resolution without one stays so in
// the ledger: all of it or nothing.
func (s *site) tell(p *process) (open string) {
	s.t.Helper()
	mark, said, err := s.post("/incidents", "", object{"title": ""})
	if err != nil {
		wait(s.t, p.gone) // it broke because it died
		return mark
	}
	if s.through(p, said.text("event_id")); p.ended() {
		return ""
	}
	_, said, err = s.post("/incidents/"+said.text("id")+"/updates", mark, object{"status": "resolved"})
	if err != nil {
		wait(s.t, p.gone)
		return ""
	}
	s.through(p, said.text("event_id"))
	return ""
}

func TestKilledAtEveryFsyncNobodyIsSkipped(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.DSN(t, "sqlite"), 12)
	s.atEvery(15, func(n int) (*process, error) {
		return s.start(strace(t, os.DevNull, "fsync,fdatasync", fmt.Sprintf("signal=KILL:when=%d", n)))
	}, nil)
}

func TestKilledAtEveryWriteNobodyIsSkipped(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.DSN(t, "sqlite"), 12)
	s.atEvery(6, func(n int) (*process, error) {
		return s.start(strace(t, os.DevNull, "pwrite64", fmt.Sprintf("signal=KILL:when=%d", n)))
	}, nil)
}

// PostgreSQL commits when a message arrives, and the program knows when the
// answer does. Between the two lies the doubt.
func TestKilledAtEveryCommitNobodyIsSkipped(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"before it arrives": false, "before its answer arrives": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, storetest.DSN(t, "postgres"), 12)
			x := newCommitProxy(t, s.dsn)
			s.dsn = x.dsn
			s.atEvery(6, func(n int) (*process, error) {
				return s.start(launch{command: "serve", started: func(p *process) { x.arm(n, after, p) }})
			}, func() { x.arm(0, false, nil) })
		})
	}
}

// After a failed fsync nobody knows what is on the disk: the kernel may have
// thrown away what it could not write and say "done" the next time. So nothing
// may be acknowledged on the strength of the next try. The machine dies behind
// each failure, which takes along all that was not synced: an fsync whose error
// is ignored would be seen as an incident that is gone.
func TestAfterAFailedFsyncNothingIsAcknowledgedThatIsNotDurable(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 12)
	struck, refused := 0, 0
	for n := range every(t, 8) {
		if n > 40 || n > 8 && rounds(t, 8) <= 8 {
			break
		}
		for name, when := range map[string]string{"once": fmt.Sprint(n), "for good": fmt.Sprintf("%d+", n)} {
			record := filepath.Join(t.TempDir(), "calls")
			failing := strace(t, record, "fsync,fdatasync", "error=EIO:when="+when)
			if name == "for good" { // of the database alone: else it would not even start
				failing.before = append(failing.before, "-P", m.dsn, "-P", m.dsn+"-wal")
			}
			before := m.ledger.Count()
			p, err := m.start(failing)
			if err != nil {
				p.kill()
				p = m.serve()
			}
			// The client asks until it is told that the incident stands.
			key := []string{"Idempotency-Key", fmt.Sprintf("disk %s, %d", name, n)}
			mark, said, err := m.post("/incidents", "", object{"title": ""}, key...)
			for try := 0; err != nil; try++ {
				refused++
				if name == "for good" {
					m.lose(p)
				}
				if p.ended() {
					p = m.serve()
				}
				if try == 50 {
					t.Fatalf("fsync %s: never accepted: %v\n%s", when, err, p.log)
				}
				said, err = m.again(mark, "/incidents", object{"title": mark, "body": text(mark)}, key...)
			}
			if name == "once" && n%2 == 0 { // else it goes down with everything still to do
				m.through(p, said.text("event_id"))
			}
			if injected(t, record) {
				struck++
			}
			m.lose(p)
			m.doubts += m.ledger.Count() - before + connections
		}
	}
	if struck == 0 || refused == 0 {
		t.Errorf("fsync failed in %d runs, and %d answers were refusals: the test is blind", struck, refused)
	}
	p := m.serve()
	for _, mark := range m.marks {
		if ids := m.find(mark); len(ids) != 1 {
			t.Errorf("asked under one key until it stood, there are %d incidents", len(ids))
		}
	}
	t.Logf("fsync failed in %d runs; %d answers were refusals", struck, refused)
	m.done()
	m.ledger.Check(t, ledgertest.Faults{Doubts: m.doubts, Anywhere: true, Counts: m.counts})
	p.stop()
	whole(t, m.dsn)
}

// whole asks SQLite itself whether the file is sound.
func whole(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	rows, err := storetest.SQL(t, path).Query(`PRAGMA integrity_check`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var said []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		said = append(said, line)
	}
	if err := rows.Err(); err != nil || !slices.Equal(said, []string{"ok"}) {
		t.Errorf("integrity_check: %v, %v", said, err)
	}
}
