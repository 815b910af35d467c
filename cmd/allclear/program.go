package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"allclear/notifier"
	"allclear/notifier/alarm"
	"allclear/notifier/digest"
	"allclear/notifier/email"
	"allclear/notifier/email/mailbox"
	"allclear/notifier/fanout"
	"allclear/notifier/sms"
	"allclear/notifier/webhook"
	"allclear/store"
	"allclear/subscribers"
	"allclear/templates"
)

// How long an orderly end may take: what is in flight first (then what it came
// to is settled, within 3 s), and all of it.
const (
	drainFlights = 15 * time.Second
	drainAll     = 20 * time.Second
)

// programOptions say which program is to be made.
type programOptions struct {
	settings Settings
	env      *environment
	log      *slog.Logger
	// worker: deliveries only, on a database that is there already.
	worker bool
	// now is the clock; nil is the system's, set right by PostgreSQL's.
	now func() time.Time
	// within bounds one post to an endpoint; nil is the 15 seconds that are promised.
	within func(context.Context) (context.Context, context.CancelFunc)
	// box are the built-in catcher's options, where the relay is mailbox:.
	box mailbox.Options
	// lookupMX asks DNS who takes a domain's mail; nil asks nobody.
	lookupMX func(ctx context.Context, domain string) ([]*net.MX, error)
	// lookupTXT asks DNS for the records of DKIM keys; nil asks nobody.
	lookupTXT func(ctx context.Context, name string) ([]string, error)
}

// Program is the service: all of it, or a worker's part. newProgram opens what
// it needs, Run serves until its context ends, Close lets go of everything.
type Program struct {
	o        programOptions
	db       *store.Store
	mail     *mailRoom
	words    *wording
	set      *templates.Live
	links    *subscribers.Links
	secret   []byte
	pool     *email.Pool
	mailer   notifier.Sender
	doors    []*door
	hooks    *webhook.Sender
	guard    *webhook.Guard
	phones   *sms.Setting // nil: there is no gateway
	intake   *sms.Intake
	fan      *fanout.Fanout
	digests  *digest.Maker
	watch    *watch
	lost     *lostLinks
	signUps  *signUps
	alarms   *alarm.Teller // nil: nobody is to be told
	short    shortOfTexts
	metrics  *metrics
	servers  []*server
	base     string
	draining atomic.Bool
	posted   atomic.Int64 // moves when staff may have changed what the public pages show
}

// newProgram checks the settings, then opens database, journal, relays and
// listeners. After an error nothing is left open.
func newProgram(ctx context.Context, o programOptions) (*Program, error) {
	p := &Program{o: o}
	s := &o.settings
	if err := p.check(); err != nil {
		return nil, err
	}
	var err error
	if p.mail, err = s.readMail(s.Name, o.log); err != nil {
		return nil, err
	}
	// A broken template is told before anything is made.
	if _, err := s.Site.set("http://localhost", nil, nil, time.Now); err != nil {
		return nil, err
	}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// check reads all settings before anything is opened.
func (p *Program) check() error {
	s := &p.o.settings
	pg, err := s.postgres()
	if err != nil {
		return err
	}
	if err := s.Site.check(); err != nil {
		return err
	}
	if s.Listen != "" || !p.o.worker {
		if err := listenAddress("LISTEN", s.Listen); err != nil {
			return err
		}
	}
	if s.MetricsListen != "" {
		if err := listenAddress("METRICS_LISTEN", s.MetricsListen); err != nil {
			return err
		}
	}
	if _, err := s.guard(""); err != nil {
		return err
	}
	if _, err := s.sms(); err != nil {
		return err
	}
	if _, err := s.Owning.domains(); err != nil {
		return err
	}
	if _, err := s.alert(); err != nil {
		return err
	}
	if _, err := s.proxies(); err != nil {
		return err
	}
	if _, err := s.retention(); err != nil {
		return err
	}
	if _, err := s.audienceRetention(); err != nil {
		return err
	}
	if _, err := s.above(); err != nil {
		return err
	}
	if _, err := s.hour(); err != nil {
		return err
	}
	if _, err := s.holdDown(); err != nil {
		return err
	}
	if _, err := s.reminders(); err != nil {
		return err
	}
	if s.Secret != "" && len(s.Secret) < minSecret {
		_, _, err := s.secret(p.o.env)
		return err
	}
	if !p.o.worker {
		return nil
	}
	switch {
	case !pg:
		return &usageError{"a worker needs PostgreSQL; on SQLite serve does everything in one process"}
	case s.BaseURL == "":
		return wrong("BASE_URL", "is not set; a worker writes links into mails and does not know where serve is")
	case s.Relay == mailboxRelay:
		return wrong("RELAY", "is mailbox:, which lives inside serve; a worker needs a relay that both reach")
	}
	return nil
}

func (p *Program) open(ctx context.Context) error {
	s, log := &p.o.settings, p.o.log
	secret, from, err := s.secret(p.o.env)
	if err != nil {
		return err
	}
	p.db, err = store.Open(ctx, store.Options{DSN: s.Database, Create: !p.o.worker, Secret: secret, Now: p.o.now, Log: log})
	if err != nil {
		return databaseError(err)
	}
	if from != secretSet && p.db.Dialect() == "postgres" {
		log.Warn("ALLCLEAR_SECRET is not set: the one in the state folder is used, and every other process on this database needs the same")
	}
	if from == secretMade {
		sent, _, err := p.db.Deliveries(ctx, notifier.DeliveryQuery{State: notifier.Sent, Limit: 1})
		if err != nil {
			return err
		}
		if len(sent) > 0 {
			log.Warn("a new secret was made, but mails were sent with an older one: every link in them is dead; if the old secret is anywhere, stop, put it back and start again")
		}
	}
	if len(p.mail.keys) == 0 && s.Relay != mailboxRelay {
		log.Warn("ALLCLEAR_DKIM is not set: mail goes out unsigned, and many providers refuse it or take it for junk; allclear dkim generate makes a key")
	}
	p.secret, p.links = secret, subscribers.NewLinks(secret)
	if err := p.listen(ctx); err != nil {
		return err
	}
	p.metrics = newMetrics(p.db.Depths, p.db.Now)
	p.o.box.Now, p.o.box.Log = p.db.Now, log
	if err := p.mail.catch(s.Relay, p.o.box); err != nil {
		return err
	}
	if err := p.deliver(ctx); err != nil {
		return err
	}
	if err := p.recoverDoors(ctx); err != nil {
		return err
	}
	if err := p.mount(ctx); err != nil {
		return err
	}
	return p.agreeOnDigests(ctx)
}

// deliver builds what carries an event to its readers.
func (p *Program) deliver(ctx context.Context) error {
	s, log := &p.o.settings, p.o.log
	var err error
	o, err := s.Site.options(p.base, p.db, links{p.links}, p.db.Now)
	if err != nil {
		return err
	}
	if p.words, err = newWording(ctx, p.db, o, log); err != nil {
		return err
	}
	p.set = p.words.live
	compositor, err := p.mail.compositor(p.links, s.Name, p.db.Now)
	if err != nil {
		return err
	}
	for _, w := range compositor.Warnings() {
		log.Warn("mail", "warning", w)
	}
	for _, r := range p.mail.relays {
		p.metrics.RelayChanged(r.Name, email.RelayWorking, nil) // told before there is a change, for alerts
	}
	if p.pool, err = p.mail.pool(newRelayNews(p.metrics, log, p.db.Now), nil, p.db.Now); err != nil {
		return err
	}
	p.mailer = email.NewSender(compositor, p.pool)
	if err := p.openDoor(ctx, notifier.Email, p.mailer, p.pool.Capacity()); err != nil {
		return err
	}
	if err := p.openHooks(ctx); err != nil {
		return err
	}
	if err := p.openPhones(ctx); err != nil {
		return err
	}
	p.fan = fanout.New(fanout.Options{Expander: p.db, Log: log, Made: func(s notifier.Slice) {
		p.metrics.made.WithLabelValues(s.Lane.String()).Add(float64(s.Made))
		p.nudgeDoors()
	}})
	if err := p.openDigests(ctx); err != nil {
		return err
	}
	if err := p.openOwn(ctx); err != nil {
		return err
	}
	p.lost = newLostLinks(&lostLinks{send: p.db.SendLink, sent: p.fan.Nudge, now: p.db.Now, log: log})
	mx := &noMail{lookup: p.o.lookupMX, now: p.db.Now}
	p.signUps = newSignUps(signUps{
		due: p.db.DueSignUps, drop: p.db.DropSignUps, noMail: mx.among,
		answer: p.db.AnswerSignUps, forget: p.db.ForgetUnconfirmed, forgetMoves: p.db.ForgetMoves, endFollowed: p.db.EndFollowed, now: p.db.Now, log: log, asked: func() { p.watch.nudge() }, count: p.metrics.signUps,
	})
	p.watch = newWatch(watch{pulse: p.db.Pulse, tell: p.pulsed, now: p.db.Now, log: log})
	return p.openAlarms()
}

// pulsed passes the database's answer on.
func (p *Program) pulsed(ctx context.Context, pulse notifier.Pulse, asked time.Time) error {
	var relays []string
	for _, x := range pulse.Pauses {
		if x.Scope == notifier.PauseRelay {
			relays = append(relays, x.Key)
		}
	}
	p.pool.SetPaused(relays)
	p.words.heard(pulse.Templates)
	p.fan.Nudge()
	return p.pulseDoors(ctx, pulse, asked)
}

// databaseError gives a bad address the name of its setting.
func databaseError(err error) error {
	var inv *notifier.Invalid
	if errors.As(err, &inv) && inv.Field == "database" {
		return wrongBy("DATABASE", err)
	}
	return err
}

// URL is where the service answers; "" for a worker that does not.
func (p *Program) URL() string {
	for _, s := range p.servers {
		if s.main {
			return s.url
		}
	}
	return ""
}

// Run serves until ctx ends or a part fails, then drains: no new claims, what
// is in flight is settled, leases are released, pages stay up meanwhile and
// say that they are not ready. nil means that everything was left in order.
func (p *Program) Run(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	// What goes wrong may do so before the end, and ends the rest, or behind it.
	troubles := make(chan error, len(p.servers)+len(p.doors)+2)
	trouble := func(err error) {
		if err != nil {
			troubles <- err
			end()
		}
	}
	// These go on while the rest drains: without the watch nothing in flight
	// may finish its transmission.
	late, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var early, behind sync.WaitGroup
	behind.Go(func() { p.watch.run(late) })
	behind.Go(func() {
		if err := p.db.Listen(late, p.watch.nudge); err != nil && late.Err() == nil {
			p.o.log.Warn("the database tells nothing by itself; asking goes on", "error", err)
		}
	})
	for _, s := range p.servers {
		behind.Go(func() { trouble(s.serve()) })
	}
	early.Go(func() { p.fan.Run(ctx) })
	early.Go(func() { p.words.run(ctx) })
	early.Go(func() { tending{tend: p.db.TendNotices, did: p.tended, log: p.o.log}.run(ctx) })
	early.Go(func() { p.tellTrouble(ctx) })
	early.Go(func() { p.digests.Run(ctx) })
	// Not by workers, too: each would remind by a setting of its own.
	if before, err := p.o.settings.reminders(); err == nil && len(before) > 0 && !p.o.worker {
		early.Go(func() { reminding{before: before, remind: p.db.Remind, log: p.o.log}.run(ctx) })
	}
	if !p.o.worker {
		p.keepHouse(ctx, &early)
	}
	for _, d := range p.doors {
		early.Go(func() { trouble(d.out.Run(ctx)) })
	}
	<-ctx.Done()
	p.draining.Store(true)
	p.o.log.Info("draining")
	began := time.Now()
	early.Wait()
	p.shutServers(2 * time.Second)
	stop()
	behind.Wait()
	if took := time.Since(began); took > drainAll {
		trouble(fmt.Errorf("the drain took %s", took.Round(time.Second)))
	}
	close(troubles)
	var errs []error
	for err := range troubles {
		errs = append(errs, err)
	}
	if errs == nil {
		p.o.log.Info("drained")
	}
	return errors.Join(errs...)
}

// Close lets go of everything that newProgram opened. What is on the wire has a moment to end.
func (p *Program) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var errs []error
	for _, s := range p.servers {
		errs = append(errs, s.close())
	}
	if p.pool != nil {
		errs = append(errs, p.pool.Close(ctx))
	}
	if p.mail != nil && p.mail.box != nil {
		errs = append(errs, p.mail.box.Shutdown(ctx))
	}
	if p.mail != nil {
		errs = append(errs, p.mail.close())
	}
	errs = append(errs, p.closeDoors())
	if p.hooks != nil {
		p.hooks.Close()
	}
	if p.db != nil {
		errs = append(errs, p.db.Close())
	}
	return errors.Join(errs...)
}
