package store_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// meter tells what a benchmark costs in CPU, on a machine where others work
// too: ours, and that of every process of the PostgreSQL server.
type meter struct {
	server      int // the postmaster's pid; 0 where its files cannot be read
	began       [2]time.Duration
	ours, peers time.Duration
}

func (b *box) meter() *meter {
	m := &meter{}
	if b.Dialect() == "postgres" {
		var file string
		if b.db.QueryRow(`SELECT pg_read_file('postmaster.pid')`).Scan(&file) == nil {
			m.server, _ = strconv.Atoi(strings.SplitN(file, "\n", 2)[0])
		}
	}
	return m
}

func (m *meter) start() { m.began = m.read() }

func (m *meter) stop() {
	now := m.read()
	m.ours += now[0] - m.began[0]
	m.peers += now[1] - m.began[1]
}

// report adds what each of n things cost.
func (m *meter) report(b *testing.B, n int) {
	us := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
	b.ReportMetric(us(m.ours), "us-client")
	if m.server > 0 {
		b.ReportMetric(us(m.peers), "us-server")
	}
}

func (m *meter) read() (used [2]time.Duration) {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err == nil {
		used[0] = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	}
	if m.server == 0 {
		return used
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid ... utime stime cutime cstime, from the 14th on
		head, tail, _ := strings.Cut(string(raw), ") ")
		f := strings.Fields(tail)
		pid, _, _ := strings.Cut(head, " ")
		ticks := f[11:13]
		switch own := strconv.Itoa(m.server); {
		case pid == own:
			ticks = f[11:15] // and its children's that have ended
		case f[1] != own:
			continue
		}
		for _, t := range ticks {
			n, _ := strconv.Atoi(t)
			used[1] += time.Duration(n) * 10 * time.Millisecond // USER_HZ is 100
		}
	}
	return used
}
