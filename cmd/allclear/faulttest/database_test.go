package faulttest

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/ledgertest"
	"allclear/store/storetest"
)

// heldFrom makes the ledger hold back every mail from the from-th on until
// release is called, so that whatever is done at once when at mails were
// counted is done in the middle of sending.
func (s *site) heldFrom(at, from int) (reached <-chan struct{}, release func()) {
	s.t.Helper()
	there := make(chan struct{})
	released, release := s.barrier()
	var mu sync.Mutex
	seen := 0
	s.ledger.Before(func(ledgertest.Mail) string {
		mu.Lock()
		seen++
		n := seen
		mu.Unlock()
		if n == at {
			close(there)
		}
		if n > from {
			<-released
		}
		return ""
	})
	return there, release
}

// barrier holds up scripts of the ledger until the test lifts it, or ends.
func (s *site) barrier() (lifted <-chan struct{}, lift func()) {
	c := make(chan struct{})
	lift = sync.OnceFunc(func() { close(c) })
	s.t.Cleanup(lift)
	return c, lift
}

// insist posts the same until it is accepted, as clients are asked to.
func (s *site) insist(path, name string, body object) object {
	s.t.Helper()
	key := []string{"Idempotency-Key", "again " + word(12)}
	mark, said, err := s.post(path, name, body, key...)
	for deadline := time.Now().Add(2 * time.Minute); err != nil; {
		if time.Now().After(deadline) {
			s.t.Fatalf("POST %s is not accepted: %v", path, err)
		}
		<-time.After(50 * time.Millisecond)
		said, err = s.again(mark, path, body, key...)
	}
	return said
}

// finish waits until all that was accepted is done, like done, but for as long
// as limit: leases that must end take longer than other tests wait.
func (s *site) finish(limit time.Duration) {
	s.t.Helper()
	began := time.Now()
	for _, e := range s.events {
		for {
			state, counts, err := s.progress(e)
			if err == nil && state == string(notifier.Done) {
				break
			}
			if time.Since(began) > limit {
				s.t.Fatalf("event %s is %s after %s: %v, %v", e, state, limit, counts, err)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	s.t.Logf("all was done %s later", time.Since(began).Round(time.Millisecond))
}

func TestADatabaseServerThatCrashesAgainAndAgainMidSendLosesNobody(t *testing.T) {
	t.Parallel()
	const n = 1500
	random := dice(t)
	server := storetest.NewServer(t)
	s := newSite(t, server.DSN(), n)
	s.serve()
	s.worker()
	for range rounds(t, 3) {
		before := s.ledger.Count()
		at := 1 + random.IntN(n-200)
		reached, release := s.heldFrom(at, at+100)
		s.insist("/incidents", "", object{"title": "Mail is late", "severity": "major"})
		wait(t, reached)
		server.Crash()
		server.Start()
		release()
		s.ledger.Wait(before + n)
	}
	s.finish(3 * time.Minute)
	s.check()
}

func TestConnectionsToTheDatabaseThatAreCutAllTheTimeLoseNobody(t *testing.T) {
	t.Parallel()
	const n = 3000
	server := storetest.NewServer(t)
	s := newSite(t, server.DSN(), n)
	s.slowly(10 * time.Millisecond)
	s.serve()
	s.worker()
	i := s.open()
	s.ledger.Wait(1)
	cut := 0
	for round := 0; s.ledger.Count() < n && round < 50; round++ {
		cut += severed(t, server)
		<-time.After(50 * time.Millisecond)
		if round == 10 {
			s.insist("/incidents/"+i.id+"/updates", i.name, object{"status": "identified"})
		}
	}
	if cut == 0 {
		t.Error("no connection was cut while mails were sent: the test is blind")
	}
	t.Logf("%d connections were cut", cut)
	s.finish(3 * time.Minute)
	s.check()
}

// severed ends every connection to a server's database and says how many those were.
func severed(t *testing.T, server *storetest.Server) (n int) {
	t.Helper()
	const others = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'allclear' AND backend_type = 'client backend' AND pid <> pg_backend_pid()`
	db, err := sql.Open("pgx", server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), others).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// sound asks SQLite whether its file is whole.
func (s *site) sound() {
	s.t.Helper()
	var said string
	if err := storetest.SQL(s.t, s.dsn).QueryRowContext(s.t.Context(), `PRAGMA integrity_check`).Scan(&said); err != nil || said != "ok" {
		s.t.Errorf("integrity_check: %s, %v", said, err)
	}
}

// fill takes all the room there is, and returns what gives it back.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	name := filepath.Join(dir, "other")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	_ = f.Close()
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

func TestAFullDiskRefusesNewWorkAndLosesNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ journalToo, kill bool }{
		"of the database":                                {},
		"of database and journal":                        {journalToo: true},
		"of database and journal, and then it is killed": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 1500
			disk := smallDisk(t, "16m")
			s := newSite(t, filepath.Join(disk, "allclear.db"), n)
			if c.journalToo {
				s.state = filepath.Join(disk, "state")
			}
			reached, release := s.heldFrom(n/3, n/3+50)
			p := s.serve()
			i := s.open()
			wait(t, reached)
			empty := fill(t, disk)
			release()
			// Whoever writes next says so: the database, or a journal that stops the sending
			// before the database has anything to write that does not fit into its log.
			eventually(t, "serve says that the disk is full", func() bool {
				return p.log.has("disk is full") || c.journalToo && p.log.has("nothing is sent until acknowledgements can be written down")
			})
			// A post or two may fit into what the file holds already.
			var err error
			var mark string
			body, key := object{"title": "The disk is full", "severity": "major"}, ""
			for err == nil {
				key = word(12)
				mark, _, err = s.post("/incidents", "", body, "Idempotency-Key", key)
			}
			t.Logf("refused with %v", err)
			if p.ended() {
				t.Fatalf("it ended:\n%s", p.log)
			}
			if c.kill {
				s.killed(p)
			}
			empty()
			if c.kill {
				s.serve()
			}
			eventually(t, "what was refused is accepted", func() bool {
				_, err := s.again(mark, "/incidents", body, "Idempotency-Key", key)
				return err == nil
			})
			s.update(i, "resolved")
			s.finish(3 * time.Minute)
			s.check()
			s.sound()
		})
	}
}

// has reports whether a log holds a text.
func (l *tail) has(text string) bool { return strings.Contains(l.String(), text) }
