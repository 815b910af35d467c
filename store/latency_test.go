package store

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAStepHoldsWhatLiesBelowItsEdgeAndAboveTheOneBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		late := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(30*24*time.Hour)).Draw(t, "late"))
		n := stepOf(late)
		if slack := late / 1e6; late > edgeOf(n)+slack || late < edgeOf(n-1)-slack {
			t.Fatalf("%s is in step %d, which ends at %s and begins at %s", late, n, edgeOf(n), edgeOf(n-1))
		}
		if edge := edgeOf(n); float64(edge) > float64(late)*1.0201 {
			t.Fatalf("%s is told as %s", late, edge)
		}
	})
}

func TestStepsGrowWithTime(t *testing.T) {
	last := -1
	for late := time.Duration(0); late < 40*24*time.Hour; late += late/300 + 50*time.Microsecond {
		n := stepOf(late)
		if n < last || n > 1300 {
			t.Fatalf("%s is in step %d, after %d", late, n, last)
		}
		last = n
	}
	for _, early := range []time.Duration{-time.Hour, 0, time.Microsecond, 999 * time.Microsecond} {
		if n := stepOf(early); n != 0 {
			t.Errorf("%s is in step %d", early, n)
		}
	}
}

func TestAQuantileIsTheFirstStepThatReachesIt(t *testing.T) {
	steps := []step{{0, 1}, {10, 49}, {20, 0}, {30, 49}, {40, 1}}
	for q, want := range map[float64]int{0.001: 0, 0.01: 0, 0.02: 10, 0.5: 10, 0.51: 30, 0.99: 30, 1: 40} {
		if got := quantile(steps, q); got != edgeOf(want) {
			t.Errorf("%v: %s, want %s", q, got, edgeOf(want))
		}
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
}
