package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"allclear/notifier/email/mailbox"
)

type serveCmd struct {
	Settings
}

// Help says how to end it.
func (c *serveCmd) Help() string {
	return `Creates the database where it is missing and brings its schema up to date. SIGTERM or Ctrl-C ends it in order: what is in flight is finished, within 20 seconds; a second one ends it at once.`
}

func (c *serveCmd) Run(a *app) error {
	o := programOptions{settings: c.Settings, env: a.env, box: mailbox.Options{}}
	if c.Relay != mailboxRelay { // nothing leaves that
		o.lookupMX, o.lookupTXT = net.DefaultResolver.LookupMX, net.DefaultResolver.LookupTXT
	}
	return a.serve(o)
}

type workerCmd struct {
	Storage
	Site
	Mail
	Doors
	Alarming
	Digests
	Listen        string `setting:"LISTEN" group:"settings" placeholder:"HOST:PORT" help:"Serves /healthz, /readyz and /metrics of this worker; off unless set."`
	MetricsListen string `setting:"METRICS_LISTEN" group:"settings" placeholder:"HOST:PORT" help:"Serves the same elsewhere, and /metrics only there."`
}

func (c *workerCmd) Run(a *app) error {
	s := Settings{Storage: c.Storage, Site: c.Site, Mail: c.Mail, Doors: c.Doors, Alarming: c.Alarming, Digests: c.Digests, Listening: Listening{Listen: c.Listen, MetricsListen: c.MetricsListen}}
	o := programOptions{settings: s, env: a.env, worker: true, lookupTXT: net.DefaultResolver.LookupTXT}
	return a.serve(o)
}

// serve runs a program until the signal to end.
func (a *app) serve(o programOptions) error {
	log, err := logger(a.err, o.settings.Log, slog.LevelInfo)
	if err != nil {
		return err
	}
	o.log = log
	p, err := newProgram(a.ctx, o)
	if err != nil {
		return err
	}
	a.started(p, log)
	return errors.Join(p.Run(a.ctx), p.Close())
}

// started tells where the service answers: on standard output a plain line for
// scripts, whatever the log is; beside the log the same for a person, or a
// record where the log is for machines. Where both streams are one, the plain
// line stands there once.
func (a *app) started(p *Program, log *slog.Logger) {
	what := "listening on " + p.URL()
	if p.URL() == "" {
		what = "working"
	} else {
		fmt.Fprintln(a.out, what)
	}
	if _, machine := log.Handler().(*slog.JSONHandler); machine {
		log.Info(what) //nolint:sloglint // the words that programs wait for
	} else if p.URL() == "" || !sameFile(a.out, a.err) {
		fmt.Fprintln(a.err, what)
	}
	if p.mail.box != nil {
		log.Info("mail is caught, not sent", "read_it_at", p.URL()+"/mailbox")
	}
}

// sameFile reports whether two streams are one terminal, file or pipe.
func sameFile(x, y io.Writer) bool {
	f, ok := x.(*os.File)
	g, ok2 := y.(*os.File)
	if !ok || !ok2 {
		return false
	}
	i, err := f.Stat()
	j, err2 := g.Stat()
	return err == nil && err2 == nil && os.SameFile(i, j)
}
