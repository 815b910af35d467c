package gate

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnAnswerIsGoodOnceForAsLongAsItsChallengeLives(t *testing.T) {
	g := New(secret, "subscribe")
	yes, no := func() bool { return true }, func() bool { return false }
	for _, c := range []struct {
		after       time.Duration
		take        func() bool
		fresh, took bool
	}{
		{0, no, true, false}, // nothing was given for it, so it is good still
		{time.Second, yes, true, true},
		{time.Second, yes, false, false},
		{ChallengeLife + time.Second, yes, false, false},
	} {
		if fresh, took := g.Spend("a", noon.Add(c.after), c.take); fresh != c.fresh || took != c.took {
			t.Errorf("after %s: %v, %v", c.after, fresh, took)
		}
	}
	g.Spend("b", noon.Add(ChallengeLife+2*time.Second), yes)
	if len(g.spent.known) != 1 || len(g.spent.order) != 1 {
		t.Errorf("%d are remembered though they are too old", len(g.spent.known))
	}
}

func TestOfManyWhoSendOneAnswerAtOnceOneIsTaken(t *testing.T) {
	g := New(secret, "subscribe")
	var taken atomic.Int32
	var crowd sync.WaitGroup
	for range 50 {
		crowd.Go(func() { g.Spend("a", noon, func() bool { taken.Add(1); return true }) })
	}
	crowd.Wait()
	if taken.Load() != 1 {
		t.Errorf("taken %d times", taken.Load())
	}
}

func TestSpentChallengesAreBoundedAndTheOldestIsForgotten(t *testing.T) {
	g := New(secret, "subscribe")
	yes := func() bool { return true }
	for n := range mostSpent + 10 {
		g.Spend(fmt.Sprint(n), noon, yes)
	}
	if len(g.spent.known) != mostSpent || len(g.spent.order) != mostSpent {
		t.Errorf("%d and %d are remembered", len(g.spent.known), len(g.spent.order))
	}
	if fresh, _ := g.Spend(fmt.Sprint(mostSpent+9), noon, yes); fresh {
		t.Error("the newest was forgotten")
	}
}
