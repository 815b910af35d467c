package web

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func copiesAt(now *time.Time) *copies {
	return newCopies(func() time.Time { return *now }, func() int64 { return 0 })
}

func TestOneMakesTheCopyAndTheOthersWait(t *testing.T) {
	now := time.Unix(0, 0)
	c := copiesAt(&now)
	begun, finish, made := make(chan struct{}), make(chan struct{}), 0
	slow := func(ctx context.Context) (leaf, error) {
		made++
		close(begun)
		<-finish
		return newLeaf([]byte("x"), "text/plain"), ctx.Err()
	}
	first, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _, _ = c.get(first, "k", slow) })
	<-begun
	leave() // whoever asked first goes away; those who wait are served all the same
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.get(gone, "k", slow); !errors.Is(err, context.Canceled) {
		t.Errorf("one who left while waiting got %v", err)
	}
	for range 10 {
		all.Go(func() {
			if l, err := c.get(t.Context(), "k", slow); err != nil || string(l.body) != "x" {
				t.Errorf("%q, %v", l.body, err)
			}
		})
	}
	close(finish)
	all.Wait()
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}

func TestNobodyWaitsForAReadingThatIsTooOld(t *testing.T) {
	now := time.Unix(0, 0)
	c := copiesAt(&now)
	begun, finish := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		_, _ = c.get(t.Context(), "k", func(context.Context) (leaf, error) { close(begun); <-finish; return leaf{}, nil })
	})
	<-begun
	now = now.Add(keepCopy)
	l, err := c.get(t.Context(), "k", func(context.Context) (leaf, error) { return newLeaf([]byte("new"), ""), nil })
	if err != nil || string(l.body) != "new" {
		t.Errorf("%q, %v", l.body, err)
	}
	close(finish)
	first.Wait()
	if l, _ := c.get(t.Context(), "k", nil); string(l.body) != "new" {
		t.Errorf("the slow one took the place of the new one: %q", l.body)
	}
}

func TestACrashWhileMakingIsToldToThoseWhoWait(t *testing.T) {
	now := time.Unix(0, 0)
	c := copiesAt(&now)
	func() {
		defer func() { _ = recover() }()
		_, _ = c.get(t.Context(), "k", func(context.Context) (leaf, error) { panic("x") })
	}()
	if _, err := c.get(t.Context(), "k", func(context.Context) (leaf, error) { return leaf{}, nil }); err != nil {
		t.Errorf("a crash was kept: %v", err)
	}
}

func TestCopiesAreBounded(t *testing.T) {
	now := time.Unix(0, 0)
	c := copiesAt(&now)
	for n := range 3 * maxCopies {
		if n == maxCopies+10 {
			now = now.Add(keepCopy)
		}
		if _, err := c.get(t.Context(), fmt.Sprint(n), func(context.Context) (leaf, error) { return leaf{}, nil }); err != nil {
			t.Fatal(err)
		}
		if len(c.kept) > maxCopies {
			t.Fatalf("%d copies", len(c.kept))
		}
	}
}

func TestWhatIsNotGoodAnyMoreIsForgottenAndLargeCopiesAreBoundedTogether(t *testing.T) {
	now := time.Unix(0, 0)
	c := copiesAt(&now)
	large := func(context.Context) (leaf, error) { return newLeaf(make([]byte, maxCopied/4), ""), nil }
	for i := range 10 {
		if l, err := c.get(t.Context(), fmt.Sprint(i), large); err != nil || len(l.body) != maxCopied/4 {
			t.Fatalf("%d bytes, %v", len(l.body), err)
		}
	}
	if len(c.kept) != 4 || c.size != maxCopied {
		t.Errorf("%d copies of %d bytes are kept", len(c.kept), c.size)
	}
	now = now.Add(keepCopy)
	if _, err := c.get(t.Context(), "new", func(context.Context) (leaf, error) { return newLeaf([]byte("new"), ""), nil }); err != nil {
		t.Fatal(err)
	}
	if len(c.kept) != 1 || c.size != 3 {
		t.Errorf("%d copies of %d bytes are kept behind them", len(c.kept), c.size)
	}
}
