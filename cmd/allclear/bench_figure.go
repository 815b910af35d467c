package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"time"
)

// figure is one thing that was measured. Target is nil where none was set.
type figure struct {
	Measure string   `json:"measure"`
	What    string   `json:"what"`
	Unit    string   `json:"unit"`
	Target  *float64 `json:"target"`
	Below   bool     `json:"below"` // the target is a limit to stay below, not a goal
	Value   float64  `json:"value"`
	Rounds  int      `json:"rounds"` // the value is their median
	OK      bool     `json:"ok"`
}

// atMost is a figure that must stay below a limit.
func atMost(what, unit string, limit, value float64) figure {
	return figure{What: what, Unit: unit, Target: &limit, Below: true, Value: value, OK: value < limit}
}

// atLeast is a figure that must reach a goal.
func atLeast(what, unit string, goal, value float64) figure {
	return figure{What: what, Unit: unit, Target: &goal, Value: value, OK: value >= goal}
}

// plainFigure is one that is only told.
func plainFigure(what, unit string, value float64) figure {
	return figure{What: what, Unit: unit, Value: value, OK: true}
}

// target is what is wanted, in words; "" for nothing.
func (f figure) target() string {
	switch {
	case f.Target == nil:
		return ""
	case f.Below:
		return "< " + figureText(*f.Target)
	}
	return "≥ " + figureText(*f.Target)
}

const figureLine = "%-47s %7s %14s  %s\n"

// print tells it on a line.
func (f figure) print(w io.Writer) {
	what, verdict := f.What, ""
	if f.Measure != "" {
		what = f.Measure + ": " + what
	}
	switch {
	case !f.OK:
		verdict = "missed"
	case f.Target != nil:
		verdict = "ok"
	}
	fmt.Fprintf(w, figureLine, what, f.target(), figureText(f.Value)+" "+f.Unit, verdict)
}

// middleFigures are the medians of figures that were taken some times over.
func middleFigures(rounds [][]figure) []figure {
	out := slices.Clone(rounds[0])
	for i := range out {
		var values []float64
		for _, r := range rounds {
			values = append(values, r[i].Value)
		}
		f := &out[i]
		f.Value, f.Rounds = middle(values), len(values)
		if f.Target != nil {
			f.OK = f.Value >= *f.Target && !f.Below || f.Value < *f.Target && f.Below
		}
	}
	return out
}

// tally collects figures, and tells each as it comes.
type tally struct {
	a     *app
	quiet bool
	noted bool
	all   []figure
	kept  *outcome // what is kept for --results
}

func (t *tally) begin(c *benchCmd) {
	if t.quiet {
		return
	}
	database := "SQLite"
	if pg, _ := (&Base{Database: c.Database}).postgres(); pg { // a wrong address was refused before
		database = "PostgreSQL"
	}
	rounds := "taken once"
	if c.Rounds > 1 {
		rounds = fmt.Sprintf("medians of %d, but once with %s followers", c.Rounds, short(takenOnce))
	}
	fmt.Fprintf(t.a.out, "%s, %d connections, %s; %s\n\n", database, benchConnections, plural(int64(runtime.GOMAXPROCS(0)), "processor"), rounds)
	fmt.Fprintf(t.a.out, figureLine, "WHAT", "TARGET", "MEASURED", "")
}

func (t *tally) add(measure string, f figure) {
	f.Measure, f.Value = measure, rounded(f.Value, 3)
	t.all = append(t.all, f)
	if !t.quiet {
		f.print(t.a.out)
	}
}

// on notes what is to be said of all figures of a ground.
func (t *tally) on(g *ground) {
	if t.noted {
		return
	}
	t.noted = true
	var notes []string
	if !g.onDisk() {
		notes = append(notes, fsyncIsFree)
	}
	if databaseServer(g.dsn).unseen() {
		notes = append(notes, serverIsUnseen)
	}
	to := t.a.out
	if t.quiet {
		to = t.a.err
	}
	for _, note := range notes {
		fmt.Fprintln(to, note)
	}
	t.kept.Notes = notes
}

// figureText is a number with about three digits that say something.
func figureText(f float64) string {
	switch size := math.Abs(f); {
	case size >= 100:
		return count(int64(math.Round(f)))
	case size >= 10 || f == math.Trunc(f):
		return fmt.Sprint(rounded(f, 1))
	}
	return fmt.Sprint(rounded(f, 2))
}

// middle is the median; the list is sorted.
func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// p99 is the value that 99 of 100 do not exceed; the list is sorted.
func p99(all []float64) float64 {
	slices.Sort(all)
	return all[max(int(math.Ceil(.99*float64(len(all))))-1, 0)]
}

// ms is d in milliseconds.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
