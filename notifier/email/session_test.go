package email

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

// script answers commands that begin with a key by its value.
func script(answers map[string]string) emailtest.Answer {
	return func(_ int, command string) string {
		for prefix, a := range answers {
			if strings.HasPrefix(command, prefix) {
				return a
			}
		}
		return ""
	}
}

// burst sends n mails at once over a connection that is held at the first
// mail's end until all the others wait, so that each finds the next behind it.
func burst(t *testing.T, p *Pool, r *emailtest.Raw, hold chan struct{}, n int, lane notifier.Lane) []*sending {
	t.Helper()
	all := []*sending{start(t, p, mailTo(reader(0)), lane, &flight{})}
	r.WaitCommand(emailtest.Dot, 0)
	for i := 1; i < n; i++ {
		all = append(all, start(t, p, mailTo(reader(i)), lane, &flight{}))
	}
	waitFor(t, "all others wait", func() bool {
		return p.relays[0].doors[doorOf(lane)].waiting.Load() == int32(n-1)
	})
	close(hold)
	return all
}

// waitFor polls for what nothing announces.
func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(soon)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %s: %s", soon, what)
		}
	}
}

func TestAMessageCostsOneRoundTripWhereTheRelayPipelines(t *testing.T) {
	hold := make(chan struct{})
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		if command == "DATA" {
			<-hold // the first DATA only: hold is closed behind it
		}
		return ""
	}})
	const n = 50
	p := newPool(t, r.URL("connections=1"))
	for _, s := range burst(t, p, r, hold, n, notifier.LaneRoutine) {
		if _, err := s.wait(); err != nil {
			t.Fatal(err)
		}
	}
	// Greeting, EHLO, the first envelope; then content and next envelope together, n times.
	if got, want := r.RoundTrips(), 3+n; got != want {
		t.Errorf("%d mails took %d round trips; want %d", n, got, want)
	}
	closeNow(p)
	for i, c := range r.Commands()[1:] {
		if want := []string{"MAIL", "RCPT", "DATA"}[i%3]; !strings.HasPrefix(c, want) && c != "QUIT" {
			t.Fatalf("command %d is %q; want %s, and no RSET or EHLO between mails that were taken", i+1, c, want)
		}
	}
	if at := emailtest.BareLineEnd(r.Bytes()); at >= 0 {
		t.Errorf("a bare CR or LF at byte %d", at)
	}
}

func TestWithoutPipeliningEachCommandWaitsForItsAnswer(t *testing.T) {
	r := emailtest.NewRaw(t, emailtest.RawOptions{NoPipelining: true})
	p := newPool(t, r.URL("connections=1"))
	const n = 5
	for i := range n {
		got := mustSend(t, p, reader(i), notifier.LaneRoutine)
		if got.Remote != "4F3A2B1C" || got.Relay != r.Addr || !strings.HasPrefix(got.Reply, "250 2.0.0 Ok") {
			t.Errorf("receipt %+v", got)
		}
	}
	if got, want := r.RoundTrips(), 2+4*n; got != want {
		t.Errorf("%d mails took %d round trips; want %d", n, got, want)
	}
	for i, m := range r.Messages() {
		if want := mailTo(reader(i)); string(m.Data) != string(want.Data) || m.From != want.From || m.To[0] != want.To {
			t.Errorf("mail %d arrived as %+v", i, m)
		}
	}
}

// Both ways of speaking keep the same laws.
func eachWay(t *testing.T, test func(t *testing.T, o emailtest.RawOptions)) {
	t.Run("pipelining", func(t *testing.T) { test(t, emailtest.RawOptions{}) })
	t.Run("plain", func(t *testing.T) { test(t, emailtest.RawOptions{NoPipelining: true}) })
}

func TestBeginComesBeforeTheEnvelopeAndTakenBeforeSendReturns(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		var mu sync.Mutex
		var seen []string
		note := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, s)
		}
		o.Answer = func(_ int, command string) string {
			note(strings.SplitN(command, " ", 2)[0])
			return ""
		}
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=1"))
		f := &flight{onBegin: func(int) error { note("begin"); return nil }, onTaken: func(got notifier.Receipt) error {
			note("taken")
			if got.Remote != "4F3A2B1C" || got.Relay != r.Addr {
				t.Errorf("receipt %+v", got)
			}
			return nil
		}}
		if _, err := send(t, p, "reader@example.net", notifier.LaneIncident, f); err != nil {
			t.Fatal(err)
		}
		note("returned")
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"CONNECT", "EHLO", "begin", "MAIL", "RCPT", "DATA", ".", "taken", "returned"}; !slices.Equal(seen, want) {
			t.Errorf("order %v; want %v", seen, want)
		}
	})
}

func TestAnAcknowledgementIsNotedBeforeTheNextContentIsFinished(t *testing.T) {
	hold := make(chan struct{})
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		if command == "DATA" {
			<-hold
		}
		return ""
	}})
	p := newPool(t, r.URL("connections=1"))
	const n = 20
	var noted []int // contents the relay had seen to the end at each Taken
	var mu sync.Mutex
	f := func() *flight {
		return &flight{onTaken: func(notifier.Receipt) error {
			mu.Lock()
			defer mu.Unlock()
			noted = append(noted, len(r.Messages()))
			return nil
		}}
	}
	var all []*sending
	for i := range n {
		all = append(all, start(t, p, mailTo(reader(i)), notifier.LaneBulk, f()))
	}
	r.WaitCommand("DATA", 1)
	close(hold)
	for _, s := range all {
		if _, err := s.wait(); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for i, ended := range noted {
		if ended != i+1 {
			t.Fatalf("when acknowledgement %d was noted, %d contents had ended: one more was in doubt", i+1, ended)
		}
	}
}

func TestAMessageThatMustNotBeginIsNotTransmitted(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=1"))
		gone := errors.New("the reader left")
		_, err := send(t, p, "reader@example.net", notifier.LaneIncident, &flight{onBegin: func(int) error { return gone }})
		if !errors.Is(err, gone) {
			t.Errorf("got %v; want Begin's own error", err)
		}
		mustSend(t, p, "other@example.net", notifier.LaneIncident)
		for _, c := range r.Commands() {
			if strings.Contains(c, "reader@") {
				t.Errorf("it was transmitted: %s", c)
			}
		}
		if r.Connections() != 1 {
			t.Errorf("%d connections; want the one", r.Connections())
		}
	})
}

func TestBeginIsAskedAgainWhenTheContentComesLateAndARefusalClosesTheConnection(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		c := newClock()
		late := true
		o.Answer = func(_ int, command string) string {
			if command == "DATA" && late {
				late = false
				c.forward(regretAfter + time.Millisecond)
			}
			return ""
		}
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=1"), func(o *PoolOptions) { o.Now = c.now })
		f := &flight{onBegin: func(n int) error {
			if n > 1 {
				return notifier.ErrNotStarted
			}
			return nil
		}}
		if _, err := send(t, p, "reader@example.net", notifier.LaneIncident, f); !errors.Is(err, notifier.ErrNotStarted) {
			t.Errorf("got %v; want ErrNotStarted", err)
		}
		if begun, taken := f.counts(); begun != 2 || taken != 0 {
			t.Errorf("Begin was called %d times, Taken %d times; want 2 and 0", begun, taken)
		}
		g := &flight{}
		if _, err := send(t, p, "other@example.net", notifier.LaneIncident, g); err != nil {
			t.Fatal(err)
		}
		if begun, _ := g.counts(); begun != 1 {
			t.Errorf("Begin was called %d times for a message that was quick", begun)
		}
		if m := r.Messages(); len(m) != 1 || m[0].To[0] != "other@example.net" || m[0].Connection != 2 {
			t.Errorf("arrived: %+v; want only the other, over a new connection", m)
		}
	})
}

func TestWhatCannotBeWrittenDownDoesNotGoOn(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=1"))
		full := errors.New("disk full")
		receipt, err := send(t, p, "reader@example.net", notifier.LaneIncident, &flight{onTaken: func(notifier.Receipt) error { return full }})
		if !errors.Is(err, full) || receipt.Remote != "4F3A2B1C" {
			t.Errorf("got %+v, %v; want Taken's own error with the receipt", receipt, err)
		}
		mustSend(t, p, "other@example.net", notifier.LaneIncident)
		if r.Connections() != 2 {
			t.Errorf("%d connections; want the first closed", r.Connections())
		}
	})
}

func TestARefusedRecipientIsAnsweredForAloneAndRSETFollows(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		o.Answer = script(map[string]string{"RCPT TO:<reader1@": "550-5.1.1 no such\r\n550 5.1.1 mailbox"})
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=1"))
		mustSend(t, p, reader(0), notifier.LaneIncident)
		f := &flight{}
		_, err := send(t, p, reader(1), notifier.LaneIncident, f)
		se := asSendError(t, err)
		if se.Fault != notifier.FaultRecipient || !se.Permanent || se.Code != 550 || se.Enhanced != "5.1.1" || se.Stage != stageRcpt || se.Receipt.Reply != "550 5.1.1 no such mailbox" {
			t.Errorf("got %+v", se)
		}
		if _, taken := f.counts(); taken != 0 {
			t.Error("Taken was called for a refusal")
		}
		mustSend(t, p, reader(2), notifier.LaneIncident)
		mustSend(t, p, reader(3), notifier.LaneIncident)
		resets := 0
		for _, c := range r.Commands() {
			if c == "RSET" {
				resets++
			}
		}
		if resets != 1 || r.Connections() != 1 || len(r.Messages()) != 3 {
			t.Errorf("%d RSET, %d connections, %d mails; want 1, 1, 3", resets, r.Connections(), len(r.Messages()))
		}
	})
}

func TestRefusalsInAPipelineConcernOnlyTheirOwnMessage(t *testing.T) {
	hold := make(chan struct{})
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		switch {
		case command == "DATA":
			<-hold
		case strings.HasPrefix(command, "RCPT") && strings.ContainsAny(command, "3579"):
			return "450 4.2.0 greylisted"
		}
		return ""
	}})
	const n = 10
	p := newPool(t, r.URL("connections=1"))
	for i, s := range burst(t, p, r, hold, n, notifier.LaneRoutine) {
		_, err := s.wait()
		if odd := strings.ContainsAny(reader(i), "3579"); odd != (err != nil) {
			t.Errorf("%s: %v", reader(i), err)
		} else if odd {
			if se := asSendError(t, err); se.Fault != notifier.FaultRecipient || se.Permanent {
				t.Errorf("%s: %+v", reader(i), se)
			}
		}
	}
	for _, m := range r.Messages() {
		if want := mailTo(m.To[0]); len(m.To) != 1 || string(m.Data) != string(want.Data) {
			t.Errorf("%v got %q", m.To, m.Data)
		}
	}
	if r.Connections() != 1 {
		t.Errorf("%d connections", r.Connections())
	}
}

func TestADATAWithoutRecipientsGetsASingleDotAndNoOneAMail(t *testing.T) {
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		switch {
		case strings.HasPrefix(command, "RCPT TO:<nobody"):
			return "550 5.1.1 no"
		case command == "DATA":
			return "354 if you must"
		}
		return ""
	}})
	p := newPool(t, r.URL("connections=1"))
	_, err := send(t, p, "nobody@example.net", notifier.LaneIncident, &flight{})
	if se := asSendError(t, err); se.Stage != stageRcpt {
		t.Error(err)
	}
	mustSend(t, p, "other@example.net", notifier.LaneIncident)
	for _, m := range r.Messages() {
		if len(m.To) == 0 && len(m.Data) > 0 {
			t.Errorf("content was sent to nobody: %q", m.Data)
		}
	}
}
