package main

import (
	"fmt"
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
	Value   float64  `json:"value"`
	OK      bool     `json:"ok"`
	most    bool     // the target is a limit, not a goal
}

// atMost is a figure that must stay below a limit.
func atMost(what, unit string, limit, value float64) figure {
	return figure{What: what, Unit: unit, Target: &limit, Value: value, OK: value < limit, most: true}
}

// atLeast is a figure that must reach a goal.
func atLeast(what, unit string, goal, value float64) figure {
	return figure{What: what, Unit: unit, Target: &goal, Value: value, OK: value >= goal}
}

// plainFigure is one that is only told.
func plainFigure(what, unit string, value float64) figure {
	return figure{What: what, Unit: unit, Value: value, OK: true}
}

// tally collects figures, and tells each as it comes.
type tally struct {
	a     *app
	quiet bool
	all   []figure
}

const figureLine = "%-42s %10s %14s  %s\n"

func (t *tally) begin(c *benchCmd) {
	if t.quiet {
		return
	}
	database := "SQLite"
	if pg, _ := (&Base{Database: c.Database}).postgres(); pg { // a wrong address was refused before
		database = "PostgreSQL"
	}
	fmt.Fprintf(t.a.out, "%s, %d connections, %s; median of %s\n\n", database, benchConnections, plural(int64(runtime.GOMAXPROCS(0)), "processor"), plural(int64(c.Rounds), "round"))
	fmt.Fprintf(t.a.out, figureLine, "WHAT", "TARGET", "MEASURED", "")
}

func (t *tally) add(measure string, f figure) {
	f.Measure = measure
	t.all = append(t.all, f)
	if t.quiet {
		return
	}
	target, verdict := "", ""
	if f.Target != nil {
		sign := "≥ "
		if f.most {
			sign = "< "
		}
		target, verdict = sign+figureText(*f.Target), "ok"
		if !f.OK {
			verdict = "missed"
		}
	}
	fmt.Fprintf(t.a.out, figureLine, measure+": "+f.What, target, figureText(f.Value)+" "+f.Unit, verdict)
}

// end prints what programs read, and fails where a target was missed.
func (t *tally) end() error {
	missed := 0
	for i := range t.all {
		if !t.all[i].OK {
			missed++
		}
		t.all[i].Value = rounded(t.all[i].Value, 3)
	}
	if t.quiet {
		if err := printJSON(t.a.out, t.all); err != nil {
			return err
		}
	}
	if missed > 0 {
		return &failure{exitFailed}
	}
	return nil
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
