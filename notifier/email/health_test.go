package email

import (
	"errors"
	"slices"
	"testing"
	"time"

	"allclear/notifier"
)

func newHealth(most int32, c *clock, w *watch) *health {
	h := &health{
		name: "r", breaker: Breaker{Failures: 5, First: time.Hour, Longest: 3 * time.Hour, Growth: 10 * time.Second}, most: most, reserved: true,
		now: c.now, dice: func() float64 { return 0.5 }, observer: w, changed: newBroadcast(), probe: make(chan struct{}, 1),
	}
	h.limit.Store(most)
	return h
}

func sign(stage string) *notifier.SendError {
	return broken("r", stage, errors.New("refused"))
}

func TestASignOfTroubleHalvesTheConnectionsAtMostOnceASecond(t *testing.T) {
	c := newClock()
	h := newHealth(7, c, newWatch())
	for range 3 { // one burst
		h.trouble(sign(stageMail))
	}
	if got := h.limit.Load(); got != 3 {
		t.Fatalf("after one burst %d connections may work; want 3", got)
	}
	c.forward(time.Second)
	h.trouble(sign(stageMail))
	if got := h.limit.Load(); got != 1 {
		t.Fatalf("after the second burst %d; want 1", got)
	}
	if !h.allows(0) || !h.allows(1) || h.allows(2) {
		t.Error("the reserved connection and one other must go on, and no more")
	}
}

func TestConnectionsGrowSlowlyAfterTrouble(t *testing.T) {
	c := newClock()
	h := newHealth(4, c, newWatch())
	h.trouble(sign(stageDot))
	var seen []int32
	for range 35 {
		c.forward(time.Second)
		for range 100 {
			h.success()
		}
		seen = append(seen, h.limit.Load())
	}
	want := append(append(slices.Repeat([]int32{2}, 9), slices.Repeat([]int32{3}, 10)...), slices.Repeat([]int32{4}, 16)...)
	if !slices.Equal(seen, want) {
		t.Errorf("second by second %v; want %v", seen, want)
	}
}

func TestAClockThatIsSetBackDoesNotStopTheGrowth(t *testing.T) {
	c := newClock()
	h := newHealth(4, c, newWatch())
	h.trouble(sign(stageDot))
	c.forward(-24 * time.Hour)
	h.success()
	if got := h.limit.Load(); got != 3 {
		t.Errorf("%d connections may work; want 3", got)
	}
}

func TestTroubleUponTroubleLetsTheRelayRest(t *testing.T) {
	h := newHealth(4, newClock(), newWatch())
	defer h.stop()
	for range 4 {
		h.trouble(sign(stageMail))
	}
	h.success()
	for range 4 {
		h.trouble(sign(stageMail))
	}
	if h.State() != RelayWorking {
		t.Fatal("a success between did not count")
	}
	h.trouble(sign(stageMail))
	if h.State() != RelayResting {
		t.Fatal("five signs in a row did not let it rest")
	}
}

func TestEachRestIsTwiceAsLongUpToALimit(t *testing.T) {
	c := newClock()
	h := newHealth(4, c, newWatch())
	defer h.stop()
	for n, want := range []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour, 3 * time.Hour} {
		h.unreachable(sign(stageDial), n > 0)
		h.unreachable(sign(stageDial), false) // what others find meanwhile changes nothing
		h.trouble(sign(stageMail))
		if got := h.status().RetryAt.Sub(c.now()); got != want {
			t.Fatalf("rest %d is %s; want %s", n+1, got, want)
		}
		c.forward(want)
	}
	h.tryOut()
	if h.State() != RelayTrying {
		t.Fatal("a probe that stands does not lead to a trial")
	}
	h.success()
	h.unreachable(sign(stageDial), false)
	if got := h.status().RetryAt.Sub(c.now()); got != time.Hour {
		t.Errorf("after it had healed the rest is %s; want 1 h", got)
	}
}

func TestAMessageOnTrialThatFailsLetsTheRelayRestAgain(t *testing.T) {
	h := newHealth(4, newClock(), newWatch())
	defer h.stop()
	h.unreachable(sign(stageDial), false)
	h.tryOut()
	h.trouble(sign(stageMail))
	if h.State() != RelayResting {
		t.Error("it does not rest")
	}
	h.tryOut()
	h.untried()
	if h.State() != RelayResting {
		t.Error("a trial that told nothing leaves it on trial without anybody who tries")
	}
}

func TestARefusedConnectionBesideOthersIsNoOutage(t *testing.T) {
	h := newHealth(7, newClock(), newWatch())
	for range 3 {
		h.connection(+1) // the reserved one and two
	}
	h.unreachable(sign(stageGreeting), false)
	if h.State() != RelayWorking || h.limit.Load() != 2 {
		t.Errorf("%s with %d connections; want it working with the 2 it takes", h.State(), h.limit.Load())
	}
}

func TestAWrongPasswordIsNotRepeatedEverySecond(t *testing.T) {
	c := newClock()
	h := newHealth(4, c, newWatch())
	defer h.stop()
	h.unreachable(&notifier.SendError{Fault: notifier.FaultOurs, Stage: stageAuth}, false)
	if got := h.status().RetryAt.Sub(c.now()); got != 3*time.Hour {
		t.Errorf("it is tried again after %s; want the longest rest", got)
	}
}

func TestADeferralAtRCPTIsTheRelaysOnlyWhenMostOfTheLastFiftyGotIt(t *testing.T) {
	h := newHealth(4, newClock(), newWatch())
	for n := 1; n <= 25; n++ {
		if h.rcpt(true) {
			t.Fatalf("%d of the last 50 are no majority", n)
		}
	}
	if !h.rcpt(true) {
		t.Fatal("26 of the last 50 are a majority")
	}
	for range 24 { // 24 good ones behind 26 bad ones: full
		h.rcpt(false)
	}
	if !h.rcpt(true) { // pushes a bad one out
		t.Fatal("26 of the last 50 are a majority")
	}
	h.rcpt(false)
	if h.rcpt(true) {
		t.Error("25 of the last 50 are no majority")
	}
	for range windowSize {
		h.rcpt(false)
	}
	if !h.refusals.none() {
		t.Error("what is fifty answers ago still counts")
	}
}
