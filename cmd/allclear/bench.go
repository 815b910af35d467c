package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"allclear/notifier"
	"allclear/notifier/email/signer"
)

type benchCmd struct {
	Messages    int    `default:"20000" placeholder:"N" help:"How many mails each run of the comparison sends (default: 20000)."`
	Database    string `placeholder:"PATH|URL" help:"Use this: a new SQLite file, or a schema of its own on postgres://...; either is removed at the end."`
	Channel     string `default:"email" enum:"email,webhook" placeholder:"NAME" help:"What the comparison sends: email (default), or signed posts to as many webhooks."`
	Unsigned    bool   `help:"Sign nothing."`
	Signer      string `default:"auto" enum:"auto,go,libcrypto" placeholder:"NAME" help:"Who computes RSA signatures, in both runs: auto (default), go or libcrypto."`
	Measure     string `default:"ratio" placeholder:"NAME,..." help:"What to measure (default: ratio); all is everything below."`
	Rounds      int    `default:"1" placeholder:"N" help:"How often; what is told is the median (default: 1). What takes a million followers, and history, is taken once."`
	Subscribers int    `placeholder:"N" help:"At most so many followers, to try a measure out."`
	Results     string `placeholder:"FOLDER" help:"Write the figures there as tables in Markdown, beside those of the other database, and draw growth and CPU time."`
	JSON        bool   `name:"json" help:"Print the result as JSON: one object, or a list of figures."`
}

// Help says what is compared.
func (c *benchCmd) Help() string {
	var list strings.Builder
	for _, m := range measures() {
		fmt.Fprintf(&list, "  %-10s %s\n", m.name, m.says)
	}
	return `The ratio: the same mails go twice over 8 connections to a relay of its own in this process, by a bare loop (a letter that is ready, filled in for each reader, signed by go-msgauth with an RSA-2048 and an Ed25519 key, no database) and by the whole pipeline (accept, fan out, claim, render, sign, send, settle). It says what durability costs on this machine.

Every other measure starts "allclear serve" as a process of its own and asks it by HTTP and SMTP. No setting is read, and nothing is left behind, not even after Ctrl-C.

A target that is missed is told ("missed"; "ok": false in JSON) and does not change the exit code: 0 says that everything was measured.

Measures:
` + list.String()
}

func (c *benchCmd) Run(a *app) error {
	names, err := c.check()
	if err != nil {
		return err
	}
	if c.Channel == string(notifier.Webhook) {
		return c.webhooks(a)
	}
	if len(names) > 1 || names[0] != ratioName || c.Results != "" {
		return c.measure(a, names)
	}
	all, err := c.compareRounds(a, &tally{a: a, quiet: c.JSON, kept: &outcome{}})
	if err != nil {
		return err
	}
	r := all[len(all)/2]
	if c.JSON {
		return printJSON(a.out, r.json())
	}
	return r.print(a.out)
}

// check reads the arguments and answers the measures that are asked for.
func (c *benchCmd) check() ([]string, error) {
	switch {
	case c.Channel == string(notifier.Webhook) && (c.Measure != ratioName || c.Unsigned || c.Results != ""):
		return nil, &usageError{"--channel webhook goes with --messages, --database and --json only"}
	case c.Messages < 1 || c.Messages > 1_000_000:
		return nil, &usageError{"--messages must be 1 to 1000000"}
	case c.Rounds < 1 || c.Rounds > 99:
		return nil, &usageError{"--rounds must be 1 to 99"}
	case c.Subscribers < 0 || c.Subscribers > 10_000_000:
		return nil, &usageError{"--subscribers must be 1 to 10000000"}
	}
	if _, err := (&Base{Database: c.Database}).postgres(); err != nil {
		return nil, &usageError{"--database: " + strings.TrimPrefix(err.Error(), prefix+"DATABASE (--database): ")}
	}
	var known, asked []string
	for _, m := range measures() {
		known = append(known, m.name)
	}
	for name := range strings.SplitSeq(c.Measure, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "all":
			asked = append(asked, known...)
		case slices.Contains(known, name):
			asked = append(asked, name)
		default:
			return nil, &usageError{fmt.Sprintf("--measure: %q is not one of all, %s", name, strings.Join(known, ", "))}
		}
	}
	return asked, nil
}

// compareRounds is the comparison, the round with the median ratio in the middle.
func (c *benchCmd) compareRounds(a *app, t *tally) ([]*ratioReport, error) {
	var all []*ratioReport
	for range c.Rounds {
		err := a.onGround("bench", c.Database, func(g *ground) error {
			t.on(g)
			r := &ratioReport{Messages: c.Messages, Signed: !c.Unsigned, Signer: "none", says: g.says, dialect: g.dialect()}
			all = append(all, r)
			return c.measureRatio(a, g, r)
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(x, y *ratioReport) int { return cmp.Compare(x.ratio(), y.ratio()) })
	return all, nil
}

// measure takes the measures in the order that spares seeding, and tells each
// figure as it is known. After one that failed the next group is tried.
func (c *benchCmd) measure(a *app, names []string) error {
	var kept results
	if c.Results != "" {
		var err error
		if kept, err = openResults(c.Results); err != nil {
			return err
		}
	}
	pg, _ := (&Base{Database: c.Database}).postgres() // a wrong address was refused before
	t := &tally{a: a, quiet: c.JSON, kept: kept.of(pg)}
	t.begin(c)
	failed := false
	for _, group := range [][]string{{ratioName}, {relayName, acceptName, firstName, overtakeName, noticeName, fanoutName}, {growthName, memoryName, expansionName, progressName}, {digestName}, {historyName}} {
		group = slices.DeleteFunc(group, func(name string) bool { return !slices.Contains(names, name) })
		if len(group) == 0 {
			continue
		}
		stands, err := c.measureGroup(a, t, group)
		if c.Results != "" {
			t.kept.took(t.all)
			err = errors.Join(err, kept.write(c.Results))
		}
		if err != nil && (!stands || a.ctx.Err() != nil) {
			return err
		}
		if err != nil {
			failed = true
			fmt.Fprintf(a.err, "allclear: %s\n", plain(err))
		}
	}
	if t.quiet {
		if err := printJSON(a.out, t.all); err != nil {
			return err
		}
	}
	if failed {
		return &failure{exitFailed}
	}
	return nil
}

// measureGroup takes measures that stand on the same ground; false where there was none to stand on.
func (c *benchCmd) measureGroup(a *app, t *tally, group []string) (stands bool, err error) {
	if group[0] == ratioName {
		return true, c.ratioFigures(a, t)
	}
	err = a.onGround("bench", c.Database, func(g *ground) error {
		stands = true
		t.on(g)
		b := &bed{a: a, c: c, g: g, t: t}
		defer b.rest()
		for _, name := range group {
			i := slices.IndexFunc(measures(), func(m measure) bool { return m.name == name })
			b.measure = name
			if err := measures()[i].take(a.ctx, b); err != nil {
				return fmt.Errorf("measure %s: %w", name, err)
			}
			b.rest()
		}
		return nil
	})
	return stands, err
}

// ratioFigures is the comparison as figures: signed by what --signer names, by
// Go where that was libcrypto, and unsigned.
func (c *benchCmd) ratioFigures(a *app, t *tally) error {
	compared := func(d benchCmd) (*ratioReport, error) {
		all, err := d.compareRounds(a, t)
		if err != nil {
			return nil, fmt.Errorf("measure %s: %w", ratioName, err)
		}
		var rounds [][]figure
		for _, r := range all {
			rounds = append(rounds, r.figures())
		}
		for _, f := range middleFigures(rounds) {
			t.add(ratioName, f)
		}
		return all[len(all)/2], nil
	}
	d := *c
	if !c.Unsigned {
		r, err := compared(d)
		if err != nil {
			return err
		}
		t.kept.cpu(r)
		if r.Signer == string(signer.Libcrypto) && c.Signer == string(signer.Auto) {
			d.Signer, d.Messages = string(signer.Go), min(c.Messages, 10_000) // slow, and as steady with fewer
			if _, err := compared(d); err != nil {
				return err
			}
		}
	}
	d.Messages, d.Unsigned = c.Messages, true
	r, err := compared(d)
	if err != nil {
		return err
	}
	t.kept.cpu(r)
	return nil
}

// measure is one of the things that can be measured.
type measure struct {
	name, says string
	take       func(context.Context, *bed) error
}

// The names of the measures.
const (
	ratioName     = "ratio"
	relayName     = "relay"
	acceptName    = "accept"
	firstName     = "first"
	overtakeName  = "overtake"
	noticeName    = "notice"
	fanoutName    = "fanout"
	memoryName    = "memory"
	expansionName = "expansion"
	progressName  = "progress"
	growthName    = "growth"
	digestName    = "digest"
	historyName   = "history"
)

func measures() []measure {
	return []measure{
		{ratioName, "the whole pipeline against the bare loop", nil},
		{relayName, "the rate at a relay whose answers take 20 ms", takeRelay},
		{acceptName, "POST /incidents, idle and while 100,000 others are sent", takeAccept},
		{firstName, "the first mail of an incident to 100,000, idle", takeFirst},
		{overtakeName, "the same while a post goes out to 100,000", takeOvertake},
		{noticeName, "the same beside a notice to 100,000, paused and cancelled", takeNotice},
		{fanoutName, "from the POST to 100,000 deliveries", takeFanout},
		{memoryName, "memory while sending to 100,000 and to 1,000,000", takeMemory},
		{expansionName, "the first mail behind the fan-out to 1,000,000", takeExpansion},
		{progressName, "GET /events/{id} while sending to 1,000,000", takeProgress},
		{growthName, "what a delivery costs with 1,000 to 1,000,000 followers", takeGrowth},
		{digestName, "1,000,000 digests due at the same hour, and an incident meanwhile", takeDigests},
		{historyName, "claim and settle behind 10,000 and 10,000,000 deliveries", takeHistory},
	}
}
