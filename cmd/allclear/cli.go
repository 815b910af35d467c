package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"allclear/notifier"
)

// world is what a command has to do with outside its arguments. Tests give it
// buffers and an environment of their own.
type world struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
	now      func() time.Time
	self     func() (string, error) // where this program is, to start it once more
	// lookupTXT asks DNS; nil asks nobody.
	lookupTXT func(ctx context.Context, name string) ([]string, error)
}

// commandLine is the tree of commands, in the order help shows them.
type commandLine struct {
	Demo   demoCmd   `cmd:"" help:"Show the whole service at work: followers, an outage, its all-clear, every mail checked."`
	Serve  serveCmd  `cmd:"" help:"Run the service: pages, API and deliveries in one process."`
	Worker workerCmd `cmd:"" help:"Run deliveries only, beside a serve on the same PostgreSQL."`

	Migrate     migrateCmd     `cmd:"" help:"Bring the database's schema up to date (serve does so too)."`
	Component   componentCmd   `cmd:"" help:"The parts of the service that can be in trouble."`
	Incident    incidentCmd    `cmd:"" help:"Announce incidents, maintenance and posts, and update them."`
	Notice      noticeCmd      `cmd:"" help:"Write to exactly those who were affected, each with their own data."`
	Subscriber  subscriberCmd  `cmd:"" help:"Who hears of it: add, import, export, look up."`
	Suppression suppressionCmd `cmd:"" help:"Addresses that must not be written to."`
	Told        toldCmd        `cmd:"" help:"Everything that was sent to an address, when, and what became of it."`
	Queue       queueCmd       `cmd:"" help:"What waits to be sent: look, pause, resume, retry."`
	Digest      digestCmd      `cmd:"" help:"What followers get on their schedule: look ahead, look at one, make them now."`
	Templates   templatesCmd   `cmd:"" help:"The texts of mails and pages, and your own in their place."`
	DKIM        dkimCmd        `cmd:"" name:"dkim" help:"Keys that sign mail, and the DNS records they need."`
	Token       tokenCmd       `cmd:"" help:"Tokens for programs that use the API."`
	Staff       staffCmd       `cmd:"" help:"The people who use the console."`
	Webhook     webhookCmd     `cmd:"" help:"Where webhooks may be posted to."`
	SMS         smsCmd         `cmd:"" name:"sms" help:"What text messages take, and what their gateway is to call."`
	SendTest    sendTestCmd    `cmd:"" help:"Send one real message through the relay and show the whole conversation."`
	Bench       benchCmd       `cmd:"" help:"Measure this machine: the whole pipeline against the bare loop, and more."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask a running service whether it is ready."`
	Version     versionCmd     `cmd:"" help:"Print version and commit."`
}

const description = `Tells the people who asked to know: something broke, here is what we know, and now it is all clear.

Begin with "allclear demo". Every setting is a variable ALLCLEAR_... and a flag of the commands that use it; "allclear serve --help" lists them.`

// app is what every command's Run is given.
type app struct {
	*world
	ctx context.Context
	env *environment
}

// run is the program but for its process: it returns the exit code.
func run(ctx context.Context, args []string, w *world) int {
	err := dispatch(ctx, args, w)
	code, line := exitCode(ctx, err)
	if line != "" {
		fmt.Fprintln(w.err, "allclear: "+line)
	}
	return code
}

// helpShown ends kong's parsing after it printed help; it never leaves dispatch.
type helpShown struct{}

func dispatch(ctx context.Context, args []string, w *world) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(helpShown); !ok {
				panic(r)
			}
			err = nil
		}
	}()
	env, envErr := readEnvironment(w.environ)
	if envErr != nil {
		env = &environment{vars: map[string]string{}, read: map[string]string{}}
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help":
		args = append(slices.Clone(args[1:]), "--help")
	}
	parser, err := newParser(w, env)
	if err != nil {
		return fmt.Errorf("build the command line: %w", err)
	}
	kctx, err := parser.Parse(joinTimes(args))
	if err != nil {
		return err
	}
	// Help and version answer in any environment; everything else would act on
	// settings that its owner did not mean.
	if envErr != nil && kctx.Selected().Name != "version" {
		return envErr
	}
	a := &app{world: w, env: env}
	a.ctx = notifier.WithActor(ctx, notifier.Actor{Name: "local:" + env.user(), Role: notifier.RoleAdmin})
	return kctx.Run(a)
}

// joinTimes writes "--at -20m" as "--at=-20m", which the parser would take for
// a flag -2.
func joinTimes(args []string) []string {
	out := make([]string, 0, len(args))
	for n, a := range args {
		if a == "--" {
			return append(out, args[n:]...)
		}
		last := len(out) - 1
		if last >= 0 && len(a) > 1 && a[0] == '-' && '0' <= a[1] && a[1] <= '9' && slices.Contains([]string{"--at", "--starts-at", "--ends-at"}, out[last]) {
			out[last] += "=" + a
			continue
		}
		out = append(out, a)
	}
	return out
}

func newParser(w *world, env *environment) (*kong.Kong, error) {
	return kong.New(&commandLine{},
		kong.Name("allclear"), kong.Description(description),
		kong.Writers(w.out, w.err), kong.Exit(func(int) { panic(helpShown{}) }),
		kong.Resolvers(env),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 80}),
		kong.ValueFormatter(helpText),
		kong.ExplicitGroups([]kong.Group{{Key: "settings", Title: "Settings (each also a variable):"}}),
	)
}

// helpText adds the variable to a setting's help.
func helpText(v *kong.Value) string {
	s := v.Tag.Get("setting")
	if s == "" {
		return v.Help
	}
	out := v.Help
	if v.HasDefault && v.Default != "" {
		out = strings.TrimSuffix(out, ".") + "; default: " + v.Default + "."
	}
	return out + " (" + prefix + s + ")"
}

// logger is the log of a command that answers a person.
func (a *app) logger(s *Base) (*slog.Logger, error) {
	return logger(a.err, s.Log, slog.LevelWarn)
}

// interactive reports whether w is a terminal that can redraw a line.
func (a *app) interactive(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || !a.env.terminal() {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
