package main

import (
	"fmt"
	"maps"
	"strings"
)

// bar is where the CPU time of 1,000 mails went.
type bar struct {
	title string
	ms    map[string]float64
}

// bars are the columns of the CPU table and the bars of its picture.
func (r results) bars() []bar {
	var all []bar
	pipeline := func(title string, c *cpuTime) {
		if c == nil {
			return
		}
		ms := maps.Clone(c.Pipeline)
		if c.Server != nil {
			ms[partOfServer] = *c.Server
		}
		all = append(all, bar{title, ms})
	}
	for _, o := range []*outcome{r.SQLite, r.Postgres} {
		if o.Signed != nil {
			all = append(all, bar{"bare loop, " + o.Signed.Signer, o.Signed.Loop})
			break
		}
	}
	pipeline("SQLite", r.SQLite.Signed)
	pipeline("PostgreSQL", r.Postgres.Signed)
	pipeline("unsigned, SQLite", r.SQLite.Unsigned)
	pipeline("unsigned, PostgreSQL", r.Postgres.Unsigned)
	return all
}

const profileStyle = `text{font:14px system-ui,sans-serif;fill:#1b1f23}.bg{fill:#fbfbf9}@media(prefers-color-scheme:dark){text{fill:#e9ebe8}.bg{fill:#14171a}}`

// drawProfile draws them, one below the other, on one scale.
func drawProfile(bars []bar) string {
	parts := append(cpuParts(), partOfServer)
	colors := []string{"#2b58a8", "#0b5d57", "#8a5a00", "#7b3fa0", "#b3390c", "#565d66", "#8fb4ff", "#a3abb3", "#d98c6b"}
	const left, wide, step, key = 170, 480, 34, 96
	high := 20 + step*len(bars) + 56
	most := 0.0
	for _, one := range bars {
		most = max(most, one.sum())
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 %d" width="720" role="img" aria-labelledby="t">`+"\n", high)
	b.WriteString("<title id=\"t\">Milliseconds of CPU per 1,000 mails, by part; the figures are in the table above</title>\n")
	fmt.Fprintf(&b, "<style>%s</style>\n<rect class=\"bg\" width=\"720\" height=\"%d\" rx=\"10\"/>\n", profileStyle, high)
	for i, one := range bars {
		y, x := 20+step*i, float64(left)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-8, y+17, one.title)
		for j, part := range parts {
			long := wide * one.ms[part] / max(most, 1)
			if long > 0 {
				fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="24" fill="%s"><title>%s: %.0f ms</title></rect>`+"\n", x, y, long, colors[j], part, one.ms[part])
			}
			x += long
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.0f</text>`+"\n", x+6, y+17, one.sum())
	}
	for j, part := range parts {
		x, y := 24+j%7*key, 20+step*len(bars)+16+j/7*20
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="10" height="10" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n", x, y-10, colors[j], x+15, y, part)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (b bar) sum() float64 {
	sum := 0.0
	for _, v := range b.ms {
		sum += v
	}
	return sum
}
