package email

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

func busy() error {
	return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "too busy"}
}

func TestManySendersShareTheConnectionsAndEveryoneGetsTheirOwnMailOnce(t *testing.T) {
	s := emailtest.NewServer(t, emailtest.Options{OnRcpt: func(_, to string) error {
		if strings.HasPrefix(to, "reader7") {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
		}
		return nil
	}})
	p := newPool(t, s.URL("tls=off&connections=4&max_messages=17"))
	const n = 300
	lanes := []notifier.Lane{notifier.LaneIncident, notifier.LaneRoutine, notifier.LaneBulk}
	var all []*sending
	flights := make([]*flight, n)
	for i := range n {
		flights[i] = &flight{}
		e := mailTo(reader(i))
		e.Data = append(e.Data, strings.Repeat(".dotted\r\n..\r\n", i%5)...)
		all = append(all, start(t, p, e, lanes[i%3], flights[i]))
	}
	refused := 0
	for i, x := range all {
		_, err := x.wait()
		begun, taken := flights[i].counts()
		if strings.HasPrefix(reader(i), "reader7") {
			refused++
			if se := asSendError(t, err); se.Fault != notifier.FaultRecipient || taken != 0 {
				t.Errorf("%s: %v, taken %d times", reader(i), err, taken)
			}
		} else if err != nil || begun < 1 || taken != 1 {
			t.Errorf("%s: %v, begun %d times, taken %d times", reader(i), err, begun, taken)
		}
	}
	got := map[string]string{}
	for _, m := range s.Messages() {
		if len(m.To) != 1 || got[m.To[0]] != "" {
			t.Fatalf("%v: not one mail for one reader", m.To)
		}
		got[m.To[0]] = string(m.Data)
	}
	for i := range n {
		want := string(mailTo(reader(i)).Data) + strings.Repeat(".dotted\r\n..\r\n", i%5)
		if !strings.HasPrefix(reader(i), "reader7") && got[reader(i)] != want {
			t.Errorf("%s got %q; want %q", reader(i), got[reader(i)], want)
		}
	}
	if len(got) != n-refused || refused == 0 {
		t.Errorf("%d mails and %d refusals; want %d", len(got), refused, n)
	}
	s.CheckLines()
}

func TestTheNextRelayStepsInAndThePreferredComesBack(t *testing.T) {
	first := emailtest.NewServer(t, emailtest.Options{})
	second := emailtest.NewServer(t, emailtest.Options{})
	w := newWatch()
	p := newPool(t, first.URL("tls=off")+","+second.URL("tls=off"), func(o *PoolOptions) { o.Observer = w })
	if r := mustSend(t, p, reader(0), notifier.LaneIncident); r.Relay != first.Addr {
		t.Fatalf("went to %s; want the preferred relay", r.Relay)
	}
	first.Close()
	for i := 1; i < 5; i++ {
		if r := mustSend(t, p, reader(i), notifier.LaneIncident); r.Relay != second.Addr {
			t.Fatalf("went to %s; want the second relay", r.Relay)
		}
	}
	if s := p.Relays()[0]; s.State != RelayResting || s.Cause == nil || s.RetryAt.IsZero() {
		t.Errorf("status %+v", s)
	}
	if _, ok := p.Ready(); !ok {
		t.Error("not ready, with a second relay that works")
	}
	again := emailtest.NewServerAt(t, emailtest.Options{}, first.Addr)
	w.untilState(t, first.Addr, RelayTrying)
	waitFor(t, "the message on trial", func() bool { // the others do not wait for it
		return mustSend(t, p, reader(5), notifier.LaneIncident).Relay == again.Addr
	})
	w.untilState(t, first.Addr, RelayWorking)
	if len(again.Messages()) != 1 || len(second.Messages()) < 4 {
		t.Errorf("%d and %d mails", len(again.Messages()), len(second.Messages()))
	}
}

func TestMessagesThatWaitForARelayGoToTheNextWhenItsBreakerOpens(t *testing.T) {
	dialled := make(chan struct{})
	first := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		<-dialled
		return "554 5.3.2 closed"
	}})
	second := emailtest.NewServer(t, emailtest.Options{})
	p := newPool(t, first.URL("")+","+second.URL("tls=off"))
	var all []*sending
	for i := range 20 {
		all = append(all, start(t, p, mailTo(reader(i)), notifier.LaneRoutine, &flight{}))
	}
	waitFor(t, "all to wait", func() bool { return p.relays[0].doors[ordinaryDoor].waiting.Load() == 20 })
	close(dialled)
	for _, s := range all {
		if r, err := s.wait(); err != nil || r.Relay != second.Addr {
			t.Errorf("%+v, %v; want the second relay", r, err)
		}
	}
}

func TestWhenNoRelayCanBeUsedSendSaysWhyAndReadyWhen(t *testing.T) {
	c := newClock()
	s := emailtest.NewRaw(t, emailtest.RawOptions{Answer: script(map[string]string{emailtest.Connected: "421 4.3.2 shutting down"})})
	p := newPool(t, s.URL(""), func(o *PoolOptions) {
		o.Now, o.Breaker = c.now, Breaker{First: time.Hour}
	})
	if _, ok := p.Ready(); !ok {
		t.Error("not ready before anything was tried")
	}
	for range 3 {
		_, err := send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
		if se := asSendError(t, err); se.Fault != notifier.FaultRelay || se.Stage != stageGreeting || se.Receipt.Reply != "421 4.3.2 shutting down" {
			t.Errorf("%+v", se)
		}
	}
	if s.Connections() > 2 {
		t.Errorf("%d connections to a relay that rests", s.Connections())
	}
	if at, ok := p.Ready(); ok || !at.Equal(c.now().Add(time.Hour)) {
		t.Errorf("ready %v at %s; want in an hour", ok, at)
	}
}

func TestATrialThatNobodyTakesPartInIsRepeated(t *testing.T) {
	first := true
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		if command == emailtest.Connected && first {
			first = false
			return "421 4.3.2 starting"
		}
		return ""
	}})
	w := newWatch()
	p := newPool(t, r.URL("connections=1&max_messages=1"), func(o *PoolOptions) { o.Observer = w })
	_, err := send(t, p, reader(0), notifier.LaneIncident, &flight{})
	asSendError(t, err)
	w.untilState(t, r.Addr, RelayTrying)
	// The message on trial must not go after all, and uses up the connection's share.
	_, err = send(t, p, reader(1), notifier.LaneIncident, &flight{onBegin: func(int) error { return notifier.ErrNotStarted }})
	if !errors.Is(err, notifier.ErrNotStarted) {
		t.Errorf("got %v; want ErrNotStarted", err)
	}
	w.until(t, "another rest", func(w *watch) bool {
		return strings.Count(strings.Join(w.steps, "\n"), "resting") >= 2
	})
	w.untilState(t, r.Addr, RelayTrying)
	mustSend(t, p, reader(2), notifier.LaneIncident)
	w.untilState(t, r.Addr, RelayWorking)
}

func TestARelayThatSays421IsSentLessAndLetRest(t *testing.T) {
	var calls atomic.Int32
	s := emailtest.NewServer(t, emailtest.Options{OnMail: func(string) error {
		if calls.Add(1) <= 8 {
			return busy()
		}
		return nil
	}})
	w := newWatch()
	p := newPool(t, s.URL("tls=off&connections=9"), func(o *PoolOptions) { o.Observer = w })
	_, err := send(t, p, reader(0), notifier.LaneIncident, &flight{})
	if se := asSendError(t, err); se.Fault != notifier.FaultRelay || se.Permanent || se.Code != 421 {
		t.Errorf("%+v", se)
	}
	if got := p.Relays()[0]; got.Allowed != 5 || got.State != RelayWorking {
		t.Errorf("after a 421 %+v; want half of 8, and the reserved one", got)
	}
	for i := 1; calls.Load() <= 8; i++ {
		_, _ = send(t, p, reader(i), notifier.LaneIncident, &flight{})
		if p.Relays()[0].State == RelayResting {
			w.untilState(t, s.Addr, RelayTrying)
		}
	}
	w.until(t, "it rested after five in a row", func(w *watch) bool { return slices.Contains(w.steps, s.Addr+" resting") })
	waitFor(t, "it works again", func() bool {
		_, err := send(t, p, "last@example.net", notifier.LaneIncident, &flight{})
		return err == nil
	})
	w.untilState(t, s.Addr, RelayWorking)
}

func TestA47AtRCPTIsTheRelaysWhenMostGetIt(t *testing.T) {
	s := emailtest.NewServer(t, emailtest.Options{OnRcpt: func(_, _ string) error {
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "come back later"}
	}})
	p := newPool(t, s.URL("tls=off&connections=1"))
	for n := 1; n <= 26; n++ {
		_, err := send(t, p, reader(n), notifier.LaneIncident, &flight{})
		want := notifier.FaultRecipient
		if n == 26 {
			want = notifier.FaultRelay
		}
		if se := asSendError(t, err); se.Fault != want || se.Permanent {
			t.Fatalf("the %d. deferral: %+v; want fault %s", n, se, want)
		}
	}
}

func TestAPausedRelayIsLeftAlone(t *testing.T) {
	first := emailtest.NewServer(t, emailtest.Options{})
	second := emailtest.NewServer(t, emailtest.Options{})
	p := newPool(t, first.URL("tls=off")+","+second.URL("tls=off"))
	mustSend(t, p, reader(0), notifier.LaneIncident)
	p.SetPaused([]string{first.Addr})
	if r := mustSend(t, p, reader(1), notifier.LaneIncident); r.Relay != second.Addr {
		t.Errorf("went to %s; want the one that is not paused", r.Relay)
	}
	p.SetPaused([]string{first.Addr, second.Addr})
	if _, err := send(t, p, reader(2), notifier.LaneIncident, &flight{}); !errors.Is(err, notifier.ErrNotStarted) {
		t.Errorf("got %v; want ErrNotStarted", err)
	}
	if at, ok := p.Ready(); ok || !at.IsZero() {
		t.Errorf("ready %v at %s; want never until it is resumed", ok, at)
	}
	p.SetPaused(nil)
	if r := mustSend(t, p, reader(3), notifier.LaneIncident); r.Relay != first.Addr {
		t.Errorf("went to %s; want the preferred one", r.Relay)
	}
}

func TestAPauseReachesMessagesThatWait(t *testing.T) {
	hold := make(chan struct{})
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		if command == emailtest.Dot {
			<-hold
		}
		return ""
	}})
	p := newPool(t, r.URL("connections=1"))
	first := start(t, p, mailTo(reader(0)), notifier.LaneRoutine, &flight{})
	waitFor(t, "the first on the wire", func() bool { return len(r.Messages()) == 1 })
	second := start(t, p, mailTo(reader(1)), notifier.LaneRoutine, &flight{})
	waitFor(t, "the second to wait", func() bool { return p.relays[0].doors[ordinaryDoor].waiting.Load() == 1 })
	p.SetPaused([]string{r.Addr})
	if _, err := second.wait(); !errors.Is(err, notifier.ErrNotStarted) {
		t.Errorf("the second: %v; want ErrNotStarted", err)
	}
	close(hold)
	if _, err := first.wait(); err != nil {
		t.Errorf("what was on the wire: %v", err)
	}
}

func TestARateIsKept(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=4&rate=50"))
		begun := time.Now()
		var all []*sending
		for i := range 11 {
			all = append(all, start(t, p, mailTo(reader(i)), notifier.Lanes[i%5], &flight{}))
		}
		for _, s := range all {
			if _, err := s.wait(); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begun); took < 195*time.Millisecond { // the first at once, ten more 20 ms apart
			t.Errorf("11 mails at 50 a second took %s", took)
		}
	})
}

func TestAConnectionIsMadeAnewAfterItsShareOfMessages(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=1&max_messages=3"))
		var all []*sending
		for i := range 9 {
			all = append(all, start(t, p, mailTo(reader(i)), notifier.LaneBulk, &flight{}))
		}
		for _, s := range all {
			if _, err := s.wait(); err != nil {
				t.Error(err)
			}
		}
		r.WaitCommand("QUIT", 3) // of their own accord, before the pool is closed
		closeNow(p)
		over := map[int]int{}
		for _, m := range r.Messages() {
			over[m.Connection]++
		}
		if over[1] != 3 || over[2] != 3 || over[3] != 3 {
			t.Errorf("mails by connection: %v; want 3 each", over)
		}
	})
}

func TestAnIdleConnectionIsClosedAndOpenedAgain(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		r := emailtest.NewRaw(t, o)
		w := newWatch()
		p := newPool(t, r.URL("connections=2"), func(o *PoolOptions) {
			o.Observer, o.Timeouts.Idle = w, 20*time.Millisecond
		})
		for i := range 2 {
			mustSend(t, p, reader(i), notifier.LaneIncident)
			r.WaitCommand("QUIT", i+1)
			w.until(t, "no connection open", func(w *watch) bool { return w.open[r.Addr] == 0 })
		}
		if r.Connections() < 2 {
			t.Errorf("%d connections", r.Connections())
		}
	})
}
