package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/notifier/email/mailbox"
)

type demoCmd struct {
	Subscribers int    `default:"3975" placeholder:"N" help:"How many followers (default: 3975)."`
	Relay       string `placeholder:"URL" help:"Send the mails there in place of the built-in mailbox, such as smtp://127.0.0.1:2525?tls=off."`
	Database    string `placeholder:"PATH|URL" help:"Use this: a new SQLite file, or a schema of its own on postgres://...; either is removed at the end."`
	Serve       bool   `help:"Leave pages, API and mailbox up afterwards, and say what to open and try."`
	Listen      string `placeholder:"HOST:PORT" help:"Where --serve answers (default: 127.0.0.1:8080, or a free port)."`
	JSON        bool   `name:"json" help:"Print the report as one JSON object."`
}

// Help says what is left behind, and how it ends.
func (c *demoCmd) Help() string {
	return `Posts an outage, an update while its mails are still on their way (who has not had the first yet gets one mail with both), and the all-clear, through the real API; delivers by real SMTP; checks every DKIM signature with the public keys. No setting is read, and nothing is left behind, by Ctrl-C neither. Exit code 1 where a mail or a signature failed, 130 where it was interrupted before the report.`
}

func (c *demoCmd) Run(a *app) error {
	if c.Subscribers < 1 || c.Subscribers > 1_000_000 {
		return &usageError{"--subscribers must be 1 to 1000000"}
	}
	began := a.now()
	return a.onGround("demo", c.Database, func(g *ground) error {
		return withNeighbours(func(n *neighbours) error { return c.play(a, g, n, began) })
	})
}

// interrupted is err, or only that Ctrl-C came: what breaks then breaks because of it.
func interrupted(ctx context.Context, err error) error {
	var report *failure // was printed before
	if err != nil && ctx.Err() != nil && !errors.As(err, &report) {
		return context.Canceled
	}
	return err
}

// untilDone is a log that ends with a context.
type untilDone struct {
	slog.Handler
	ctx context.Context //nolint:containedctx // the demo's own; records come with others
}

func (h untilDone) Enabled(ctx context.Context, l slog.Level) bool {
	return h.ctx.Err() == nil && h.Handler.Enabled(ctx, l)
}

func (h untilDone) Handle(ctx context.Context, r slog.Record) error {
	if !h.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h untilDone) WithAttrs(attrs []slog.Attr) slog.Handler {
	return untilDone{h.Handler.WithAttrs(attrs), h.ctx}
}

func (h untilDone) WithGroup(name string) slog.Handler {
	return untilDone{h.Handler.WithGroup(name), h.ctx}
}

// play runs the demo on ground that is there, and leaves nothing running.
func (c *demoCmd) play(a *app, g *ground, n *neighbours, began time.Time) error {
	p, err := c.program(a, g, n)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(a.ctx)
	running := make(chan error, 1)
	go func() { running <- p.Run(ctx) }()
	err = c.show(a, p, g, n, began)
	if err == nil && c.Serve {
		<-a.ctx.Done()
	}
	stop()
	if runErr := <-running; err == nil || errors.Is(err, context.Canceled) {
		err = errors.Join(err, runErr)
	}
	return errors.Join(err, p.Close())
}

// program is the true service on the demo's own settings.
func (c *demoCmd) program(a *app, g *ground, n *neighbours) (*Program, error) {
	log, err := logger(a.err, "", slog.LevelWarn)
	if err != nil {
		return nil, err
	}
	gateway, err := n.gateway(g.folder)
	if err != nil {
		return nil, err
	}
	log = slog.New(untilDone{log.Handler(), a.ctx}) // what ends unfinished by Ctrl-C is no news
	s := Settings{
		Storage:   Storage{Base: Base{Database: g.dsn}, State: g.folder, Secret: g.secret},
		Site:      Site{Name: demoName, Language: "en", Clock: Clock{Timezone: "UTC"}},
		Mail:      Mail{From: demoFrom, Relay: mailboxRelay, SMTPConnections: "8", DKIM: g.dkim, BounceDomain: "bounces." + demoDomain},
		Doors:     Doors{WebhookAllow: "127.0.0.0/8", SMS: gateway},
		Listening: Listening{Listen: "127.0.0.1:0"},
	}
	if c.Relay != "" {
		s.Relay = c.Relay
	}
	o := programOptions{settings: s, env: a.env, log: log, box: mailbox.Options{MaxMails: 25_000}} // the report's mails and what is tried out afterwards
	if !c.Serve {
		return newProgram(a.ctx, o)
	}
	if o.settings.Listen = "127.0.0.1:8080"; c.Listen != "" {
		o.settings.Listen = c.Listen
	}
	p, err := newProgram(a.ctx, o)
	if err != nil && c.Listen == "" && a.ctx.Err() == nil {
		o.settings.Listen = "127.0.0.1:0" // somebody else is there
		p, err = newProgram(a.ctx, o)
	}
	return p, err
}

// show plays the story on a running program and reports.
func (c *demoCmd) show(a *app, p *Program, g *ground, n *neighbours, began time.Time) error {
	ctx := a.ctx
	if !c.JSON {
		fmt.Fprintf(a.out, "%s, a made-up mail provider, tells %s\n", demoName, plural(int64(c.Subscribers), "follower"))
		fmt.Fprintf(a.out, "  database  %s\n  relay     %s\n  signed    rsa-2048 and ed25519 (%s)\n\n", g.says, c.relayWords(), demoDomain)
	}
	m := a.meter("followers", int64(c.Subscribers))
	err := settle(ctx, p.db, c.Subscribers, m.set)
	m.close()
	if err == nil {
		err = n.settle(ctx, p.db)
	}
	if err != nil {
		return err
	}
	token, err := createToken(ctx, p.db, "demo", notifier.RoleAdmin)
	if err != nil {
		return err
	}
	check := newInspection(ctx, p.mail)
	t := &teller{api: p.URL() + "/api/v1", token: token, db: p.db, say: func(format string, args ...any) {
		if !c.JSON && !a.interactive(a.err) {
			fmt.Fprintf(a.err, format+"\n", args...)
		}
	}}
	t.stuck = func() error {
		if _, ok := p.pool.Ready(); ok {
			return nil
		}
		return notifier.Refuse(notifier.ErrUnavailable, "the relay takes no mail: %s", p.pool.Relays()[0].Cause)
	}
	t.meter = a.meter("messages", 3*(int64(c.Subscribers)+int64(len(demoHooks())+len(demoPhones()))))
	told, err := t.tell(ctx)
	t.meter.close()
	if err != nil {
		check.stop()
		return err
	}
	r, err := makeReport(ctx, p.db, int64(c.Subscribers), told)
	if err != nil {
		check.stop()
		return err
	}
	if err := check.finish(ctx, r.Sent); err != nil {
		return err
	}
	r.checked(check)
	r.json.Webhooks.Posts, r.json.Webhooks.Pass, r.json.Webhooks.Fail, r.texts = n.report()
	r.json.Texts.Sent = int64(len(r.texts))
	if c.JSON {
		err = printJSON(a.out, r.json)
	} else {
		err = r.print(a.out, told, began)
	}
	if err == nil && c.Serve {
		err = c.invite(a, p, n, token)
	}
	if err == nil && !r.good() {
		err = &failure{exitFailed}
	}
	return err
}

func (c *demoCmd) relayWords() string {
	if c.Relay == "" {
		return "the built-in mailbox, by SMTP"
	}
	return "the one you named"
}

// invite says what to open and try.
func (c *demoCmd) invite(a *app, p *Program, n *neighbours, token string) error {
	staff, err := hireDemo(a.ctx, p.db)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\nStill up, until Ctrl-C:\n  %-32s the public page\n", p.URL()+"/")
	if p.mail.box != nil {
		fmt.Fprintf(a.out, "  %-32s every mail; press the links in them\n", p.URL()+"/mailbox")
	}
	fmt.Fprintf(a.out, "  %-32s what the API understands\n  %-32s the staff's console; sign in as\n\n%s\nTell everyone something yourself there, or so:\n\n", p.URL()+"/api/docs", p.URL()+console.Path, staff)
	fmt.Fprintf(a.out, "curl -s %s/api/v1/incidents \\\n  -H 'Authorization: Bearer %s' \\\n  -H 'Content-Type: application/json' \\\n", p.URL(), token)
	fmt.Fprintf(a.out, "  -d '{\"title\": \"Webmail is slow\", \"severity\": \"minor\", \"components\": [\"web\"],\n       \"body\": \"Since {{at \\\"now\\\"}} pages take up to ten seconds.\"}'\n\n")
	fmt.Fprintf(a.out, "What phones are sent, codes too, and what programs are posted stands here as it comes.\n\nlistening on %s\n", p.URL())
	n.tell(func(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) })
	return nil
}
