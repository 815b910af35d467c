package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"time"
)

// ratioReport is what a comparison came to.
type ratioReport struct {
	Messages int
	Signed   bool
	Signer   string      // who computed RSA signatures: go or libcrypto; none
	dialect  string      // sqlite or postgres
	says     string      // the database, for people
	size     int64       // bytes of a mail
	unseen   bool        // the database server's CPU time is not told from that of strangers
	loops    []loopPhase // the one that counts first
	pipeline phase
}

// loopPhase is what a bare loop came to.
type loopPhase struct {
	name string
	phase
}

// ratioJSON is what --json prints. Rates are mails a second; the CPU time is
// the pipeline's, in milliseconds per 1,000 mails: of this process by part, of a
// database server and of other processes that ran meanwhile, where they can be told apart.
type ratioJSON struct {
	Messages     int                `json:"messages"`
	Signed       bool               `json:"signed"`
	Signer       string             `json:"signer"`
	Database     string             `json:"database"`
	LoopRate     float64            `json:"loop_rate"`
	PipelineRate float64            `json:"pipeline_rate"`
	Ratio        float64            `json:"ratio"`
	CPU          map[string]float64 `json:"cpu_ms_per_1000"`
	PeakRSS      float64            `json:"peak_rss_mb"`
}

func (r *ratioReport) rate(p phase) float64 { return float64(r.Messages) / p.took.Seconds() }

func (r *ratioReport) ratio() float64 { return r.to(r.loops[0]) }

// to is the pipeline against a loop.
func (r *ratioReport) to(l loopPhase) float64 { return r.rate(r.pipeline) / r.rate(l.phase) }

// byCPU is the same as it would be if nothing else ever ran: the CPU time of
// the loop to that of the pipeline and its database.
func (r *ratioReport) byCPU(l loopPhase) float64 {
	return (l.own + l.server).Seconds() / (r.pipeline.own + r.pipeline.server).Seconds()
}

// figures are what is wanted of it, and what it came to.
func (r *ratioReport) figures() []figure {
	if !r.Signed {
		speed := plainFigure("pipeline, unsigned", "mails/s", r.rate(r.pipeline))
		if r.dialect == "postgres" {
			speed = atLeast(speed.What, speed.Unit, 10_000, speed.Value)
		}
		return []figure{atLeast("to bare loop, unsigned", "x", .5, r.ratio()), speed, plainFigure("bare loop, unsigned", "mails/s", r.rate(r.loops[0].phase))}
	}
	by := ", RSA by " + r.Signer
	var all []figure
	for _, l := range r.loops {
		switch l.name {
		case byEveryone:
			all = append(all, atLeast("to "+l.name+by, "x", .85, r.to(l)))
		case byGo:
			all = append(all, atLeast("by "+r.Signer+", to "+l.name, "x", 2.3, r.to(l)))
		case byUs:
			all = append(all, plainFigure("to "+l.name+by, "x", r.to(l)))
		}
	}
	return append(all, plainFigure("pipeline"+by, "mails/s", r.rate(r.pipeline)), plainFigure("bare loop"+by, "mails/s", r.rate(r.loops[0].phase)))
}

// per1000 is milliseconds of d per 1,000 mails.
func (r *ratioReport) per1000(d time.Duration) float64 {
	return float64(d.Microseconds()) / float64(r.Messages)
}

func (r *ratioReport) json() ratioJSON {
	cpu := map[string]float64{}
	for _, part := range cpuParts() {
		cpu[part] = rounded(r.per1000(r.pipeline.cpu[part]), 1)
	}
	if !r.unseen {
		cpu["database_server"] = rounded(r.per1000(r.pipeline.server), 1)
		cpu["others"] = rounded(r.per1000(r.pipeline.others()), 1)
	}
	return ratioJSON{
		Messages: r.Messages, Signed: r.Signed, Signer: r.Signer, Database: r.dialect,
		LoopRate: rounded(r.rate(r.loops[0].phase), 1), PipelineRate: rounded(r.rate(r.pipeline), 1), Ratio: rounded(r.ratio(), 3),
		CPU: cpu, PeakRSS: rounded(float64(r.pipeline.peak)/(1<<20), 1),
	}
}

// rounded is f with so many digits behind the point.
func rounded(f float64, digits int) float64 {
	by := math.Pow10(digits)
	return math.Round(f*by) / by
}

func (r *ratioReport) print(w io.Writer) error {
	signed := "rsa-2048 and ed25519; RSA by " + r.Signer
	if !r.Signed {
		signed = "no"
	}
	fmt.Fprintf(w, "%s of %.1f kB over %d connections, on %s\n", plural(int64(r.Messages), "mail"), float64(r.size)/1000, benchConnections, plural(int64(runtime.GOMAXPROCS(0)), "processor"))
	fmt.Fprintf(w, "  database  %s\n  signed    %s\n\n", r.says, signed)
	t := newTable("what", ">mails/s", ">took", ">CPU", ">memory", ">ratio", ">by CPU")
	row := func(name string, p phase, ratios ...string) {
		cells := []any{name, count(int64(r.rate(p))), seconds(p.took.Seconds()), seconds(p.own.Seconds()), fmt.Sprintf("%.0f MB", float64(p.peak)/(1<<20))}
		for _, ratio := range ratios {
			cells = append(cells, ratio)
		}
		t.add(cells...)
	}
	for _, l := range r.loops {
		by := "not visible"
		if !r.unseen {
			by = fmt.Sprintf("%.2f", r.byCPU(l))
		}
		row(l.name, l.phase, fmt.Sprintf("%.2f", r.to(l)), by)
	}
	row("pipeline", r.pipeline, "", "")
	if err := t.print(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nratio  %.2f: the pipeline's rate to the bare loop's\n\n", r.ratio())
	fmt.Fprintf(w, figureLine, "TARGETS", "TARGET", "MEASURED", "")
	for _, f := range r.figures() {
		if f.Target != nil {
			f.print(w)
		}
	}
	fmt.Fprintln(w)
	r.printCPU(w)
	most := r.pipeline.disturbed()
	for _, l := range r.loops {
		most = max(most, l.disturbed())
	}
	if most > .1 && !r.unseen {
		fmt.Fprintf(w, "\nOthers had up to %.0f %% of this machine meanwhile:\nmeasure again when it is quiet.\n", 100*most)
	}
	return nil
}

// printCPU tells where the CPU time went.
func (r *ratioReport) printCPU(w io.Writer) {
	const row = "%-28s %11s %11s  %s\n"
	fmt.Fprintf(w, row, "CPU MS PER 1,000 MAILS", "BARE LOOP", "PIPELINE", "")
	loop := r.loops[0]
	line := func(name string, loop, pipe time.Duration, drawn string) {
		fmt.Fprintf(w, row, name, fmt.Sprintf("%.1f", r.per1000(loop)), fmt.Sprintf("%.1f", r.per1000(pipe)), drawn)
	}
	for _, part := range cpuParts() {
		share := r.pipeline.cpu[part].Seconds() / max(r.pipeline.own.Seconds(), .001)
		line(part, loop.cpu[part], r.pipeline.cpu[part], strings.Repeat("█", int(24*share+.5)))
	}
	line("together", loop.own, r.pipeline.own, "")
	if r.unseen {
		fmt.Fprintf(w, row, "database server", "not visible", "not visible", "(root on its machine sees it)")
		return
	}
	if r.pipeline.server > 0 {
		line("database server", loop.server, r.pipeline.server, "")
	}
	line("other processes meanwhile", loop.others(), r.pipeline.others(), "")
}
