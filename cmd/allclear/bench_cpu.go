package main

import (
	"bytes"
	"fmt"
	"path"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// The parts that CPU time is told by, in the order they are shown.
const (
	partRender   = "render"
	partSign     = "sign"
	partSMTP     = "smtp"
	partOutbox   = "outbox" // dispatch, and the journal of acknowledgements
	partDatabase = "database"
	partRuntime  = "runtime" // garbage collection and the scheduler
	partSink     = "sink"    // the bench's own relay
	partOther    = "other"
)

func cpuParts() []string {
	return []string{partRender, partSign, partSMTP, partOutbox, partDatabase, partRuntime, partSink, partOther}
}

// meterCPU runs do and tells the CPU time it took, by part. The sum is what the
// kernel counted; the profile's samples (one in 10 ms) only divide it.
func meterCPU(do func() error) (map[string]time.Duration, error) {
	var raw bytes.Buffer
	before, err := ownCPU()
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(&raw); err != nil {
		return nil, fmt.Errorf("start a profile: %w", err)
	}
	err = do()
	pprof.StopCPUProfile()
	if err != nil {
		return nil, err
	}
	after, err := ownCPU()
	if err != nil {
		return nil, err
	}
	p, err := profile.Parse(&raw)
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	return divide(after-before, shares(p)), nil
}

// divide splits d in the proportion of the samples.
func divide(d time.Duration, samples map[string]int64) map[string]time.Duration {
	var sum int64
	for _, n := range samples {
		sum += n
	}
	out := map[string]time.Duration{}
	for _, part := range cpuParts() {
		if sum > 0 {
			out[part] = time.Duration(float64(d) * float64(samples[part]) / float64(sum))
		}
	}
	if sum == 0 {
		out[partOther] = d
	}
	return out
}

// shares counts the samples of each part.
func shares(p *profile.Profile) map[string]int64 {
	out := map[string]int64{}
	for _, s := range p.Sample {
		out[partOf(s)] += s.Value[0]
	}
	return out
}

// partOf walks a stack from the leaf until a frame tells whose work it is:
// copying memory, hashing or a system call belongs to whoever asked for it.
func partOf(s *profile.Sample) string {
	all := true // frames are the runtime's
	for _, l := range s.Location {
		for _, line := range l.Line {
			if part := partOfFrame(line.Function); part != "" {
				return part
			}
			all = all && strings.HasPrefix(line.Function.Name, "runtime.")
		}
	}
	if all {
		return partRuntime
	}
	return partOther
}

func partOfFrame(f *profile.Function) string {
	name := f.Name
	// What a goroutine lends the collector is charged to the collector.
	if strings.HasPrefix(name, "runtime.gcAssist") || strings.HasPrefix(name, "runtime.gcBgMarkWorker") || strings.HasPrefix(name, "runtime.bgsweep") {
		return partRuntime
	}
	if strings.HasPrefix(name, "allclear/notifier/email.") {
		return partOfMail(path.Base(f.Filename))
	}
	if strings.HasPrefix(name, "main.(*sink)") || strings.HasPrefix(name, "allclear/cmd/allclear.(*sink)") {
		return partSink
	}
	for _, o := range owners() {
		if strings.HasPrefix(name, o.prefix) {
			return o.part
		}
	}
	return ""
}

type owner struct{ prefix, part string }

func owners() []owner {
	return []owner{
		{"allclear/store", partDatabase}, {"gorm.io/", partDatabase}, {"github.com/jackc/", partDatabase},
		{"github.com/glebarez/", partDatabase}, {"modernc.org/", partDatabase}, {"database/sql", partDatabase},
		{"allclear/notifier/email/signer", partSign}, {"github.com/emersion/go-msgauth", partSign}, {"github.com/ebitengine/purego", partSign},
		{"crypto/rsa.", partSign}, {"crypto/internal/fips140/rsa.", partSign},
		{"crypto/ed25519.", partSign}, {"crypto/internal/fips140/ed25519.", partSign},
		{"allclear/templates", partRender}, {"allclear/subscribers", partRender}, {"github.com/jordan-wright/email", partRender},
		{"allclear/notifier/outbox", partOutbox}, {"allclear/notifier/fanout", partDatabase},
	}
}

// composing and signing are the files of notifier/email that write a mail; the
// others carry it.
func composing() []string {
	return []string{"compositor.go", "header.go", "plain.go", "shelf.go", "skeleton.go", "skeletonwriter.go"}
}

func signing() []string { return []string{"canonical.go", "canonicalsigner.go", "sign.go", "keys.go"} }

func partOfMail(file string) string {
	switch {
	case slices.Contains(composing(), file):
		return partRender
	case slices.Contains(signing(), file):
		return partSign
	}
	return partSMTP
}
