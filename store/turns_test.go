package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func TestWhoIsWaitedForGoesBeforeWhatGoesOnByItselfAndNeitherStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turn turns
		if err := turn.take(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		begin := func(name string, urgent bool) {
			go func() {
				if err := turn.take(t.Context(), urgent); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
				turn.done()
			}()
			synctest.Wait()
		}
		begin("fan-out", false)
		begin("claim", false)
		for _, name := range []string{"POST 1", "POST 2", "POST 3", "POST 4", "POST 5"} {
			begin(name, true)
		}
		turn.done()
		synctest.Wait()
		want := []string{"POST 1", "POST 2", "POST 3", "POST 4", "fan-out", "POST 5", "claim"}
		if !slices.Equal(order, want) {
			t.Errorf("turns were given to %q, want %q", order, want)
		}
	})
}

func TestWhoStopsWaitingForATurnTakesNobodysTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turn turns
		for range 100 {
			if err := turn.take(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			left := make(chan error, 1)
			go func() {
				err := turn.take(ctx, false)
				if err == nil {
					turn.done()
				}
				left <- err
			}()
			synctest.Wait()
			go cancel()
			turn.done() // at the same moment: it may have come in time or not
			if err := <-left; err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		if err := turn.take(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		turn.done()
		if turn.taken || len(turn.urgent)+len(turn.behind) > 0 {
			t.Errorf("a turn was left: %+v", &turn)
		}
	})
}
