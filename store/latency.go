package store

import (
	"math"
	"time"
)

// growth is how much wider each step of an event's histogram is than the one
// before: what is read from it is wrong by 2 % at most.
const growth = 1.02

// stepOf is the step of a message that was sent so long after its event was
// accepted. Step 0 holds everything below one millisecond.
func stepOf(late time.Duration) int {
	if late < time.Millisecond {
		return 0
	}
	ms := float64(late) / float64(time.Millisecond)
	return 1 + int(math.Log(ms)/math.Log(growth)+1e-9)
}

// edgeOf is the upper end of a step.
func edgeOf(step int) time.Duration {
	return time.Duration(math.Pow(growth, float64(step)) * float64(time.Millisecond))
}

// step is one line of an event's histogram.
type step struct {
	Step     int
	Messages int64
}

// quantile is the time below which the share q of the messages was sent, from
// steps in their order; 0 where there are none.
func quantile(steps []step, q float64) time.Duration {
	var total, seen int64
	for _, s := range steps {
		total += s.Messages
	}
	want := int64(math.Ceil(q * float64(total)))
	for _, s := range steps {
		if seen += s.Messages; seen >= want && s.Messages > 0 {
			return edgeOf(s.Step)
		}
	}
	return 0
}
