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
	Signer   string // who computed RSA signatures: go or libcrypto; none
	dialect  string // sqlite or postgres
	says     string // the database, for people
	size     int64  // bytes of a mail
	loop     phase
	pipeline phase
	others   []otherPhase
}

// otherPhase is another bare loop, of fewer mails.
type otherPhase struct {
	name  string
	mails int
	phase
}

func (o otherPhase) rate() float64 { return float64(o.mails) / o.took.Seconds() }

// beside is the pipeline against another loop; false where that did not run.
func (r *ratioReport) beside(name string) (float64, bool) {
	for _, o := range r.others {
		if o.name == name {
			return r.rate(r.pipeline) / o.rate(), true
		}
	}
	return 0, false
}

// ratioJSON is what --json prints. Rates are mails a second; the CPU time is
// the pipeline's, in milliseconds per 1,000 mails: of this process by part, of a
// database server on this machine, and of other processes that ran meanwhile.
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

func (r *ratioReport) ratio() float64 { return r.rate(r.pipeline) / r.rate(r.loop) }

// byCPU is the ratio as it would be if nothing else ever ran: the CPU time of
// the loop to that of the pipeline and its database.
func (r *ratioReport) byCPU() float64 { return r.toCPU(r.loop, r.Messages) }

// toCPU is byCPU to a loop of so many mails.
func (r *ratioReport) toCPU(loop phase, mails int) float64 {
	return (loop.own + loop.server).Seconds() / float64(mails) / (r.pipeline.own + r.pipeline.server).Seconds() * float64(r.Messages)
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
	cpu["database_server"] = rounded(r.per1000(r.pipeline.server), 1)
	cpu["others"] = rounded(r.per1000(r.pipeline.others()), 1)
	return ratioJSON{
		Messages: r.Messages, Signed: r.Signed, Signer: r.Signer, Database: r.dialect,
		LoopRate: rounded(r.rate(r.loop), 1), PipelineRate: rounded(r.rate(r.pipeline), 1), Ratio: rounded(r.ratio(), 3),
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
	t := newTable("what", ">mails/s", ">took", ">CPU", ">memory")
	for _, row := range []struct {
		name string
		phase
	}{{"bare loop", r.loop}, {"pipeline", r.pipeline}} {
		t.add(row.name, count(int64(r.rate(row.phase))), seconds(row.took.Seconds()), seconds(row.own.Seconds()), fmt.Sprintf("%.0f MB", float64(row.peak)/(1<<20)))
	}
	if err := t.print(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nratio  %.2f  (by CPU time %.2f)\n", r.ratio(), r.byCPU())
	for _, o := range r.others {
		fmt.Fprintf(w, "       %.2f  (by CPU time %.2f) to a bare loop with %s: %s mails/s\n", r.rate(r.pipeline)/o.rate(), r.toCPU(o.phase, o.mails), o.name, count(int64(o.rate())))
	}
	fmt.Fprintln(w)
	const row = "%-28s %9s  %9s  %s\n"
	fmt.Fprintf(w, row, "CPU MS PER 1,000 MAILS", "BARE LOOP", "PIPELINE", "")
	line := func(name string, loop, pipe time.Duration, bar bool) {
		var drawn string
		if bar {
			drawn = strings.Repeat("█", int(28*pipe.Seconds()/max(r.pipeline.own.Seconds(), .001)+.5))
		}
		fmt.Fprintf(w, row, name, fmt.Sprintf("%.1f", r.per1000(loop)), fmt.Sprintf("%.1f", r.per1000(pipe)), drawn)
	}
	for _, part := range cpuParts() {
		line(part, r.loop.cpu[part], r.pipeline.cpu[part], true)
	}
	line("together", r.loop.own, r.pipeline.own, false)
	if r.pipeline.server > 0 {
		line("database server", r.loop.server, r.pipeline.server, false)
	}
	line("other processes meanwhile", r.loop.others(), r.pipeline.others(), false)
	if most := max(r.loop.disturbed(), r.pipeline.disturbed()); most > .1 {
		fmt.Fprintf(w, "\nOthers had up to %.0f %% of this machine meanwhile: measure again when it is quiet.\n", 100*most)
	}
	return nil
}
