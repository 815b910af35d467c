package email

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

// composerFunc is a Composer for a test.
type composerFunc func(*notifier.Message) (Envelope, error)

func (f composerFunc) Compose(m *notifier.Message) (Envelope, error) { return f(m) }

func TestSendComposesAndSends(t *testing.T) {
	s := emailtest.NewServer(t, emailtest.Options{})
	p := newPool(t, s.URL("tls=off"))
	sender := NewSender(composerFunc(func(m *notifier.Message) (Envelope, error) { return mailTo(m.To), nil }), p)
	f := &flight{}
	receipt, err := sender.Send(context.Background(), &notifier.Message{To: "reader@example.net", Lane: notifier.LaneConfirm}, f)
	if err != nil || receipt.Relay != s.Addr || receipt.Reply == "" {
		t.Errorf("%+v, %v", receipt, err)
	}
	if begun, taken := f.counts(); begun != 1 || taken != 1 {
		t.Errorf("begun %d times, taken %d times", begun, taken)
	}
	if m := s.WaitFor(1)[0]; m.To[0] != "reader@example.net" {
		t.Errorf("%+v", m)
	}
}

func TestAMailThatCannotBeComposedNeverReachesARelay(t *testing.T) {
	s := emailtest.NewServer(t, emailtest.Options{})
	p := newPool(t, s.URL("tls=off"))
	cause := errors.New("no such template")
	theirs := &notifier.SendError{Fault: notifier.FaultRecipient, Permanent: true, Stage: "render"}
	for _, c := range []struct {
		err   error
		fault notifier.Fault
	}{{cause, notifier.FaultOurs}, {theirs, notifier.FaultRecipient}} {
		sender := NewSender(composerFunc(func(*notifier.Message) (Envelope, error) { return Envelope{}, c.err }), p)
		f := &flight{}
		_, err := sender.Send(context.Background(), &notifier.Message{To: "reader@example.net", Lane: notifier.LaneConfirm}, f)
		if se := asSendError(t, err); se.Fault != c.fault || se.Stage != "render" || !errors.Is(err, c.err) {
			t.Errorf("%v: %+v", c.err, se)
		}
		if begun, _ := f.counts(); begun != 0 {
			t.Error("it was begun")
		}
	}
	if s.Connections() != 0 {
		t.Error("a relay was asked")
	}
}

func TestWhatIsUnfitForTheWireNeverReachesARelay(t *testing.T) {
	s := emailtest.NewServer(t, emailtest.Options{})
	p := newPool(t, s.URL("tls=off"))
	for _, e := range []Envelope{
		{From: "s@example.com", To: "x@y.test> NOTIFY=NEVER", Data: []byte("a\r\n")},
		{From: "s@example.com>\r\nRCPT TO:<z@y.test", To: "x@y.test", Data: []byte("a\r\n")},
		{From: "s@example.com", To: "x@y.test", Data: []byte("a\r\n.\nMAIL FROM:<b@y.test>\r\n")},
	} {
		f := &flight{}
		_, err := p.Send(context.Background(), e, notifier.LaneBulk, f)
		if se := asSendError(t, err); !se.Permanent {
			t.Errorf("%+v", se)
		}
		if begun, _ := f.counts(); begun != 0 {
			t.Error("it was begun")
		}
	}
	if s.Connections() != 0 {
		t.Error("a relay was asked")
	}
}

// keeper is a Composer that wants to know when the memory of a mail is free.
type keeper struct {
	composerFunc
	mu   sync.Mutex
	free []string // recipients
}

func (k *keeper) release(e Envelope) {
	clear(e.Data) // whoever reads it now reads nonsense
	k.mu.Lock()
	defer k.mu.Unlock()
	k.free = append(k.free, e.To)
}

func (k *keeper) freed(to string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.free, to)
}

func TestTheMemoryOfAMailIsFreeOnceNoConnectionHasIt(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		o.Answer = func(_ int, command string) string {
			if command == "RCPT TO:<"+reader(1)+">" {
				return "550 5.1.1 no such mailbox"
			}
			return ""
		}
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=1"))
		k := &keeper{composerFunc: func(m *notifier.Message) (Envelope, error) {
			e := mailTo(m.To)
			if m.To == reader(2) {
				e.Data = []byte("a bare\nline feed\r\n")
			}
			return e, nil
		}}
		sender := NewSender(k, p)
		for i := range 3 { // one is taken, one refused, and one not fit to be sent
			_, err := sender.Send(context.Background(), &notifier.Message{To: reader(i), Lane: notifier.LaneBulk}, &flight{})
			if (err == nil) != (i == 0) || !k.freed(reader(i)) {
				t.Errorf("mail %d: %v, free: %t", i, err, k.freed(reader(i)))
			}
		}
		gone, leave := context.WithCancel(context.Background())
		leave()
		if _, err := sender.Send(gone, &notifier.Message{To: reader(3), Lane: notifier.LaneBulk}, &flight{}); !errors.Is(err, notifier.ErrNotStarted) || !k.freed(reader(3)) {
			t.Errorf("one that never found a connection: %v", err)
		}
		if m := r.Messages(); len(m) != 1 || !bytes.Equal(m[0].Data, mailTo(reader(0)).Data) {
			t.Errorf("%d mails arrived, or another than was sent", len(m))
		}
	})
}

func TestTheMemoryOfAMailIsNotFreeWhileAConnectionMayReadIt(t *testing.T) {
	hold, dot := make(chan struct{}), make(chan struct{})
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		switch command {
		case "DATA":
			<-hold
		case emailtest.Dot:
			<-dot
		}
		return ""
	}})
	p := newPool(t, r.URL("connections=1"))
	k := &keeper{composerFunc: func(m *notifier.Message) (Envelope, error) { return mailTo(m.To), nil }}
	sender := NewSender(k, p)
	first := start(t, p, mailTo(reader(0)), notifier.LaneRoutine, &flight{})
	r.WaitCommand("DATA", 1)
	f := &flight{}
	ctx, leave := context.WithCancel(context.Background())
	left := make(chan error, 1)
	go func() {
		_, err := sender.Send(ctx, &notifier.Message{To: reader(1), Lane: notifier.LaneRoutine}, f)
		left <- err
	}()
	waitFor(t, "the second to wait", func() bool { return p.relays[0].doors[ordinaryDoor].waiting.Load() == 1 })
	close(hold)
	waitFor(t, "the second behind the first's dot", func() bool { n, _ := f.counts(); return n == 1 })
	leave()
	if err := <-left; !errors.Is(err, notifier.ErrNotStarted) {
		t.Errorf("got %v; want ErrNotStarted", err)
	}
	if k.freed(reader(1)) {
		t.Error("free, with its envelope on a connection that may go on to its content")
	}
	close(dot)
	if _, err := first.wait(); err != nil {
		t.Error(err)
	}
}

func TestMemoryThatIsUsedAgainHoldsTheMailOfItsReaderOnly(t *testing.T) {
	for name, change := range map[string]func(*CompositorOptions){
		"unsigned": func(*CompositorOptions) {},
		"signed": func(o *CompositorOptions) { // by Ed25519, which is quick
			o.Signers = slices.DeleteFunc(sampleKeys(t), func(k Key) bool { return k.Selector != "e1" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := emailtest.NewRaw(t, emailtest.RawOptions{})
			p := newPool(t, r.URL("connections=4"))
			short, long := sampleLetter(), longLetter()
			message := func(i int) *notifier.Message {
				m := sampleMessage([]*notifier.Letter{short, long}[i%2])
				m.Delivery, m.To = notifier.MakeDeliveryID(7, int64(i+1)), reader(i)
				return m
			}
			c := sampleCompositor(t, change)
			sender := NewSender(c, p)
			var all sync.WaitGroup
			for worker := range 8 {
				all.Go(func() {
					for i := worker; i < 200; i += 8 {
						if _, err := sender.Send(context.Background(), message(i), &flight{}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			want := map[string][]byte{}
			for i := range 200 {
				want[reader(i)] = composedBy(t, c, message(i))
			}
			if len(r.Messages()) != len(want) {
				t.Errorf("%d mails arrived; want %d", len(r.Messages()), len(want))
			}
			for _, m := range r.Messages() {
				if !bytes.Equal(m.Data, want[m.To[0]]) {
					t.Fatalf("%s got another mail", m.To[0])
				}
			}
		})
	}
}

func composedBy(t *testing.T, c *Compositor, m *notifier.Message) []byte {
	t.Helper()
	e, err := c.Compose(m)
	if err != nil {
		t.Fatal(err)
	}
	return e.Data
}
