package email

import (
	"context"
	"errors"
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
