package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"allclear/notifier"
	"allclear/store"
)

// bed is a database with followers, and a service on it in a process of its own.
type bed struct {
	a         *app
	c         *benchCmd
	g         *ground
	followers int
	token     string
	t         *tally
	measure   string       // the one that is being taken
	often     int          // how often what is told next was taken
	steps     map[int]step // what was sent to so many already
	// While the service runs:
	relay *sink
	child *child
	api   *benchAPI
}

// scaled is n, or what --subscribers allows.
func (b *bed) scaled(n int) int {
	if b.c.Subscribers > 0 {
		return min(n, b.c.Subscribers)
	}
	return n
}

// grow adds followers until there are n. No service runs meanwhile.
func (b *bed) grow(ctx context.Context, n int) error {
	b.rest()
	if n <= b.followers {
		return nil
	}
	db, err := store.Open(ctx, store.Options{DSN: b.g.dsn, Create: true, Secret: []byte(b.g.secret), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if b.token == "" {
		if b.token, err = furnish(ctx, db); err != nil {
			return errors.Join(err, db.Close())
		}
	}
	m := b.a.meter("followers", int64(n))
	err = benchFollowers(ctx, db, b.followers+1, n, nil, m.set)
	m.close()
	b.followers = n
	return errors.Join(err, db.Close())
}

// serve starts the service with n followers and a relay.
func (b *bed) serve(ctx context.Context, n int, signed bool, o sinkOptions) error {
	if err := b.grow(ctx, n); err != nil {
		return err
	}
	var err error
	if b.relay, err = newSink(o); err != nil {
		return err
	}
	settings := map[string]string{
		"DATABASE": b.g.dsn, "STATE": b.g.folder, "SECRET": b.g.secret, "NAME": demoName, "LISTEN": "127.0.0.1:0",
		"FROM": demoFrom, "RELAY": b.relay.url(), "SMTP_CONNECTIONS": fmt.Sprint(benchConnections), "BOUNCE_DOMAIN": "bounces." + demoDomain,
		"APPROVAL_ABOVE": "100000000",
	}
	if signed && !b.c.Unsigned {
		settings["DKIM"], settings["SIGNER"] = b.g.dkim, b.c.Signer
	}
	if b.child, err = b.a.startChild(ctx, settings); err != nil {
		return err
	}
	b.api = newBenchAPI(b.child.url, b.token)
	// What is asked for the first time costs more, and nobody's first question is measured.
	_, err = b.probe(ctx)
	return err
}

// rest ends the service.
func (b *bed) rest() {
	if b.child != nil {
		b.child.kill()
		b.child = nil
	}
	if b.relay != nil {
		b.relay.close()
		b.relay = nil
	}
}

// tell passes on what was found.
func (b *bed) tell(all ...figure) {
	for _, f := range all {
		f.Rounds = b.often
		b.t.add(b.measure, f)
	}
}

// probe posts an incident that concerns nobody, and tells how long that took.
func (b *bed) probe(ctx context.Context) (time.Duration, error) {
	what := benchIncident()
	what["severity"] = notifier.SeverityNone.String()
	began := time.Now()
	said, err := b.api.announce(ctx, what)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	_, err = b.api.until(ctx, said.EventID, 5*time.Millisecond, finished)
	return took, err
}

// post announces a post to everyone: work of a lower lane.
func (b *bed) post(ctx context.Context) (announced, error) {
	return b.api.announce(ctx, map[string]any{"title": "More room for attachments", "kind": "post", "body": "From today on a mail may weigh **70 MB**."})
}

// firstMail posts an incident to everyone and tells how long it takes until
// the relay has its first mail. Then it is withdrawn.
func (b *bed) firstMail(ctx context.Context) (float64, error) {
	what, word := benchIncident(), "bench-"+newID()
	what["title"] = word
	seen := b.relay.watch(word)
	began := time.Now()
	said, err := b.api.announce(ctx, what)
	if err != nil {
		return 0, err
	}
	patience := time.NewTimer(5 * time.Minute)
	defer patience.Stop()
	select {
	case at := <-seen:
		return ms(at.Sub(began)), b.api.withdraw(ctx, said)
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-patience.C:
		return 0, errors.New("no mail came within five minutes")
	}
}

// taken waits until the relay has n mails more than it had at from.
func (b *bed) taken(ctx context.Context, from, n int64) error {
	select {
	case <-b.relay.reached(from + n):
		return nil
	case <-b.child.gone:
		return fmt.Errorf("the service ended: %s", &b.child.said)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takenOnce is from how many followers on something is measured once, whatever
// --rounds says.
const takenOnce = 1_000_000

// times is how often something with n followers is measured.
func (b *bed) times(n int) int {
	if b.often = b.c.Rounds; n >= takenOnce {
		b.often = 1
	}
	return b.often
}

// rounds serves n followers anew as often as is wanted, takes a figure of each
// service, which has seen nothing yet, and answers the median.
func (b *bed) rounds(ctx context.Context, n int, signed bool, o sinkOptions, take func() (float64, error)) (float64, error) {
	var all []float64
	for range b.times(n) {
		b.rest()
		if err := b.serve(ctx, n, signed, o); err != nil {
			return 0, err
		}
		v, err := take()
		if err != nil {
			return 0, err
		}
		all = append(all, v)
	}
	b.rest()
	return middle(all), nil
}

// paced asks something again and again, one after the other, until it is
// enough. Each answer's time, in milliseconds, counts from the moment it was
// due: one that hangs keeps those behind it waiting, which is part of it.
func paced(ctx context.Context, every time.Duration, ask func() (enough bool, err error)) ([]float64, error) {
	var all []float64
	for due := time.Now(); ; due = due.Add(every) {
		wait := time.NewTimer(time.Until(due))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil, ctx.Err()
		}
		enough, err := ask()
		if err != nil {
			return nil, err
		}
		all = append(all, ms(time.Since(due)))
		if enough {
			return all, nil
		}
	}
}
