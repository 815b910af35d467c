package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

type benchCmd struct {
	Messages    int    `default:"20000" placeholder:"N" help:"How many mails each run of the comparison sends (default: 20000)."`
	Database    string `placeholder:"PATH|URL" help:"Use this: a new SQLite file, or a schema of its own on postgres://...; either is removed at the end."`
	Unsigned    bool   `help:"Sign nothing."`
	Signer      string `default:"auto" enum:"auto,go,libcrypto" placeholder:"NAME" help:"Who computes RSA signatures, in both runs: auto (default), go or libcrypto."`
	Measure     string `default:"ratio" placeholder:"NAME,..." help:"What to measure (default: ratio); all is everything below."`
	Rounds      int    `default:"1" placeholder:"N" help:"How often; what is told is the median (default: 1)."`
	Subscribers int    `placeholder:"N" help:"At most so many followers, to try a measure out."`
	SVG         string `name:"svg" placeholder:"FILE" help:"Draw what growth found."`
	JSON        bool   `name:"json" help:"Print the result as JSON: one object, or a list of figures."`
}

// Help says what is compared.
func (c *benchCmd) Help() string {
	var list strings.Builder
	for _, m := range measures() {
		fmt.Fprintf(&list, "  %-10s %s\n", m.name, m.says)
	}
	return `The ratio: the same mails go twice over 8 connections to a relay of its own in this process, by a bare loop (a letter that is ready, filled in for each reader, signed by go-msgauth with an RSA-2048 and an Ed25519 key, no database) and by the whole pipeline (accept, fan out, claim, render, sign, send, settle). It says what durability costs on this machine.

Every other measure starts "allclear serve" as a process of its own and asks it by HTTP and SMTP. No setting is read, and nothing is left behind, by Ctrl-C neither. Exit code 1 where a target is missed.

Measures:
` + list.String()
}

func (c *benchCmd) Run(a *app) error {
	names, err := c.check()
	if err != nil {
		return err
	}
	if len(names) == 1 && names[0] == ratioName {
		r, err := c.compareRounds(a)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a.out, r.json())
		}
		return r.print(a.out)
	}
	return c.measure(a, names)
}

// check reads the arguments and answers the measures that are asked for.
func (c *benchCmd) check() ([]string, error) {
	switch {
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
	if c.SVG != "" && !slices.Contains(asked, growthName) {
		return nil, &usageError{"--svg draws what growth finds; ask for --measure growth"}
	}
	return asked, nil
}

// compareRounds is the comparison with the median ratio.
func (c *benchCmd) compareRounds(a *app) (*ratioReport, error) {
	var all []*ratioReport
	for range c.Rounds {
		err := a.onGround("bench", c.Database, func(g *ground) error {
			r := &ratioReport{Messages: c.Messages, Signed: !c.Unsigned, Signer: "none", says: g.says, dialect: g.dialect()}
			all = append(all, r)
			return c.measureRatio(a, g, r)
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(x, y *ratioReport) int { return compare(x.ratio(), y.ratio()) })
	return all[len(all)/2], nil
}

// measure takes the measures in the order that spares seeding, and tells each figure as it is known.
func (c *benchCmd) measure(a *app, names []string) error {
	t := &tally{a: a, quiet: c.JSON}
	t.begin(c)
	for _, group := range [][]string{{ratioName}, {relayName, acceptName, firstName, overtakeName, fanoutName, memoryName, expansionName, progressName}, {growthName}, {historyName}} {
		var todo []measure
		for _, m := range measures() {
			if slices.Contains(group, m.name) && slices.Contains(names, m.name) {
				todo = append(todo, m)
			}
		}
		if len(todo) == 0 {
			continue
		}
		if group[0] == ratioName {
			if err := c.ratioFigures(a, t); err != nil {
				return err
			}
			continue
		}
		err := a.onGround("bench", c.Database, func(g *ground) error {
			b := &bed{a: a, c: c, g: g}
			defer b.rest()
			for _, m := range todo {
				b.told = func(f figure) { t.add(m.name, f) }
				if err := m.take(a.ctx, b); err != nil {
					return fmt.Errorf("measure %s: %w", m.name, err)
				}
				b.rest()
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return t.end()
}

// ratioFigures is the comparison as figures, signed and unsigned.
func (c *benchCmd) ratioFigures(a *app, t *tally) error {
	for _, unsigned := range []bool{false, true} {
		if c.Unsigned && !unsigned {
			continue
		}
		d := *c
		d.Unsigned = unsigned
		r, err := d.compareRounds(a)
		if err != nil {
			return err
		}
		if !unsigned {
			t.add(ratioName, atLeast("pipeline to bare loop, both keys", "x", .85, r.ratio()))
			if v, ok := r.beside(byGo); ok {
				t.add(ratioName, atLeast("by libcrypto, to the loop with Go's RSA", "x", 2.3, v))
			}
			continue
		}
		t.add(ratioName, atLeast("pipeline to bare loop, unsigned", "x", .5, r.ratio()))
		f := atLeast("pipeline, unsigned", "mails/s", 10_000, r.rate(r.pipeline))
		if r.dialect == "sqlite" {
			f = plainFigure("pipeline, unsigned", "mails/s", r.rate(r.pipeline))
		}
		t.add(ratioName, f)
	}
	return nil
}

func compare(x, y float64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
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
	fanoutName    = "fanout"
	memoryName    = "memory"
	expansionName = "expansion"
	progressName  = "progress"
	growthName    = "growth"
	historyName   = "history"
)

func measures() []measure {
	return []measure{
		{ratioName, "the whole pipeline against the bare loop", nil},
		{relayName, "the rate at a relay whose answers take 20 ms", takeRelay},
		{acceptName, "POST /incidents, idle and while 100,000 others are sent", takeAccept},
		{firstName, "the first mail of an incident to 100,000, idle", takeFirst},
		{overtakeName, "the same while a post goes out to 100,000", takeOvertake},
		{fanoutName, "from the POST to 100,000 deliveries", takeFanout},
		{memoryName, "memory while sending to 100,000 and to 1,000,000", takeMemory},
		{expansionName, "the first mail behind the fan-out to 1,000,000", takeExpansion},
		{progressName, "GET /events/{id} while sending to 1,000,000", takeProgress},
		{growthName, "what a delivery costs with 1,000 to 1,000,000 followers", takeGrowth},
		{historyName, "claim and settle behind 10,000 and 10,000,000 deliveries", takeHistory},
	}
}
