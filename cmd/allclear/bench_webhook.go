package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"allclear/notifier"
	"allclear/notifier/webhook"
	"allclear/store"
	"allclear/subscribers"
)

// swallowPosts is an endpoint that takes everything: it skips a request's
// header and body and says 204.
func (s *sink) swallowPosts(c net.Conn) {
	in := bufio.NewReaderSize(c, 64<<10)
	for {
		size := 0
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			s.bytes.Add(int64(len(line)))
			if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
				break
			}
			if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("Content-Length")) {
				size, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
			}
		}
		if _, err := in.Discard(size); err != nil {
			return
		}
		s.bytes.Add(int64(size))
		s.took()
		if _, err := io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n"); err != nil {
			return
		}
	}
}

// benchHook is the URL of the n-th endpoint of a sink.
func (s *sink) hook(n int) string { return fmt.Sprintf("http://%s/hook/%07d", s.listener.Addr(), n) }

// webhooks compares the posts of a bare loop, the same sender without a
// database, with those of the whole pipeline.
func (c *benchCmd) webhooks(a *app) error {
	return a.onGround("bench", c.Database, func(g *ground) error {
		r := &ratioReport{Messages: c.Messages, Signed: true, Signer: "hmac-sha256", says: g.says, dialect: g.dialect()}
		if err := c.measureWebhooks(a, g, r); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a.out, r.json())
		}
		return r.printPosts(a.out)
	})
}

func (c *benchCmd) measureWebhooks(a *app, g *ground, r *ratioReport) error {
	ends, err := newSink(sinkOptions{posts: true})
	if err != nil {
		return err
	}
	defer ends.close()
	log, err := logger(a.err, "", slog.LevelError)
	if err != nil {
		return err
	}
	p, err := newProgram(a.ctx, programOptions{settings: Settings{
		Storage:   Storage{Base: Base{Database: g.dsn}, State: g.folder, Secret: g.secret},
		Site:      Site{Name: demoName, Language: "en", Clock: Clock{Timezone: "UTC"}},
		Mail:      Mail{From: demoFrom, Relay: mailboxRelay, SMTPConnections: "1"},
		Doors:     Doors{WebhookAllow: "127.0.0.0/8"},
		Listening: Listening{Listen: "127.0.0.1:0"},
	}, env: a.env, log: slog.New(untilDone{log.Handler(), a.ctx})})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(a.ctx)
	running := make(chan error, 1)
	go func() { running <- p.Run(ctx) }()
	err = c.comparePosts(a, p, ends, r)
	stop()
	if runErr := <-running; err == nil || errors.Is(err, context.Canceled) {
		err = errors.Join(err, runErr)
	}
	return errors.Join(err, p.Close())
}

func (c *benchCmd) comparePosts(a *app, p *Program, ends *sink, r *ratioReport) error {
	line, server, warm := &pipeline{p: p, relay: ends}, databaseServer(p.o.settings.Database), warmUp(c.Messages)
	m := a.meter("endpoints", int64(c.Messages))
	defer m.close()
	if err := line.open(a.ctx); err != nil {
		return err
	}
	if err := benchEndpoints(a.ctx, p.db, ends, 1, warm, m.set); err != nil {
		return err
	}
	if _, err := line.run(a.ctx, warm, nil); err != nil {
		return err
	}
	if err := benchEndpoints(a.ctx, p.db, ends, warm+1, c.Messages, m.set); err != nil {
		return err
	}
	loop, err := newPostLoop(a.ctx, p, ends)
	if err != nil {
		return err
	}
	defer loop.sender.Close()
	if _, err := loop.run(a.ctx, 0, warm, nil); err != nil {
		return err
	}
	m = a.meter("posts", 2*int64(c.Messages))
	defer m.close()
	begun, half := ends.taken.Load(), (c.Messages+1)/2
	tell := func() { m.set(ends.taken.Load() - begun) }
	bare := loopPhase{name: byEveryone}
	turn := func(from, to int) error {
		part, err := timed(server, func() (time.Duration, error) { return loop.run(a.ctx, from, to, tell) })
		bare.phase = bare.plus(part)
		return err
	}
	if err := turn(0, half); err != nil {
		return err
	}
	sent := ends.bytes.Load()
	if r.pipeline, err = timed(server, func() (time.Duration, error) { return line.run(a.ctx, c.Messages, tell) }); err != nil {
		return err
	}
	r.size, r.unseen = (ends.bytes.Load()-sent)/int64(c.Messages), server.unseen()
	if err := turn(half, c.Messages); err != nil {
		return err
	}
	r.loops = []loopPhase{bare}
	return nil
}

// benchEndpoints adds the endpoints from first to last.
func benchEndpoints(ctx context.Context, db *store.Store, ends *sink, first, last int, progress func(int64)) error {
	batch := make([]subscribers.Subscriber, 0, 2000)
	for i := first; i <= last; i++ {
		batch = append(batch, subscribers.Subscriber{
			Channel: notifier.Webhook, Address: ends.hook(i), Contact: "ops@example.net", Format: notifier.FormatStandard,
			State: subscribers.Active, Cadence: subscribers.Instant, CreatedAt: db.Now(), ConfirmedAt: db.Now(),
		})
		if len(batch) < cap(batch) && i < last {
			continue
		}
		_, errs, err := db.ImportSubscribers(ctx, batch, nil)
		if err = errors.Join(append(errs, err)...); err != nil {
			return fmt.Errorf("add endpoints: %w", err)
		}
		// Their secrets are made when they are first looked at.
		numbers := make([]int64, len(batch))
		for k := range numbers {
			numbers[k] = int64(i - k)
		}
		if _, err := db.EndpointsOf(ctx, numbers); err != nil {
			return fmt.Errorf("make secrets: %w", err)
		}
		batch = batch[:0]
		progress(int64(i))
	}
	return nil
}

// postLoop posts as fast as the sender can, to endpoints it has in memory.
type postLoop struct {
	sender *webhook.Sender
	letter *notifier.Letter
}

// theSinks are endpoints that nobody has to look up.
type theSinks struct {
	ends   *sink
	secret notifier.Secret
}

func (m theSinks) Endpoint(_ context.Context, reader int64) (notifier.Endpoint, error) {
	return notifier.Endpoint{
		Reader: reader, URL: m.ends.hook(int(reader)), Format: notifier.FormatStandard, Secrets: []notifier.Secret{m.secret}, Concurrency: 4,
	}, nil
}

func newPostLoop(ctx context.Context, p *Program, ends *sink) (*postLoop, error) {
	m, err := p.set.Renderer().Render(ctx, notifier.Delivery{
		ID: notifier.MakeDeliveryID(1, 1), Lane: notifier.LaneIncident, Channel: notifier.Webhook, Format: notifier.FormatStandard,
		Address: ends.hook(1), Since: 1, AcceptedAt: p.db.Now(),
	})
	if err != nil {
		return nil, err
	}
	guard, err := p.o.settings.guard(p.base)
	if err != nil {
		return nil, err
	}
	return &postLoop{letter: m.Letter, sender: webhook.New(webhook.Options{
		Endpoints: theSinks{ends, notifier.MakeSecret(make([]byte, notifier.SecretSize))}, Guard: guard, Now: p.db.Now,
	})}, nil
}

// run posts to the endpoints behind from, up to to.
func (l *postLoop) run(ctx context.Context, from, to int, tell func()) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		next    atomic.Int64
		callers sync.WaitGroup
		once    sync.Once
		failed  error
	)
	next.Store(int64(from))
	began := time.Now()
	for range 32 {
		callers.Go(func() {
			for i := next.Add(1); i <= int64(to); i = next.Add(1) {
				_, err := l.sender.Send(ctx, &notifier.Message{
					Delivery: notifier.MakeDeliveryID(1, i), Lane: notifier.LaneIncident, Channel: notifier.Webhook, Letter: l.letter,
				}, freeFlight{})
				if err != nil {
					once.Do(func() { failed = err })
					cancel()
					return
				}
			}
		})
	}
	stop := ticking(tell)
	callers.Wait()
	took := time.Since(began)
	stop()
	return took, failed
}

func (r *ratioReport) printPosts(w io.Writer) error {
	fmt.Fprintf(w, "%s of %.1f kB, signed by %s\n  database  %s\n\n", plural(int64(r.Messages), "post"), float64(r.size)/1000, r.Signer, r.says)
	t := newTable("what", ">posts/s", ">took", ">CPU")
	for _, x := range []loopPhase{r.loops[0], {"pipeline", r.pipeline}} {
		t.add(x.name, count(int64(r.rate(x.phase))), seconds(x.took.Seconds()), seconds(x.own.Seconds()))
	}
	if err := t.print(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nratio  %.2f: the pipeline's rate to the bare loop's\n\n", r.ratio())
	speed := plainFigure("pipeline", "posts/s", r.rate(r.pipeline))
	if r.dialect == "postgres" {
		speed = atLeast(speed.What, speed.Unit, 5_000, speed.Value)
	}
	fmt.Fprintf(w, figureLine, "TARGETS", "TARGET", "MEASURED", "")
	speed.print(w)
	return nil
}
