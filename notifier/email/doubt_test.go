package email

import (
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

func TestAConnectionLostAfterTheDotLeavesTheMessageInDoubt(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		for name, answer := range map[string]string{"closed": emailtest.Drop, "half an answer": "250 2.0.0 O" + emailtest.Drop, "garbled": "Bad Gateway", "endless": emailtest.Endless, "silent": emailtest.Hang} {
			t.Run(name, func(t *testing.T) {
				once := answer
				if o.NoPipelining && name == "half an answer" {
					once = "25" + emailtest.Drop // net/textproto takes a reply without its line end for a whole one
				}
				o.Answer = func(_ int, command string) string {
					if command != emailtest.Dot {
						return ""
					}
					a := once
					once = ""
					return a
				}
				r := emailtest.NewRaw(t, o)
				p := newPool(t, r.URL("connections=1"), impatient)
				f := &flight{}
				_, err := send(t, p, "reader@example.net", notifier.LaneIncident, f)
				se := asSendError(t, err)
				if se.Fault != notifier.FaultRelay || se.Permanent || se.Stage != stageDot || !strings.Contains(err.Error(), "was not read") {
					t.Errorf("%+v: %v", se, err)
				}
				if _, taken := f.counts(); taken != 0 {
					t.Error("Taken was called without an acknowledgement")
				}
				if len(r.Messages()) != 1 {
					t.Errorf("the message was transmitted %d times by one Send", len(r.Messages()))
				}
				mustSend(t, p, "other@example.net", notifier.LaneIncident)
			})
		}
	})
}

func TestWhatStoodBehindALostDotFindsAnotherConnection(t *testing.T) {
	hold := make(chan struct{})
	first := true
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(n int, command string) string {
		if command == "DATA" {
			<-hold
		}
		if command == emailtest.Dot && first {
			first = false
			return emailtest.Drop
		}
		return ""
	}})
	p := newPool(t, r.URL("connections=1"))
	all := burst(t, p, r, hold, 4, notifier.LaneRoutine)
	failed := 0
	for _, s := range all {
		if _, err := s.wait(); err != nil {
			failed++
		}
	}
	if failed != 1 {
		t.Errorf("%d messages failed; want only the one in doubt", failed)
	}
	to := map[string]int{}
	for _, m := range r.Messages() {
		to[m.To[0]]++
	}
	for i := range 4 {
		if to[reader(i)] != 1 {
			t.Errorf("%s was transmitted %d times", reader(i), to[reader(i)])
		}
	}
}

func TestAnAnswerToTheDotIsWaitedForLongerThanOthers(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		slow := make(chan struct{})
		o.Answer = func(_ int, command string) string {
			if command == emailtest.Dot {
				<-slow
			}
			return ""
		}
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=1"), func(o *PoolOptions) {
			o.Timeouts = Timeouts{Command: 500 * time.Millisecond, Dot: time.Hour}
		})
		s := start(t, p, mailTo("reader@example.net"), notifier.LaneIncident, &flight{})
		waitFor(t, "the content's end", func() bool { return len(r.Messages()) == 1 })
		<-time.After(750 * time.Millisecond) // longer than the patience for other answers
		close(slow)
		if _, err := s.wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestASilentRelayIsGivenUp(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		for _, at := range []string{"MAIL", "RCPT", "DATA"} {
			o.Answer = script(map[string]string{at: emailtest.Hang})
			r := emailtest.NewRaw(t, o)
			p := newPool(t, r.URL("connections=1"), impatient)
			_, err := send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
			if se := asSendError(t, err); se.Fault != notifier.FaultRelay || se.Permanent || se.Stage != strings.ToLower(at) {
				t.Errorf("%s: %+v: %v", at, se, err)
			}
		}
	})
}

func TestAConnectionThatTheRelayClosedWhileItIdledCostsNothing(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		for _, farewell := range []string{emailtest.Drop, "421 4.4.2 idle too long"} {
			c := newClock()
			mails := 0
			o.Answer = func(_ int, command string) string {
				if strings.HasPrefix(command, "MAIL") {
					if mails++; mails == 2 {
						return farewell
					}
				}
				return ""
			}
			r := emailtest.NewRaw(t, o)
			// The rate keeps the second from going right behind the first, on a connection that never idled.
			p := newPool(t, r.URL("connections=1&rate=5"), func(o *PoolOptions) { o.Now = c.now })
			mustSend(t, p, reader(0), notifier.LaneRoutine)
			c.forward(10 * time.Second)
			mustSend(t, p, reader(1), notifier.LaneRoutine)
			if h := p.relays[0].health; !h.lastHalved.IsZero() || h.State() != RelayWorking {
				t.Errorf("%q: a closed idle connection counted as trouble", farewell)
			}
		}
	})
}

func TestWhatStandsBehindASlowDotFindsAnotherConnection(t *testing.T) {
	hold, slow, quick := make(chan struct{}), make(chan struct{}), make(chan struct{})
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(n int, command string) string {
		switch {
		case command == "DATA":
			<-hold
		case command == emailtest.Dot && n == 1:
			<-slow
		case command == emailtest.Dot && n == 2:
			<-quick
		}
		return ""
	}})
	p := newPool(t, r.URL("connections=2"))
	first := []*sending{start(t, p, mailTo(reader(0)), notifier.LaneIncident, &flight{}), start(t, p, mailTo(reader(1)), notifier.LaneIncident, &flight{})}
	r.WaitCommand("DATA", 2)
	behind := []*sending{start(t, p, mailTo(reader(2)), notifier.LaneIncident, &flight{}), start(t, p, mailTo(reader(3)), notifier.LaneIncident, &flight{})}
	waitFor(t, "both others wait", func() bool { return p.relays[0].doors[expressDoor].waiting.Load() == 2 })
	close(hold)
	waitFor(t, "one to stand behind each dot", func() bool { return p.relays[0].doors[expressDoor].waiting.Load() == 0 })
	waitFor(t, "both to be handed back", func() bool { return p.relays[0].doors[expressDoor].waiting.Load() == 2 })
	close(quick)
	for _, s := range behind {
		if _, err := s.wait(); err != nil {
			t.Error(err)
		}
	}
	if !first[0].running() && !first[1].running() {
		t.Error("the slow dot was answered")
	}
	close(slow)
	to := map[string]int{}
	for _, s := range first {
		if _, err := s.wait(); err != nil {
			t.Error(err)
		}
	}
	for _, m := range r.Messages() {
		to[m.To[0]]++
	}
	for i := range 4 {
		if to[reader(i)] != 1 {
			t.Errorf("%s was transmitted %d times", reader(i), to[reader(i)])
		}
	}
}
