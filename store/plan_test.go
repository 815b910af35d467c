package store_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

// scans finds in a plan that all deliveries are read, or all of an index; the
// index of what is in flight is as small as that.
func scans(plan string) bool {
	for line := range strings.Lines(plan) {
		line = strings.TrimLeft(strings.TrimSpace(line), "-> ")
		if strings.HasPrefix(line, "Seq Scan on deliveries") || strings.HasPrefix(line, "Parallel Seq Scan on deliveries") ||
			(strings.HasPrefix(line, "SCAN deliveries") || strings.HasPrefix(line, "SCAN d") || strings.HasPrefix(line, "SCAN n")) && !strings.Contains(line, "INDEX deliveries_leased") {
			return true
		}
	}
	return false
}

// planned fails where a statement of do scans deliveries, or no plan holds one of the words.
func (b *box) planned(name string, do func(), words ...string) {
	b.t.Helper()
	plans := b.Explained(b.t, do)
	for i, p := range plans { // the ids are many
		plans[i] = regexp.MustCompile(`\{[0-9,]{50,}\}`).ReplaceAllString(p, "{...}")
	}
	all := strings.Join(plans, "\n\n")
	for _, p := range plans {
		if scans(p) {
			b.t.Errorf("%s scans deliveries:\n%s", name, p)
		}
	}
	for _, w := range words {
		if !strings.Contains(all, w) {
			b.t.Errorf("%s does without %q:\n%s", name, w, all)
		}
	}
}

// At 100,000 deliveries and more, nothing that happens while messages are sent
// may read them all: with fresh statistics or with none. SQLite plans alike
// whatever the size, and is slow under the race detector, so it gets fewer.
func TestNothingScansTheDeliveries(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 200,000 deliveries")
	}
	eachBox(t, func(t *testing.T, b *box) {
		key, due, leased := "USING INTEGER PRIMARY KEY", "USING INDEX deliveries_due", "USING INDEX deliveries_leased"
		if b.Dialect() == "postgres" {
			key, due, leased = "deliveries_pkey", "using deliveries_due", "deliveries_leased"
		}
		n := many
		if b.Dialect() == "sqlite" {
			n = 6000
		}
		b.readers(n)
		b.incident("one")
		first := b.event(notifier.Event{IncidentID: "one"})
		b.expand(2000)
		for _, analyzed := range []bool{false, true} {
			if analyzed {
				b.exec(`ANALYZE`)
			}
			var ds []notifier.Delivery
			b.planned("a claim", func() { ds = b.claim("w", 500) }, due, key)
			b.planned("an idle claim", func() {
				_, _ = b.Claim(b.ctx, notifier.Claim{Worker: "w", Channel: notifier.SMS, Lanes: notifier.Lanes, Limit: 1, Lease: time.Minute})
			}, due)
			b.planned("a settlement", func() { b.settle("w", notifier.Sent, ds[:250]...) }, key)
			b.planned("a retry", func() { b.settle("w", notifier.Pending, ds[250:300]...) }, key)
			b.planned("a failure", func() { b.settle("w", notifier.Failed, ds[300:350]...) }, key)
			b.planned("a check", func() { b.mine("w", ds) })
			b.planned("an extension", func() { b.must(b.Extend(b.ctx, "w", ids(ds), time.Minute)) })
			b.planned("a release", func() { b.must(b.Release(b.ctx, "w", ids(ds[350:400]))) })
			b.planned("a worker's end", func() { b.must(b.Release(b.ctx, "w", nil)) }, leased)
			b.claim("w", 500)
			b.pass(time.Hour)
			b.planned("reaping", func() { _, _ = b.Reap(b.ctx) }, leased)
			b.planned("progress", func() { b.progress(first) }, leased)
			b.planned("depths", func() { _, _ = b.Depths(b.ctx) }, due)
			for _, q := range []notifier.DeliveryQuery{
				{Event: eventID(b, first)}, {Address: "reader500@example.com"}, {State: notifier.Failed}, {Cursor: "1-1"},
			} {
				q.Limit = 50
				b.planned("a list", func() { _, _, _ = b.Deliveries(b.ctx, q) }, key)
			}
			b.planned("retrying", func() { b.retryFailed(first) }, key)
			b.claim("w", 500)
			second := b.event(notifier.Event{IncidentID: "one"})
			b.planned("an update", func() {
				_, err := b.ExpandSlice(b.ctx, 2000)
				b.must(err)
			}, key)
			b.planned("letting go what waited", func() { b.must(b.Release(b.ctx, "w", nil)) }, "deliveries_behind", key)
			b.planned("leaving", func() { b.must(leaving["pause"](b, int64(n)*7/10+second)) }, key)
			b.must(b.Pause(b.ctx, notifier.Pause{Scope: notifier.PauseDomain, Key: "example.com"}))
			b.holdBack("w", b.claim("w", 100))
			b.planned("resuming a domain", func() { b.must(b.Resume(b.ctx, notifier.PauseDomain, "example.com")) }, due)
			b.expand(2000)
			b.sound()
		}
	})
}
