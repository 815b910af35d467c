package store_test

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
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

// settledRows says on how many settled deliveries BenchmarkClaimSettleBehind
// works; the figures of docs/performance.md are of 10,000 and of 10,000,000.
var settledRows = flag.String("settled", "10000,1000000", "numbers of settled deliveries, by comma")

// BenchmarkClaimSettleBehind claims and settles 100,000 new deliveries where many were settled before.
func BenchmarkClaimSettleBehind(b *testing.B) {
	for text := range strings.SplitSeq(*settledRows, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		for _, dialect := range storetest.Dialects() {
			b.Run(text+"/"+dialect, func(b *testing.B) {
				x := newBox(b, dialect)
				x.readers(many)
				x.settled(n)
				cost := x.meter()
				for b.Loop() {
					b.StopTimer()
					x.incidentless()
					x.expand(2000)
					b.StartTimer()
					cost.start()
					for ds := x.claim("worker", 500); len(ds) > 0; ds = x.claim("worker", 500) {
						x.settle("worker", notifier.Sent, ds...)
					}
					cost.stop()
				}
				cost.report(b, b.N*many)
				b.ReportMetric(float64(b.N)*many/b.Elapsed().Seconds(), "deliveries/s")
			})
		}
	}
}

// settled adds n deliveries that were sent long ago, by event as many as there
// may be readers, as the store would have left them.
func (b *box) settled(n int) {
	b.t.Helper()
	for n > 0 {
		event, part := b.incidentless(), min(n, many)
		b.exec(`UPDATE events SET expanded_at = %d, progress = 4294967295 WHERE number = %d`, b.time().UnixMicro(), event)
		series := fmt.Sprintf(`WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < %d)`, part)
		if b.Dialect() == "postgres" {
			series = fmt.Sprintf(`WITH r(n) AS (SELECT * FROM generate_series(1, %d))`, part)
		}
		b.exec(`INSERT INTO deliveries (id, event_number, lane, channel, address, since, state, due_at, tried_at, sent_at, relay, reply, remote) %s
			SELECT CAST(%d AS bigint) + n, %d, %d, 'email', 'reader' || n || '@example.com', %d, 'sent', %d, %d, %d, 'relay', 'said', 'queued' FROM r`,
			series, notifier.MakeDeliveryID(event, 0), event, notifier.LaneIncident, event, b.time().UnixMicro(), b.time().UnixMicro(), b.time().UnixMicro())
		b.exec(`INSERT INTO event_counts (event_number, channel, total, tried, sent, first_sent_at, last_sent_at) VALUES (%d, 'email', %d, %d, %d, %d, %d)`,
			event, part, part, part, b.time().UnixMicro(), b.time().UnixMicro())
		n -= part
	}
	if b.Dialect() == "postgres" {
		b.exec(`ANALYZE deliveries`) // as autovacuum does
	}
}

// BenchmarkImport adds 100,000 followers in batches of 1,000.
func BenchmarkImport(b *testing.B) {
	for _, dialect := range storetest.Dialects() {
		b.Run(dialect, func(b *testing.B) {
			x := newBox(b, dialect)
			added, cost := 0, x.meter()
			cost.start()
			for b.Loop() {
				for range many / 1000 {
					batch := make([]subscribers.Subscriber, 1000)
					for i := range batch {
						added++
						batch[i] = reader(fmt.Sprintf("reader%d@example.com", added), subscribers.Active)
					}
					_, _, err := x.ImportSubscribers(x.ctx, batch, nil)
					x.must(err)
				}
			}
			cost.stop()
			cost.report(b, added)
			b.ReportMetric(float64(added)/b.Elapsed().Seconds(), "followers/s")
		})
	}
}

// BenchmarkRetract withdraws an event of 100,000 open deliveries, and forgets
// it in the end: how long the answer takes, and a step of each.
func BenchmarkRetract(b *testing.B) {
	for _, dialect := range storetest.Dialects() {
		b.Run(dialect, func(b *testing.B) {
			x := newBox(b, dialect)
			x.readers(many)
			var answer, cancel, prune time.Duration
			steps := 0
			for b.Loop() {
				id := "incident" + x.time().Format("150405.000000")
				x.incidentless()
				x.expand(2000)
				began := time.Now()
				_, err := x.ReviseIncident(x.ctx, id, func(i notifier.Incident) (notifier.Posting, error) {
					i.State = notifier.Retracted
					return notifier.Posting{Incident: i}, nil
				})
				x.must(err)
				answer += time.Since(began)
				began = time.Now()
				x.expand(2000)
				cancel += time.Since(began)
				x.pass(100 * day)
				began = time.Now()
				for n := 1; n > 0; steps++ {
					n, err = x.Prune(x.ctx, x.time().Add(-90*day), 1000)
					x.must(err)
				}
				prune += time.Since(began)
			}
			ms := func(d time.Duration, n int) float64 { return d.Seconds() * 1000 / float64(n) }
			b.ReportMetric(ms(answer, b.N), "ms-answer")
			b.ReportMetric(ms(cancel, b.N), "ms-cancel-100000")
			b.ReportMetric(ms(prune, steps), "ms-prune-1000")
		})
	}
}
