package store_test

import (
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

// hooks adds n active endpoints, numbered from 1 on.
func (b *box) hooks(n int) {
	b.t.Helper()
	b.readers(n)
	b.exec(`UPDATE subscribers SET channel = 'webhook', address = 'https://example.com/' || number, contact = 'ops@example.com', format = 'standard'`)
	b.exec(`INSERT INTO endpoints (subscriber) SELECT number FROM subscribers`)
}

// BenchmarkPosts claims and settles by 500 what is posted to 50,000 endpoints,
// every post with its attempt and 200 bytes of answer.
func BenchmarkPosts(b *testing.B) {
	const endpoints = 50_000
	answer := make([]byte, 200)
	for i := range answer {
		answer[i] = 'a'
	}
	for _, dialect := range storetest.Dialects() {
		b.Run(dialect, func(b *testing.B) {
			x := newBox(b, dialect)
			x.hooks(endpoints)
			x.incidentless()
			x.expand(2000)
			done, cost := 0, x.meter()
			cost.start()
			for b.Loop() {
				ds := x.claimOn(notifier.Webhook, "w", 500)
				if len(ds) == 0 {
					b.StopTimer()
					cost.stop()
					x.incidentless()
					x.expand(2000)
					cost.start()
					b.StartTimer()
					ds = x.claimOn(notifier.Webhook, "w", 500)
				}
				batch := make([]notifier.Settlement, len(ds))
				for i, d := range ds {
					batch[i] = post(x, "w", d, 200)
					batch[i].Receipt.Answer = string(answer)
				}
				x.must(x.Settle(x.ctx, batch))
				x.pass(time.Millisecond)
				done += len(ds)
			}
			cost.stop()
			cost.report(b, done)
			b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
