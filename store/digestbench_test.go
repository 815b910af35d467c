package store_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

// dueReaders says of how many; docs/performance.md has the figures of 1,000,000.
var dueReaders = flag.Int("due", 100_000, "how many readers' digests are due at the same hour")

// BenchmarkDigests is how quickly the digests of those are made who are due at
// the same hour, what one costs in CPU, and how long the longest step keeps
// SQLite's one writer from others.
func BenchmarkDigests(b *testing.B) {
	for _, dialect := range storetest.Dialects() {
		b.Run(dialect, func(b *testing.B) {
			readers := *dueReaders
			box := newBox(b, dialect)
			box.readers(readers)
			box.exec(`UPDATE subscribers SET cadence = 'daily'`)
			box.exec(`INSERT INTO digest_cursors (subscriber, cursor, turned) SELECT number, 0, 0 FROM subscribers`)
			box.exec(`INSERT INTO digest_runs (cadence, hour, weekday, timezone, after_at) VALUES ('daily', -1, 0, '', %d)`, box.time().UnixMicro())
			if dialect == "postgres" {
				box.exec(`ANALYZE`)
			}
			box.digestsAt(noons{"noon"}, box.time(), 1000)
			made, longest, cost := 0, time.Duration(0), box.meter()
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				box.happens(fmt.Sprint("incident", n), notifier.Event{})
				box.expand(readers)
				box.pass(day)
				b.StartTimer()
				cost.start()
				for {
					began := time.Now()
					step, err := box.MakeDigests(box.ctx, noons{"noon"}, box.time(), 1000)
					box.must(err)
					longest = max(longest, time.Since(began))
					if made += step.Made; step.Idle {
						break
					}
				}
				cost.stop()
			}
			cost.report(b, made)
			b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest-step")
			b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "digests/s")
		})
	}
}
