package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"allclear/notifier"
)

// Workers is how many messages an outbox should work on at once: those to
// endpoints that let their time run out are on their way for a long time.
const Workers = 256

// Options are what a Sender is made of.
type Options struct {
	Endpoints Endpoints        // mandatory; may offer Together; asked at most once a second for each
	Guard     *Guard           // mandatory
	Now       func() time.Time // mandatory
	Version   string           // of this program, for the user agent
	Link      string           // where whoever runs an endpoint can read who is calling; "" for none

	// Roots are the authorities that sign the certificates of endpoints; nil
	// means the system's.
	Roots *x509.CertPool
	// PerHost is how many posts to one host and port go at once; 0 means 32.
	PerHost int
	// Doubtful is how many posts go at once to endpoints whose last one failed,
	// all together; 0 means 32.
	Doubtful int
	// Moment is how long a message waits for a seat before it is given back; 0
	// means 250 ms.
	Moment time.Duration
	// Linger is how long the rest of an answer may take once its headers are
	// there; 0 means 2 s.
	Linger time.Duration
	// Within bounds one post, from the name's look-up to the answer; nil means 15 s.
	Within func(context.Context) (context.Context, context.CancelFunc)
}

// postTime is how long an endpoint may take.
const postTime = 15 * time.Second

// testsMost is how many test messages go at once: people wait for them, and
// anybody can ask for one.
const testsMost = 64

// Sender is the webhook channel's notifier.Sender.
type Sender struct {
	o         Options
	agent     string
	endpoints *recent
	seats     *seats
	lines     *lines
	tests     chan struct{}
}

var _ notifier.Sender = (*Sender)(nil)

// New makes a Sender. The caller closes it.
func New(o Options) *Sender {
	defaults(&o.PerHost, 32)
	defaults(&o.Doubtful, 32)
	defaults(&o.Moment, 250*time.Millisecond)
	defaults(&o.Linger, 2*time.Second)
	if o.Within == nil {
		o.Within = func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, postTime)
		}
	}
	agent := "allclear"
	if o.Version != "" {
		agent += "/" + o.Version
	}
	if o.Link != "" {
		agent += " (+" + o.Link + ")"
	}
	return &Sender{
		o: o, agent: agent,
		endpoints: newRecent(o.Endpoints, o.Now),
		seats:     newSeats(o.Now, o.Moment, o.PerHost, o.Doubtful),
		lines: newLines(o.Guard, &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: o.Roots, Time: o.Now,
			ClientSessionCache: tls.NewLRUClientSessionCache(256),
		}),
		tests: make(chan struct{}, testsMost),
	}
}

func defaults[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Close hangs up what is idle.
func (s *Sender) Close() { s.lines.close() }

// Send posts m to its reader's endpoint. A 2xx is success. A 410 says that the
// endpoint wants nothing more. Everything else is a temporary failure of the
// endpoint's, redirects and addresses that the guard refuses among it; a 429 or
// 503 may say when to come again. A message for which there is no seat is given
// back with a *notifier.NotBeforeError.
func (s *Sender) Send(ctx context.Context, m *notifier.Message, f notifier.Flight) (notifier.Receipt, error) {
	e, err := s.endpoints.get(ctx, m.Delivery.Reader())
	if err != nil {
		// The endpoint is not to blame, nor does it hear of it. One that is gone
		// takes its deliveries with it; until then they are held.
		fault := notifier.FaultRelay
		if errors.Is(err, notifier.ErrNotFound) {
			fault = notifier.FaultOurs
		}
		return notifier.Receipt{}, &notifier.SendError{Fault: fault, Stage: stageRender, Err: fmt.Errorf("look up the endpoint: %w", err)}
	}
	t, err := parseTarget(e.URL)
	if err != nil {
		return notifier.Receipt{}, &notifier.SendError{
			Fault: notifier.FaultRecipient, Stage: stageDial, Receipt: notifier.Receipt{Reply: err.Error()}, Err: err,
		}
	}
	if len(e.Secrets) == 0 && signed(e.Format) {
		return notifier.Receipt{}, &notifier.SendError{Fault: notifier.FaultOurs, Stage: stageRender, Err: errors.New("the endpoint has no secret to sign with")}
	}
	leave, err := s.seats.take(ctx, &e, t.address())
	if err != nil {
		return notifier.Receipt{}, err
	}
	r, what, err := s.post(ctx, &call{target: t, endpoint: &e, id: m.Delivery.String(), body: content(m), flight: f})
	leave(what)
	return r, err
}

// signed reports whether receivers of a format look at signatures; chats do not.
func signed(f notifier.Format) bool {
	return f == notifier.FormatStandard || f == notifier.FormatStatuspage || f == ""
}

// content is what m posts.
func content(m *notifier.Message) []byte {
	body := m.Letter.Body
	for i, b := range m.Letter.Blanks {
		if i < len(m.Fill) {
			body = bytes.ReplaceAll(body, []byte(b.Mark), []byte(m.Fill[i])) // never the Letter's own bytes
		}
	}
	return body
}

// Test posts a test message to e, at once and while the caller waits, whatever
// else is on its way. id is its webhook-id, without a dot. What became of it is
// in the Attempt alone, as its owner will see it.
func (s *Sender) Test(ctx context.Context, e notifier.Endpoint, id string, body []byte) notifier.Attempt {
	a := notifier.Attempt{Type: notifier.EndpointTest, At: s.o.Now(), State: notifier.Failed}
	t, err := parseTarget(e.URL)
	if err != nil {
		a.Trouble = err.Error()
		return a
	}
	select {
	case s.tests <- struct{}{}:
		defer func() { <-s.tests }()
	default:
		a.Trouble = "Too many tests are on their way; try again in a moment."
		return a
	}
	r, _, err := s.post(ctx, &call{target: t, endpoint: &e, id: id, body: body, flight: unbound{}})
	a.Status, a.Took, a.Answer = r.Status, r.Took, r.Answer
	switch {
	case err == nil:
		a.State = notifier.Sent
	case r.Status == 0:
		a.Trouble = r.Reply
	}
	return a
}

// unbound is the Flight of what no ledger knows of.
type unbound struct{}

func (unbound) Begin() error                 { return nil }
func (unbound) Taken(notifier.Receipt) error { return nil }
