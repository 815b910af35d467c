package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// meter shows how far long work has come: a bar on a terminal, elsewhere a
// plain line at every tenth, once it has taken longer than a moment.
type meter struct {
	now   func() time.Time
	begun time.Time
	w     io.Writer
	what  string
	total int64
	bar   *progressbar.ProgressBar
	tenth int64
	last  int64
}

func (a *app) meter(what string, total int64) *meter {
	m := &meter{now: a.now, begun: a.now(), w: a.err, what: what, total: total}
	if a.interactive(a.err) {
		m.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(a.err), progressbar.OptionSetDescription(fmt.Sprintf("%-12s", what)), progressbar.OptionSetWidth(28),
			progressbar.OptionShowCount(), progressbar.OptionThrottle(60*time.Millisecond),
			progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}))
	}
	return m
}

// moment is how long something may take before it tells how far it is.
const moment = time.Second

// set says how much is done. It may be called with the same or a smaller value.
func (m *meter) set(done int64) {
	if done = min(done, max(m.total, 0)); done <= m.last {
		return
	}
	m.last = done
	if m.bar != nil {
		_ = m.bar.Set64(done)
		return
	}
	if m.total <= 0 || m.now().Sub(m.begun) < moment {
		return
	}
	if tenth := done * 10 / m.total; tenth > m.tenth {
		m.tenth = tenth
		fmt.Fprintf(m.w, "%s: %s of %s\n", m.what, count(done), count(m.total))
	}
}

// close takes the bar away.
func (m *meter) close() {
	if m.bar != nil {
		_ = m.bar.Clear()
		_ = m.bar.Exit()
	}
}
