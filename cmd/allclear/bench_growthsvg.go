package main

import (
	"fmt"
	"math"
	"strings"
)

// panel is one of the four small plots.
type panel struct {
	title, unit string
	of          func(step) float64 // NaN where it is not known
}

func growthPanels() []panel {
	return []panel{
		{"POST /incidents", "ms", func(s step) float64 { return s.Accept }},
		{"fan-out", "µs a delivery", func(s step) float64 { return s.Fanout }},
		{"CPU, the database server's too", "µs a delivery", func(s step) float64 {
			if s.Unseen {
				return math.NaN()
			}
			return s.CPU + s.Server
		}},
		{"memory of serve", "MB", func(s step) float64 { return s.Memory }},
	}
}

// Sizes in the picture.
const (
	panelWide, panelHigh = 360, 212
	plotLeft, plotRight  = 52, 20
	plotTop, plotBottom  = 48, 36
)

const growthStyle = `
  text { font: 12px system-ui, sans-serif; fill: #565d66 }
  .title { font-size: 14px; font-weight: 600; fill: #1b1f23 }
  .card { fill: #fff } .grid { stroke: #e3e4df }
  .sqlite { stroke: #0b5d57; fill: #0b5d57 } .postgres { stroke: #2b58a8; fill: #2b58a8 }
  polyline { fill: none !important; stroke-width: 2 } text.sqlite, text.postgres { stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #a3abb3 } .title { fill: #e9ebe8 }
    .card { fill: #1b1f23 } .grid { stroke: #2d3339 }
    .sqlite { stroke: #58c2b8; fill: #58c2b8 } .postgres { stroke: #8fb4ff; fill: #8fb4ff }
  }
`

// drawGrowth draws what a delivery costs on each database.
func (r results) drawGrowth() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="t d">`+"\n", 2*panelWide, 2*panelHigh+32)
	fmt.Fprintf(&b, "<title id=\"t\">What a delivery costs as followers grow</title>\n<desc id=\"d\">%s</desc>\n", r.sayGrowth())
	fmt.Fprintf(&b, "<style>%s</style>\n", growthStyle)
	fmt.Fprintf(&b, "<rect class=\"card\" width=\"%d\" height=\"%d\" rx=\"10\"/>\n", 2*panelWide, 2*panelHigh+32)
	for i, q := range growthPanels() {
		fmt.Fprintf(&b, "<g transform=\"translate(%d %d)\">\n", i%2*panelWide, i/2*panelHigh)
		r.panel(&b, q)
		b.WriteString("</g>\n")
	}
	for i, name := range []string{"sqlite", "postgres"} {
		x, y := plotLeft+i*120, 2*panelHigh+14
		fmt.Fprintf(&b, `<circle class="%s" cx="%d" cy="%d" r="4"/><text class="%s" x="%d" y="%d">%s</text>`+"\n", name, x, y-4, name, x+10, y, []string{"SQLite", "PostgreSQL"}[i])
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// sayGrowth is the picture in words.
func (r results) sayGrowth() string {
	var parts []string
	for _, q := range growthPanels() {
		for _, line := range r.lines() {
			if n := len(line.steps); n > 0 && !math.IsNaN(q.of(line.steps[0])) {
				parts = append(parts, fmt.Sprintf("%s, %s: %s %s with %s followers, %s with %s", q.title, line.title,
					figureText(q.of(line.steps[0])), q.unit, short(line.steps[0].Followers), figureText(q.of(line.steps[n-1])), short(line.steps[n-1].Followers)))
			}
		}
	}
	return strings.Join(parts, ". ")
}

type growthLine struct {
	class, title string
	steps        []step
}

func (r results) lines() []growthLine {
	return []growthLine{{"sqlite", "SQLite", r.SQLite.Growth}, {"postgres", "PostgreSQL", r.Postgres.Growth}}
}

func (r results) panel(b *strings.Builder, q panel) {
	top := 0.0
	first, last := math.Inf(1), 1.0
	for _, line := range r.lines() {
		for _, s := range line.steps {
			if v := q.of(s); !math.IsNaN(v) {
				top = max(top, v)
			}
			first, last = min(first, math.Log10(float64(s.Followers))), max(last, math.Log10(float64(s.Followers)))
		}
	}
	top = niceTop(top)
	const wide, high = panelWide - plotLeft - plotRight, panelHigh - plotTop - plotBottom
	x := func(n int) float64 {
		return plotLeft + wide*(math.Log10(float64(n))-first)/max(last-first, 1)
	}
	y := func(v float64) float64 { return plotTop + high*(1-v/top) }
	fmt.Fprintf(b, `<text class="title" x="%d" y="22">%s</text><text x="%d" y="38">%s</text>`+"\n", plotLeft, q.title, plotLeft, q.unit)
	for _, share := range []float64{0, .5, 1} {
		at := y(top * share)
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			plotLeft, panelWide-plotRight, at, at, plotLeft-8, at+4, figureText(top*share))
	}
	named := map[int]bool{}
	for _, line := range r.lines() {
		var points []string
		for _, s := range line.steps {
			if math.IsNaN(q.of(s)) {
				continue
			}
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(s.Followers), y(q.of(s))))
			fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="3"/>`+"\n", line.class, x(s.Followers), y(q.of(s)))
			if !named[s.Followers] {
				named[s.Followers] = true
				fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x(s.Followers), panelHigh-14, short(s.Followers))
			}
		}
		if len(points) > 0 {
			fmt.Fprintf(b, `<polyline class="%s" points="%s"/>`+"\n", line.class, strings.Join(points, " "))
		}
	}
}

// niceTop is the next of 1, 2, 4, 6, 8 or 10 times a power of ten.
func niceTop(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow10(int(math.Floor(math.Log10(v))))
	for _, n := range []float64{1, 2, 4, 6, 8} {
		if v <= n*power {
			return n * power
		}
	}
	return 10 * power
}
