package store_test

import (
	"testing"

	"allclear/notifier"
	"allclear/store/storetest"
)

// many is how many readers the figures are about.
const many = 100_000

// BenchmarkFanOut makes 100,000 deliveries of one event.
func BenchmarkFanOut(b *testing.B) {
	for _, dialect := range storetest.Dialects() {
		b.Run(dialect, func(b *testing.B) {
			x := newBox(b, dialect)
			x.readers(many)
			cost := x.meter()
			cost.start()
			for b.Loop() {
				x.incidentless()
				if made := x.expand(2000); made != many {
					b.Fatal(made)
				}
			}
			cost.stop()
			cost.report(b, b.N*many)
			b.ReportMetric(float64(b.N)*many/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// BenchmarkUpdate makes 100,000 deliveries of an incident's second event, whose first was sent to half.
func BenchmarkUpdate(b *testing.B) {
	for _, dialect := range storetest.Dialects() {
		b.Run(dialect, func(b *testing.B) {
			x := newBox(b, dialect)
			x.readers(many)
			x.incident("one")
			x.event(notifier.Event{IncidentID: "one"})
			x.expand(2000)
			for n := 0; n < many/2; n += 500 {
				x.settle("w", notifier.Sent, x.claim("w", 500)...)
			}
			for b.Loop() {
				x.event(notifier.Event{IncidentID: "one"})
				if made := x.expand(2000); made != many {
					b.Fatal(made)
				}
			}
			b.ReportMetric(float64(b.N)*many/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// BenchmarkClaimSettle claims and settles by 500, one worker, with 100,000 deliveries in the table.
func BenchmarkClaimSettle(b *testing.B) {
	for _, dialect := range storetest.Dialects() {
		b.Run(dialect, func(b *testing.B) {
			x := newBox(b, dialect)
			x.readers(many)
			x.incidentless()
			x.expand(2000)
			done, cost := 0, x.meter()
			cost.start()
			for b.Loop() {
				ds := x.claim("worker", 500)
				if len(ds) == 0 {
					b.StopTimer()
					cost.stop()
					x.incidentless()
					x.expand(2000)
					cost.start()
					b.StartTimer()
					ds = x.claim("worker", 500)
				}
				x.settle("worker", notifier.Sent, ds...)
				done += len(ds)
			}
			cost.stop()
			cost.report(b, done)
			b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// incidentless accepts an event of an incident that has no other.
func (b *box) incidentless() int64 {
	id := "incident" + b.time().Format("150405.000000")
	b.pass(1000)
	b.incident(id)
	return b.event(notifier.Event{IncidentID: id})
}
