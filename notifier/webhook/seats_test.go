package webhook

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"allclear/notifier"
)

// early wants err to send a message back until a time, and returns how far off that is.
func early(t *testing.T, now time.Time, err error) time.Duration {
	t.Helper()
	var nb *notifier.NotBeforeError
	if !errors.As(err, &nb) || !errors.Is(err, notifier.ErrNotStarted) {
		t.Fatalf("not given back: %v", err)
	}
	return nb.Until.Sub(now)
}

// One endpoint that hangs keeps the seats it is allowed, gives everything else
// back at once, and slows no other.
func TestAnEndpointThatHangsSlowsNoOther(t *testing.T) {
	release := make(chan struct{})
	in := make(chan struct{}, 8)
	hung := newSink(t, false, func(http.ResponseWriter, *http.Request) { in <- struct{}{}; <-release })
	good := newSink(t, false, nil)
	r := newRig(t, func(s *setup) { s.options.Moment = instant })
	r.endpoint(1, hung.URL, func(e *notifier.Endpoint) { e.Concurrency = 9 }) // 4 at most, whatever is asked for
	for reader := range int64(50) {
		r.endpoint(100+reader, good.URL)
	}
	var waiting sync.WaitGroup
	for event := range int64(concurrencyMost) {
		waiting.Go(func() { r.Send(context.Background(), message(event+1, 1), &flight{}) })
		<-in
	}
	for event := range int64(100) {
		f := &flight{}
		_, err := r.Send(t.Context(), message(event+10, 1), f)
		if off := early(t, r.clock.Now(), err); off < seatPause || off > seatPause+turnedLongest || f.begun.Load() != 0 {
			t.Errorf("event %d: come again in %s, begun %d times", event, off, f.begun.Load())
		}
	}
	for reader := range int64(50) {
		if _, _, err := r.send(100 + reader); err != nil {
			t.Fatalf("reader %d: %v", reader, err)
		}
	}
	if n := len(hung.heard()); n != concurrencyMost {
		t.Errorf("%d posts to the one that hangs", n)
	}
	close(release)
	waiting.Wait()
	if r.seats.taken() != 0 {
		t.Error("seats are still taken")
	}
}

func TestAnEndpointGetsAsManyAtOnceAsItWishes(t *testing.T) {
	for wish, want := range map[int]int{-1: 1, 0: 1, 1: 1, 2: 2, 4: 4, 5: 4, 100: 4} {
		s := newSeats(time.Now, instant, 100, 100)
		e := &notifier.Endpoint{Reader: 1, Concurrency: wish}
		n := 0
		for ; n < 10; n++ {
			if _, err := s.take(t.Context(), e, "a.test:443"); err != nil {
				break
			}
		}
		if n != want {
			t.Errorf("%d wished for, %d at once", wish, n)
		}
	}
}

func TestAnEndpointThatFailsGetsOneAtATimeAndSharesSeatsWithItsLike(t *testing.T) {
	s := newSeats(time.Now, instant, 100, 3)
	var leaves []func(heard)
	failing := func(reader int64) *notifier.Endpoint {
		return &notifier.Endpoint{Reader: reader, Concurrency: 4, FailingSince: time.Now()}
	}
	for reader := range int64(10) {
		leave, err := s.take(t.Context(), failing(reader), fmt.Sprintf("h%d.test:443", reader))
		if (err == nil) != (reader < 3) {
			t.Errorf("reader %d: %v", reader, err)
		}
		if err == nil {
			leaves = append(leaves, leave)
		}
	}
	if _, err := s.take(t.Context(), failing(0), "h0.test:443"); err == nil {
		t.Error("a second one at once")
	}
	well := &notifier.Endpoint{Reader: 99, Concurrency: 1}
	leave, err := s.take(t.Context(), well, "well.test:443")
	if err != nil {
		t.Errorf("one that is well has to wait: %v", err)
	}
	leaves = append(leaves, leave)
	for _, leave := range leaves {
		leave(answered)
	}
	if _, err := s.take(t.Context(), failing(7), "h7.test:443"); err != nil {
		t.Error(err)
	}
}

// Those who are turned away together come back one after the other.
func TestWhoIsTurnedAwayComesBackInTurn(t *testing.T) {
	now := time.Now()
	s := newSeats(func() time.Time { return now }, instant, 100, 100)
	e := &notifier.Endpoint{Reader: 1, Concurrency: 2}
	var leave func(heard)
	for range 2 {
		leave, _ = s.take(t.Context(), e, "a.test:443")
	}
	before := time.Duration(0)
	for i := range 20 {
		_, err := s.take(t.Context(), e, "a.test:443")
		off := early(t, now, err)
		if want := seatPause + time.Duration(i)*seatPause/2; off != want || off <= before {
			t.Errorf("%d: in %s, want %s", i, off, want)
		}
		before = off
	}
	leave(answered)
	if _, err := s.take(t.Context(), e, "a.test:443"); err != nil {
		t.Error(err)
	}
	_, err := s.take(t.Context(), e, "a.test:443")
	if off := early(t, now, err); off != seatPause {
		t.Errorf("after one was let in: in %s", off)
	}
}

func TestARateIsKeptTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeats(time.Now, 250*time.Millisecond, 100, 100)
		e := &notifier.Endpoint{Reader: 1, Concurrency: 4, Rate: 10}
		began, n := time.Now(), 0
		for time.Since(began) < 3*time.Second {
			leave, err := s.take(t.Context(), e, "a.test:443")
			if err != nil {
				t.Fatal(err) // a tenth of a second is but a moment
			}
			n++
			leave(answered)
		}
		if n < 30 || n > 31 {
			t.Errorf("%d posts in 3 s at 10 a second", n)
		}
	})
}

func TestWhoWouldWaitLongForItsRateIsGivenBack(t *testing.T) {
	now := time.Now()
	s := newSeats(func() time.Time { return now }, 250*time.Millisecond, 100, 100)
	e := &notifier.Endpoint{Reader: 1, Concurrency: 4, Rate: 0.1}
	leave, err := s.take(t.Context(), e, "a.test:443")
	if err != nil {
		t.Fatal(err)
	}
	leave(answered)
	for i := range 5 {
		_, err := s.take(t.Context(), e, "a.test:443")
		if off, want := early(t, now, err), time.Duration(i+1)*10*time.Second; off.Round(time.Millisecond) != want {
			t.Errorf("%d: in %s, want %s", i, off, want)
		}
	}
	now = now.Add(10 * time.Second)
	if leave, err = s.take(t.Context(), e, "a.test:443"); err != nil {
		t.Error(err)
	} else {
		leave(answered)
	}
	e.Rate = 0 // its owner takes the bound away
	if leave, err = s.take(t.Context(), e, "a.test:443"); err != nil {
		t.Error(err)
	} else {
		leave(answered)
	}
}

func TestARateThatIsNoneBoundsNothing(t *testing.T) {
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1), math.MaxFloat64} {
		s := newSeats(time.Now, instant, 100, 100)
		for range 20 {
			leave, err := s.take(t.Context(), &notifier.Endpoint{Reader: 1, Rate: rate}, "a.test:443")
			if err != nil {
				t.Fatalf("%v: %v", rate, err)
			}
			leave(answered)
		}
	}
	now := time.Now()
	s := newSeats(func() time.Time { return now }, instant, 100, 100)
	e := &notifier.Endpoint{Reader: 1, Concurrency: 4, Rate: math.SmallestNonzeroFloat64}
	s.take(t.Context(), e, "a.test:443")
	for range 3 {
		_, err := s.take(t.Context(), e, "a.test:443")
		if off := early(t, now, err); off < 0 || off > 2*rateLongest {
			t.Errorf("come again in %s", off)
		}
	}
}

// A host that answers is waited for, in the order of coming, and for a moment.
func TestAHostThatIsFullIsWaitedForInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeats(time.Now, 250*time.Millisecond, 2, 100)
		take := func(reader int64) (func(heard), error) {
			return s.take(t.Context(), &notifier.Endpoint{Reader: reader}, "a.test:443")
		}
		first, _ := take(1)
		second, _ := take(2)
		order := make(chan int64, 3)
		leaves := make(chan func(heard), 3)
		for reader := range int64(3) {
			go func() {
				leave, err := take(10 + reader)
				if err != nil {
					order <- -reader
					return
				}
				order <- reader
				leaves <- leave
			}()
			synctest.Wait()
		}
		first(answered)
		synctest.Wait()
		second(answered)
		synctest.Wait()
		if a, b := <-order, <-order; a != 0 || b != 1 {
			t.Errorf("%d before %d", a, b)
		}
		if got := <-order; got != -2 {
			t.Errorf("the third got %d", got)
		}
		(<-leaves)(answered)
		(<-leaves)(answered)
		if s.taken() != 0 || s.remembered() > 1 { // the one that was turned away
			t.Errorf("%d taken, %d remembered", s.taken(), s.remembered())
		}
	})
}

func TestWhoWaitsWhenItEndsIsNotStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeats(time.Now, time.Minute, 1, 100)
		first, _ := s.take(t.Context(), &notifier.Endpoint{Reader: 1}, "a.test:443")
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error)
		go func() {
			_, err := s.take(ctx, &notifier.Endpoint{Reader: 2}, "a.test:443")
			got <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-got; !errors.Is(err, notifier.ErrNotStarted) {
			t.Errorf("%v", err)
		}
		first(answered)
		e := &notifier.Endpoint{Reader: 3, Rate: 1}
		leave, _ := s.take(t.Context(), e, "a.test:443")
		leave(answered)
		s.moment = time.Minute
		if _, err := s.take(ctx, e, "a.test:443"); !errors.Is(err, notifier.ErrNotStarted) {
			t.Errorf("%v", err)
		}
		if s.taken() != 0 {
			t.Errorf("%d taken", s.taken())
		}
	})
}

// Behind one host there may be a thousand endpoints. Once it is silent, two
// posts at a time find out whether it is still so, and nobody waits for it.
func TestASilentHostIsNotWaitedForUntilItAnswers(t *testing.T) {
	now := time.Now()
	s := newSeats(func() time.Time { return now }, time.Hour, 8, 100)
	take := func(reader int64) (func(heard), error) {
		return s.take(t.Context(), &notifier.Endpoint{Reader: reader}, "a.test:443")
	}
	for reader := range int64(silencesMost) {
		leave, err := take(reader)
		if err != nil {
			t.Fatal(err)
		}
		leave(silence)
	}
	a, _ := take(10)
	b, _ := take(11)
	for i := range 10 {
		_, err := take(20 + int64(i))
		if off := early(t, now, err); off < seatPause || off > seatPause+turnedLongest {
			t.Errorf("in %s", off)
		}
	}
	a(nothing) // its flight was refused, which says nothing of the host
	c, err := take(12)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take(13); err == nil {
		t.Error("a third one to a silent host")
	}
	b(answered)
	c(answered)
	for reader := range int64(8) {
		if _, err := take(30 + reader); err != nil {
			t.Errorf("it answers again: %v", err)
		}
	}
}

func TestAHostThatHangsSlowsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(c net.Conn) { gone(c) }
		r := piped(t, hangs, func(s *setup) { s.options.PerHost = 4 })
		good := r.o.Guard.o.Dial
		r.o.Guard.o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "127.0.0.1:80" {
				return good(ctx, network, address)
			}
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				in := newReader(there)
				for hear(in) != nil {
					there.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
				}
			}()
			return here, nil
		}
		for reader := range int64(100) {
			r.endpoint(reader, "http://127.0.0.1/")
			r.endpoint(1000+reader, fmt.Sprintf("http://127.0.1.%d/", reader+1))
		}
		var all sync.WaitGroup
		results := make(chan error, 100)
		began := time.Now()
		for reader := range int64(100) {
			all.Go(func() { _, _, err := r.send(reader); results <- err })
		}
		for reader := range int64(100) {
			if _, _, err := r.send(1000 + reader); err != nil {
				t.Error(err)
			}
		}
		if spent := time.Since(began); spent != 0 {
			t.Errorf("the others took %s", spent)
		}
		all.Wait()
		back := 0
		for range 100 {
			if err := <-results; errors.Is(err, notifier.ErrNotStarted) {
				back++
			}
		}
		if back != 96 {
			t.Errorf("%d were given back", back)
		}
	})
}

func TestWhatIsIdleIsForgotten(t *testing.T) {
	now := time.Now()
	s := newSeats(func() time.Time { return now }, instant, 100, 100)
	for reader := range int64(20_000) {
		e := &notifier.Endpoint{Reader: reader}
		if reader%2 == 0 {
			e.Rate = 5
		}
		leave, err := s.take(t.Context(), e, fmt.Sprintf("h%d.test:443", reader))
		if err != nil {
			t.Fatal(err)
		}
		leave(heard(reader % 3))
		now = now.Add(time.Second)
	}
	if n := s.remembered(); n > 2500 {
		t.Errorf("%d endpoints and hosts are remembered", n)
	}
	now = now.Add(time.Hour)
	s.sweepAt = 0
	s.take(t.Context(), &notifier.Endpoint{Reader: 1}, "a.test:443")
	if n := s.remembered(); n != 2 {
		t.Errorf("%d are remembered an hour later", n)
	}
}
