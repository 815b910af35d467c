package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"allclear/notifier"
	"allclear/notifier/email"
	"allclear/notifier/email/signer"
	"allclear/store"
	"allclear/subscribers"
)

// benchConnections is what the service has by default.
const benchConnections = 8

// warmUp is how many mails go before the clock runs: skeletons are built,
// connections and statements made, and the planner knows the tables.
func warmUp(messages int) int { return min(max(messages/10, 1), 2000) }

// phase is what one of the runs came to.
type phase struct {
	took    time.Duration
	cpu     map[string]time.Duration
	own     time.Duration // all of cpu
	server  time.Duration // what the database server used, where it is seen
	machine time.Duration // what everything on this machine used meanwhile
	lasted  time.Duration // the phase, by the clock
	peak    int64         // bytes
}

// others is the CPU time of processes that have nothing to do with it.
func (p phase) others() time.Duration { return max(p.machine-p.own-p.server, 0) }

// disturbed is the share of the machine that others had.
func (p phase) disturbed() float64 {
	return p.others().Seconds() / (p.lasted.Seconds() * float64(runtime.NumCPU()))
}

// plus joins the two halves of a run.
func (p phase) plus(q phase) phase {
	sum := phase{took: p.took + q.took, cpu: map[string]time.Duration{}, own: p.own + q.own, server: p.server + q.server, machine: p.machine + q.machine, lasted: p.lasted + q.lasted, peak: max(p.peak, q.peak)}
	for _, part := range cpuParts() {
		sum.cpu[part] = p.cpu[part] + q.cpu[part]
	}
	return sum
}

// timed runs do on a heap that was swept, under the profiler. do tells how long
// what it measures took.
func timed(server databaseProcess, do func() (time.Duration, error)) (phase, error) {
	runtime.GC()
	debug.FreeOSMemory()
	forgetPeak()
	var p phase
	began, server0 := time.Now(), server.cpu()
	before, err := machineCPU()
	if err != nil {
		return p, err
	}
	if p.cpu, err = meterCPU(func() (err error) {
		p.took, err = do()
		return err
	}); err != nil {
		return p, err
	}
	after, err := machineCPU()
	if err != nil {
		return p, err
	}
	p.machine, p.server, p.lasted = after-before, server.cpu()-server0, time.Since(began)
	for _, d := range p.cpu {
		p.own += d
	}
	p.peak, _, err = memoryOf("self")
	return p, err
}

// measureRatio measures each loop before and after the pipeline, half of the
// mails each time, so that a machine that gets faster or slower does so for all.
func (c *benchCmd) measureRatio(a *app, g *ground, r *ratioReport) error {
	relay, err := newSink(sinkOptions{})
	if err != nil {
		return err
	}
	defer relay.close()
	p, err := c.program(a, g, relay)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(a.ctx)
	running := make(chan error, 1)
	go func() { running <- p.Run(ctx) }()
	err = c.measureBoth(a, p, relay, r)
	stop()
	if runErr := <-running; err == nil || errors.Is(err, context.Canceled) {
		err = errors.Join(err, runErr)
	}
	return errors.Join(err, p.Close())
}

func (c *benchCmd) measureBoth(a *app, p *Program, relay *sink, r *ratioReport) error {
	line, server := &pipeline{p: p, relay: relay}, databaseServer(p.o.settings.Database)
	warm := warmUp(c.Messages)
	m := a.meter("followers", int64(c.Messages))
	defer m.close()
	if err := line.open(a.ctx); err != nil {
		return err
	}
	// The first followers are told of something before the others come.
	if err := benchFollowers(a.ctx, p.db, 1, warm, nil, m.set); err != nil {
		return err
	}
	if _, err := line.run(a.ctx, warm, nil); err != nil {
		return err
	}
	if err := benchFollowers(a.ctx, p.db, warm+1, c.Messages, nil, m.set); err != nil {
		return err
	}
	loops, err := c.loops(a.ctx, p)
	defer func() {
		for _, l := range loops {
			l.close()
		}
	}()
	if err != nil {
		return err
	}
	for _, l := range loops {
		if _, err := l.run(a.ctx, 0, warm, nil); err != nil {
			return err
		}
	}
	if p.mail.signer != "" {
		r.Signer = string(p.mail.signer)
	}
	r.loops, r.unseen = make([]loopPhase, len(loops)), server.unseen()
	m = a.meter("mails", int64(c.Messages)*int64(1+len(loops)))
	defer m.close()
	begun := relay.taken.Load()
	tell := func() { m.set(relay.taken.Load() - begun) }
	turn := func(i, from, to int) error {
		half, err := timed(server, func() (time.Duration, error) { return loops[i].run(a.ctx, from, to, tell) })
		r.loops[i] = loopPhase{loops[i].name, r.loops[i].plus(half)}
		return err
	}
	half := (c.Messages + 1) / 2
	for i := range loops {
		if err := turn(i, 0, half); err != nil {
			return err
		}
	}
	sent := relay.bytes.Load()
	if r.pipeline, err = timed(server, func() (time.Duration, error) { return line.run(a.ctx, c.Messages, tell) }); err != nil {
		return err
	}
	r.size = (relay.bytes.Load() - sent) / int64(c.Messages)
	for i := range slices.Backward(loops) {
		if err := turn(i, half, c.Messages); err != nil {
			return err
		}
	}
	return nil
}

// loops are the bare loops that the pipeline is compared with, the one that
// counts first. After an error those that were made are there to be closed.
func (c *benchCmd) loops(ctx context.Context, p *Program) ([]*bareLoop, error) {
	l, err := newBareLoop(ctx, p, c.Messages)
	if err != nil {
		return nil, err
	}
	all := []*bareLoop{l}
	if err := l.open(byEveryone, byGoMsgauth); err != nil || c.Unsigned {
		return all, err
	}
	ours := l.twin()
	all = append(all, ours)
	if err := ours.open(byUs, func(*email.CompositorOptions) {}); err != nil || p.mail.signer != signer.Libcrypto {
		return all, err
	}
	slow := l.twin()
	return append(all, slow), slow.open(byGo, func(o *email.CompositorOptions) {
		byGoMsgauth(o)
		o.Signers, _, _ = email.ParseKeys(p.o.settings.DKIM) // as they were read before
	})
}

// How the bare loops differ.
const (
	byEveryone = "bare loop"
	byUs       = "loop with our signer"
	byGo       = "loop with Go's RSA"
)

// byGoMsgauth is how the loop that counts signs: with what everyone has.
func byGoMsgauth(o *email.CompositorOptions) { o.GoMsgauth = true }

// program is the true service on the bench's own settings.
func (c *benchCmd) program(a *app, g *ground, relay *sink) (*Program, error) {
	level := slog.LevelWarn
	if c.Unsigned {
		level = slog.LevelError // that mail goes out unsigned is what was asked for
	}
	log, err := logger(a.err, "", level)
	if err != nil {
		return nil, err
	}
	s := Settings{
		Storage:   Storage{Base: Base{Database: g.dsn}, State: g.folder, Secret: g.secret},
		Site:      Site{Name: demoName, Language: "en", Clock: Clock{Timezone: "UTC"}},
		Mail:      Mail{From: demoFrom, Relay: relay.url(), SMTPConnections: fmt.Sprint(benchConnections), DKIM: g.dkim, Signer: c.Signer, BounceDomain: "bounces." + demoDomain},
		Listening: Listening{Listen: "127.0.0.1:0"},
	}
	if c.Unsigned {
		s.DKIM = ""
	}
	return newProgram(a.ctx, programOptions{settings: s, env: a.env, log: slog.New(untilDone{log.Handler(), a.ctx})})
}

// benchReader is the n-th reader's address.
func benchReader(n int) string { return fmt.Sprintf("reader%07d@example.net", n) }

// benchFollowers adds the readers from first to last, all alike, so that
// everyone gets the same letter.
func benchFollowers(ctx context.Context, db *store.Store, first, last int, change func(*subscribers.Subscriber), progress func(int64)) error {
	batch := make([]subscribers.Subscriber, 0, 5000)
	for i := first; i <= last; i++ {
		batch = append(batch, subscribers.Subscriber{
			Channel: notifier.Email, Address: benchReader(i), State: subscribers.Active, Cadence: subscribers.Instant,
			Filter:    subscribers.Filter{Severity: notifier.SeverityMinor}, // what is less concerns nobody
			CreatedAt: db.Now(), ConfirmedAt: db.Now(),
		})
		if change != nil {
			change(&batch[len(batch)-1])
		}
		if len(batch) < cap(batch) && i < last {
			continue
		}
		_, errs, err := db.ImportSubscribers(ctx, batch, nil)
		if err = errors.Join(append(errs, err)...); err != nil {
			return fmt.Errorf("add readers: %w", err)
		}
		batch = batch[:0]
		progress(int64(i))
	}
	return nil
}
