package faulttest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/ledgertest"
	"allclear/store"
	"allclear/store/storetest"
)

// upTo lets a random time pass, up to most.
func upTo(random *rand.Rand, most time.Duration) {
	<-time.After(time.Duration(random.Int64N(int64(most))))
}

// slowly makes the relay take its time, so that kills land in the middle.
func (s *site) slowly(each time.Duration) {
	s.ledger.Before(func(ledgertest.Mail) string { <-time.After(each); return "" })
}

// Around the moment of the answer there are two truths: what the client saw, and
// what the database has. Whoever saw the 201 is not lied to; whoever did not can
// ask again under the same key, and there is one incident.
func TestKilledAroundTheAnswerAnIncidentIsThereOnceOrNotAtAll(t *testing.T) {
	t.Parallel()
	onBoth(t, 12, func(t *testing.T, s *site) {
		random := dice(t)
		type answer struct {
			mark string
			said object
			err  error
		}
		seen, lost := 0, 0
		p := s.serve()
		for n := range rounds(t, 20) {
			key := fmt.Sprintf("round-%d", n)
			answered := make(chan answer, 1)
			go func() {
				mark, said, err := s.post("/incidents", "", object{"title": ""}, "Idempotency-Key", key)
				answered <- answer{mark, said, err}
			}()
			// Half of the time around the commit itself, which is early.
			upTo(random, []time.Duration{150 * time.Millisecond, 15 * time.Millisecond}[random.IntN(2)])
			s.killed(p)
			first := <-answered
			p = s.serve()
			if first.err == nil {
				seen++
			} else {
				lost++
			}
			if random.IntN(2) == 0 { // the client asks again
				said, err := s.again(first.mark, "/incidents", object{"title": first.mark, "body": text(first.mark)}, "Idempotency-Key", key)
				if err != nil {
					t.Fatalf("asked again: %v", err)
				}
				if first.err == nil && said.text("event_id") != first.said.text("event_id") {
					t.Errorf("asked again, it is event %s; it was %s", said.text("event_id"), first.said.text("event_id"))
				}
				if ids := s.find(first.mark); len(ids) != 1 {
					t.Errorf("asked twice under one key, there are %d incidents", len(ids))
				}
			} else if first.err != nil {
				s.clear(first.mark)
			}
		}
		t.Logf("%d clients saw their answer, %d did not", seen, lost)
		s.done()
		s.check()
	})
}

func TestKilledInTheMiddleOfSendingNobodyIsSkippedAndHardlyAnyoneToldTwice(t *testing.T) {
	t.Parallel()
	onBoth(t, 1500, func(t *testing.T, s *site) {
		const n = 1500
		reached := make(chan struct{})
		killed, release := s.barrier()
		var once sync.Once
		s.ledger.Before(func(ledgertest.Mail) string {
			switch count := s.ledger.Count(); {
			case count >= 2*n/3: // however late the kill comes, it is in the middle
				<-killed
			case count >= n/3:
				once.Do(func() { close(reached) })
			}
			return ""
		})
		p := s.serve()
		s.open()
		wait(t, reached)
		s.killed(p)
		t.Logf("killed after %d mails", s.ledger.Count())
		release()
		s.serve()
		s.done()
		s.check()
	})
}

func TestKilledInTheMiddleOfAFanOutNobodyIsSkippedAndHardlyAnyoneToldTwice(t *testing.T) {
	t.Parallel()
	onBoth(t, 4500, func(t *testing.T, s *site) {
		const n = 4500
		db := storetest.At(t, s.dsn)()
		for try := 1; ; try++ {
			p := s.serve()
			s.open()
			event := s.events[len(s.events)-1]
			caught := s.killInFanOut(db, p, event, n)
			s.serve()
			s.done()
			if caught {
				break
			}
			// The fan-out was quicker than this test.
			if try == 5 {
				t.Fatal("the fan-out was over before the kill, five times; give this test more readers")
			}
			s.processes[len(s.processes)-1].kill()
		}
		s.check()
	})
}

// killInFanOut kills p as soon as some deliveries of event are made, and
// reports whether that was before the last of them.
func (s *site) killInFanOut(db *store.Store, p *process, event string, n int64) bool {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		at, err := db.Progress(s.t.Context(), event)
		if err != nil {
			s.t.Fatal(err)
		}
		if at.Total == 0 {
			continue
		}
		s.killed(p)
		if at, err = db.Progress(s.t.Context(), event); err != nil {
			s.t.Fatal(err)
		}
		s.t.Logf("killed with %d of %d deliveries made", at.Total, n)
		return at.Total < n && at.State() == notifier.Expanding
	}
	s.t.Fatal("no delivery was made")
	return false
}

func TestSIGTERMSettlesWhatIsInFlightAndLeavesTheRestForTheNext(t *testing.T) {
	t.Parallel()
	onBoth(t, 200, func(t *testing.T, s *site) {
		blocked := make(chan struct{})
		released, release := s.barrier()
		var once sync.Once
		s.ledger.Before(func(ledgertest.Mail) string {
			if s.ledger.Count() > 20 {
				once.Do(func() { close(blocked) })
				<-released
			}
			return ""
		})
		p := s.serve()
		s.open()
		wait(t, blocked)
		if status, _ := s.get("/readyz"); status != http.StatusOK {
			t.Errorf("readyz before: %d", status)
		}
		p.signal(syscall.SIGTERM)
		eventually(t, "readyz says draining while mails are in flight", func() bool {
			status, body := s.get("/readyz")
			return status == http.StatusServiceUnavailable && strings.TrimSpace(body) == "draining"
		})
		release()
		wait(t, p.gone)
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			t.Fatalf("exit %d\n%s", code, p.log)
		}
		at, err := storetest.At(t, s.dsn)().Progress(t.Context(), s.events[0])
		if err != nil {
			t.Fatal(err)
		}
		out := s.ledger.Count()
		if got := at.Counts[notifier.Sent]; got != int64(out) || at.Counts[notifier.Sending] != 0 {
			t.Fatalf("%d mails were taken, counts %v: want all of them settled and every lease released", out, at.Counts)
		}
		if out == 200 {
			t.Fatal("the drain sent everything; it must not claim anew")
		}
		s.serve()
		s.done()
		s.check() // without a single repeat
	})
}

func TestASecondSignalEndsTheProcessAtOnceAndLosesNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.DSN(t, "sqlite"), 20)
	blocked := make(chan struct{})
	released, release := s.barrier()
	var once sync.Once
	s.ledger.Before(func(ledgertest.Mail) string { once.Do(func() { close(blocked) }); <-released; return "" })
	p := s.serve()
	s.open()
	wait(t, blocked)
	p.signal(syscall.SIGTERM)
	eventually(t, "it drains", func() bool { return strings.Contains(p.log.String(), "draining") })
	// It says so a moment before signals have their usual effect again.
	eventually(t, "a second signal ends it", func() bool {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // that it is gone already is what is wanted
		select {
		case <-p.gone:
			return true
		default:
			return false
		}
	})
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Errorf("it ended with %v, not by the signal", p.cmd.ProcessState)
	}
	s.doubts += connections
	release()
	s.serve()
	s.done()
	s.check()
}
