package faulttest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/textproto"
	"slices"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/fanout"
	"allclear/notifier/ledgertest"
	"allclear/notifier/outbox"
	"allclear/store"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// spine is the real outbox on a real store, with seams that can be made to lie.
// It is run in this process: the program has no switch that would make it lie.
type spine struct {
	s     *site
	db    *store.Store
	queue outbox.Queue
	// early: the sender says that a mail was taken before it is sent.
	early bool
}

// plainRenderer leaves the text to the sender.
type plainRenderer struct{}

func (plainRenderer) Render(_ context.Context, d notifier.Delivery) (*notifier.Message, error) {
	return &notifier.Message{Delivery: d.ID, Lane: d.Lane, Channel: d.Channel, To: d.Address, Letter: &notifier.Letter{Text: "-"}}, nil
}

// Send carries one mail to the ledger over a connection of its own.
func (x *spine) Send(_ context.Context, m *notifier.Message, f notifier.Flight) (notifier.Receipt, error) {
	if err := f.Begin(); err != nil {
		return notifier.Receipt{}, err
	}
	r := notifier.Receipt{Relay: "ledger"}
	if x.early {
		if err := f.Taken(r); err != nil {
			return r, err
		}
	}
	if err := x.transmit(m); err != nil {
		return r, &notifier.SendError{Fault: notifier.FaultRelay, Stage: "dot", Err: err}
	}
	if x.early {
		return r, nil
	}
	return r, f.Taken(r)
}

func (x *spine) transmit(m *notifier.Message) error {
	c, err := net.Dial("tcp", x.s.ledger.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	t := textproto.NewConn(c)
	link := subscribers.NewLinks(storetest.Secret()).Token(subscribers.ForUnsubscribe, subscribers.Number(m.Delivery.Reader()), time.Time{})
	for _, step := range []struct {
		say  string
		want int
	}{
		{"", 220}, {"EHLO control.test", 250}, {"MAIL FROM:<a@control.test>", 250}, {"RCPT TO:<" + m.To + ">", 250}, {"DATA", 354},
		{fmt.Sprintf("To: %s\r\nMessage-ID: <%s@control.test>\r\n\r\n%s\r\nhttp://h/unsubscribe/%s\r\n.", m.To, m.Delivery, x.s.marks[0], link), 250},
	} {
		if step.say != "" {
			if err := t.PrintfLine("%s", step.say); err != nil {
				return err
			}
		}
		if _, _, err := t.ReadResponse(step.want); err != nil {
			return err
		}
	}
	return nil
}

// run claims and sends until enough holds, then ends in order.
func (x *spine) run(journal *outbox.Journal, enough func() bool) {
	t := x.s.t
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	o := outbox.Options{
		Channel: notifier.Email, Queue: x.queue, Leases: x.db, Renderer: plainRenderer{}, Sender: x, Journal: journal, Now: x.db.Now, Log: log, Workers: connections,
		Dice: func() float64 { return 0 },
	}
	out := outbox.New(o)
	if err := out.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	fan := fanout.New(fanout.Options{Expander: x.db, Log: log})
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go fan.Run(ctx)
	go func() { ended <- out.Run(ctx) }()
	eventually(t, "enough was sent", func() bool {
		asked := x.db.Now()
		p, err := x.db.Pulse(t.Context())
		if err == nil {
			err = out.Pulse(t.Context(), p, asked)
		}
		if err != nil {
			t.Fatal(err)
		}
		return enough()
	})
	end()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// control tells twelve readers of one incident through a spine that change has
// tampered with, and returns what the check complains of. The relay refuses
// three of them at the first try, and the spine is started again after that.
func control(t *testing.T, change func(x *spine)) []ledgertest.Complaint {
	t.Helper()
	s := newSite(t, storetest.DSN(t, "sqlite"), 12)
	x := &spine{s: s, db: storetest.At(t, s.dsn)()}
	x.queue = x.db
	mark := s.mark()
	s.ledger.Says(mark, mark)
	p, err := notifier.Open(notifier.Announcement{Title: mark, Body: text(mark)}, notifier.Desk{Now: x.db.Now(), Zone: time.UTC, NewID: rand.Text})
	if err == nil {
		p, err = x.db.OpenIncident(t.Context(), p)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.ledger.Accepted(mark, p.Event.ID)
	counts := func(event string) (map[string]int64, error) {
		p, err := x.db.Progress(t.Context(), event)
		by := map[string]int64{}
		for state, n := range p.Counts {
			by[string(state)] = n
		}
		return by, err
	}
	var mu sync.Mutex
	refused := 0
	s.ledger.Before(func(ledgertest.Mail) string {
		mu.Lock()
		defer mu.Unlock()
		if refused++; refused <= 3 {
			return "451 4.3.0 not now"
		}
		return ""
	})
	folder := t.TempDir()
	run := func(enough func() bool) {
		journal, err := outbox.OpenJournal(folder, "control")
		if err != nil {
			t.Fatal(err)
		}
		defer journal.Close()
		x.run(journal, enough)
	}
	change(x)
	run(func() bool { return s.ledger.Count() >= 12 })
	x.queue = x.db
	storetest.Exec(t, s.dsn, `UPDATE deliveries SET due_at = 0 WHERE state = 'pending'`)
	run(func() bool {
		by, err := counts(p.Event.ID)
		return err == nil && by["sent"] == 12
	})
	return s.ledger.Complaints(ledgertest.Faults{Counts: counts})
}

func TestASpineThatKeepsItsWordLosesNobody(t *testing.T) {
	if found := control(t, func(*spine) {}); len(found) > 0 {
		t.Errorf("complaints of a spine without a fault: %v", found)
	}
}

// The control: had the program noted that a mail was taken before it was, the
// check would say so.
func TestAcknowledgedBeforeItIsSentIsLostAndTheCheckSaysSo(t *testing.T) {
	found := control(t, func(x *spine) { x.early = true })
	if !complains(found, ledgertest.Lost) || !complains(found, ledgertest.Miscounted) {
		t.Errorf("three readers were never told, and the complaints are %v", found)
	}
	t.Logf("as it must: %v", found)
}

// forgetful is a queue that says "settled" and commits nothing.
type forgetful struct{ outbox.Queue }

func (forgetful) Settle(context.Context, []notifier.Settlement) error { return nil }

// The control: had the store said "settled" before it was, the journal would
// have been emptied, and the check would say so.
func TestSettledBeforeItIsCommittedIsRepeatedAndTheCheckSaysSo(t *testing.T) {
	found := control(t, func(x *spine) { x.queue = forgetful{x.db} })
	if !complains(found, ledgertest.Repeated) || complains(found, ledgertest.Lost) {
		t.Errorf("nine readers were told twice without a fault, and the complaints are %v", found)
	}
	t.Logf("as it must: %v", found)
}

func complains(found []ledgertest.Complaint, k ledgertest.Kind) bool {
	return slices.ContainsFunc(found, func(c ledgertest.Complaint) bool { return c.Kind == k })
}
