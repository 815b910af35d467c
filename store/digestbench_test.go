package store_test

import (
	"fmt"
	"testing"

	"allclear/notifier"
	"allclear/store/storetest"
)

// BenchmarkDigests is how quickly the digests of those are made who are due at
// the same hour, of 100,000.
func BenchmarkDigests(b *testing.B) {
	for _, dialect := range storetest.Dialects() {
		b.Run(dialect, func(b *testing.B) {
			const readers = 100_000
			box := newBox(b, dialect)
			box.readers(readers)
			box.exec(`UPDATE subscribers SET cadence = 'daily'`)
			box.exec(`INSERT INTO digest_cursors (subscriber, cursor, turned) SELECT number, 0, 0 FROM subscribers`)
			box.exec(`INSERT INTO digest_runs (cadence, hour, weekday, timezone, after_at) VALUES ('daily', -1, 0, '', %d)`, box.time().UnixMicro())
			if dialect == "postgres" {
				box.exec(`ANALYZE`)
			}
			box.digestsAt(noons{"noon"}, box.time(), 2000)
			made := 0
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				box.happens(fmt.Sprint("incident", n), notifier.Event{})
				box.expand(readers)
				box.pass(day)
				b.StartTimer()
				made += box.digestsAt(noons{"noon"}, box.time(), 2000)
			}
			b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "digests/s")
		})
	}
}
