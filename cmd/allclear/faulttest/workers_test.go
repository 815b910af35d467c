package faulttest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier/ledgertest"
	"allclear/store/storetest"
)

// leaseEnds is how long a test waits for what comes after the end of a lease.
const leaseEnds = 4 * time.Minute

// atOnce runs tests side by side, for those that mostly wait.
func atOnce(t *testing.T, tests map[string]func(t *testing.T)) {
	t.Parallel()
	var running sync.WaitGroup
	for name, test := range tests {
		running.Go(func() { t.Run(name, test) })
	}
	running.Wait()
}

// These wait for the end of a lease, all at the same time.
func TestALeaseEndsAndNobodyIsSkippedOrToldTwice(t *testing.T) {
	atOnce(t, map[string]func(t *testing.T){
		"a worker is killed and does not come back":              killedWorker,
		"a worker is frozen for longer than its lease":           frozenWorker,
		"the answer to a claim is lost":                          lostClaim,
		"another process keeps the file to itself for that long": lockedFile,
	})
}

// shared starts serve and a worker on one PostgreSQL and an incident to n
// readers, and returns in the middle of sending, with every connection of both
// in the middle of a mail, once all that was acknowledged is settled.
func shared(t *testing.T, n int) (s *site, w *process, release func()) {
	t.Helper()
	s = newSite(t, storetest.DSN(t, "postgres"), n)
	var reached <-chan struct{}
	reached, release = s.heldBehind(2, 2*connections-2)
	s.serve()
	w = s.worker()
	s.open()
	wait(t, reached)
	eventually(t, "what was acknowledged is settled", func() bool {
		_, counts, err := s.progress(s.events[0])
		return err == nil && counts["sent"] == int64(acknowledged(s.ledger))
	})
	return s, w, release
}

// heldBehind makes the ledger take some mails of every connection and hold back
// the next until release is called; reached is closed when so many connections
// are held, and from then on every mail is: those of a connection that came late
// would be acknowledged behind everybody's back. However quick one process is, it cannot have taken the other's share:
// it claims no more than it was seen to send.
func (s *site) heldBehind(mails, connections int) (reached <-chan struct{}, release func()) {
	there := make(chan struct{})
	released, release := s.barrier()
	var held atomic.Int64
	s.ledger.Before(func(m ledgertest.Mail) string {
		if m.Nth > mails || held.Load() >= int64(connections) {
			if held.Add(1) == int64(connections) {
				close(there)
			}
			<-released
		}
		return ""
	})
	return there, release
}

// acknowledged is how many mails the ledger has answered for.
func acknowledged(l *ledgertest.Ledger) (n int) {
	for _, m := range l.Mails() {
		if m.Answer != "" {
			n++
		}
	}
	return n
}

func killedWorker(t *testing.T) {
	s, w, release := shared(t, 1500)
	s.killed(w)
	release()
	s.finish(leaseEnds)
	s.check()
}

func frozenWorker(t *testing.T) {
	s, w, release := shared(t, 1500)
	w.freeze()
	_, counts, err := s.progress(s.events[0])
	if err != nil {
		t.Fatal(err)
	}
	// What it had on the wire, and what a connection that came late, when the
	// others were held already, had taken and the worker had not settled.
	s.doubts += connections + max(acknowledged(s.ledger)-int(counts["sent"]), 0)
	release()
	s.finish(leaseEnds)
	before := s.ledger.Count()
	w.thaw()
	// It wakes with claims that are another's by now, and with answers for what
	// was on the wire. Its orderly end settles what it takes for its own.
	<-time.After(2 * time.Second)
	w.stop()
	if n := s.ledger.Count() - before; n > 0 {
		t.Errorf("the one that was frozen sent %d mails of what others had sent", n)
	}
	s.open()
	s.finish(leaseEnds)
	s.check()
}

// lostClaim: the database has given deliveries to a worker that does not know.
func lostClaim(t *testing.T) {
	s := newSite(t, storetest.DSN(t, "postgres"), 24)
	direct := s.dsn
	x := newCommitProxy(t, direct)
	s.dsn = x.dsn
	p := s.serve()
	lost := x.loseClaim()
	s.open()
	wait(t, lost)
	var given int
	var until int64
	if err := storetest.SQL(t, direct).QueryRowContext(t.Context(), `SELECT count(*), coalesce(max(lease_until), 0) FROM deliveries WHERE state = 'sending'`).Scan(&given, &until); err != nil {
		t.Fatal(err)
	}
	s.finish(leaseEnds)
	s.check() // nobody was told twice
	waited := 0
	for _, m := range s.ledger.Mails() {
		if m.At.After(time.UnixMicro(until)) {
			waited++
		}
	}
	if given == 0 || waited < given || p.ended() {
		t.Errorf("%d were given to a worker without its knowing, and %d mails waited for the end of the lease", given, waited)
	}
}

func lockedFile(t *testing.T) {
	const n = 1500
	s := newSite(t, storetest.DSN(t, "sqlite"), n)
	reached, release := s.heldFrom(n/3, 2*n/3)
	p := s.serve()
	i := s.open()
	wait(t, reached)
	ctx := t.Context()
	other, err := storetest.SQL(t, s.dsn).Conn(ctx) // serve is another process than this test
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(ctx, `BEGIN EXCLUSIVE`); err != nil {
		t.Fatal(err)
	}
	release()
	<-time.After(70 * time.Second)
	if !p.log.has("database is locked") {
		t.Errorf("nobody was told that the file is locked:\n%s", p.log)
	}
	if _, err := other.ExecContext(ctx, `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	s.update(i, "resolved")
	s.finish(leaseEnds)
	s.check()
	s.sound()
}
