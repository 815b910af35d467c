package store_test

import (
	"regexp"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

// readsAllAttempts finds in a plan that more attempts are looked at than those
// of one endpoint.
var readsAllAttempts = regexp.MustCompile(`Seq Scan on attempts|SCAN (attempts|a)\b`)

// Every endpoint has its attempts, which nobody forgets for months: whatever is
// done for one, or with a batch of messages, reads neither all of them nor all
// deliveries.
func TestNothingScansWhatEndpointsAnswered(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 60,000 attempts")
	}
	eachBox(t, func(t *testing.T, b *box) {
		n, key := 20_000, "deliveries_pkey"
		if b.Dialect() == "sqlite" {
			n, key = 600, "USING INTEGER PRIMARY KEY"
		}
		b.hooks(n)
		b.exec(`INSERT INTO attempts (reader, at, delivery, status, took, answer, trouble, state) SELECT number, 1 + m.n, 0, 200, 1, 'ok', '', ''
			FROM subscribers, (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) AS m`)
		b.incident("one")
		first := b.event(notifier.Event{IncidentID: "one"})
		b.expand(2000)
		b.exec(`ANALYZE`)
		since := b.time()
		looked := func(name string, do func(), words ...string) {
			t.Helper()
			b.t = t
			b.planned(name, do, words...)
		}
		var ds []notifier.Delivery
		looked("a claim", func() { ds = b.claimOn(notifier.Webhook, "w", 100) }, key)
		settle := func(status int, of ...notifier.Delivery) func() {
			return func() {
				var batch []notifier.Settlement
				for _, d := range of {
					batch = append(batch, post(b, "w", d, status))
				}
				b.must(b.Settle(b.ctx, batch))
			}
		}
		looked("a settlement", settle(200, ds[:40]...), key)
		looked("a failure", settle(500, ds[40:60]...), key)
		b.exec(`UPDATE endpoints SET failing_since = 1`)
		looked("the last failure of many", settle(500, ds[60:70]...), key)
		looked("an endpoint that is gone", settle(410, ds[70]), key)
		b.exec(`UPDATE endpoints SET failing_since = 0`)
		sent := subscribers.Number(ds[0].ID.Reader())
		looked("a replay", func() { b.must(b.Replay(b.ctx, sent, ds[0].ID)) }, key)
		gone := subscribers.Number(ds[70].ID.Reader())
		b.test(gone, 200)
		looked("recovering", func() {
			if got, err := b.RecoverEndpoint(b.ctx, gone, since); got != 1 || err != nil {
				t.Errorf("%d, %v", got, err)
			}
		}, key)
		looked("a page of attempts", func() { _, _, _ = b.Attempts(b.ctx, sent, "", 20) })
		looked("a test", func() { b.test(sent, 200) })
		looked("leaving", func() { b.must(b.into(int64(sent), subscribers.Unsubscribed)) }, key)
		looked("erasing", func() { b.must(b.EraseSubscriber(b.ctx, sent)) }, key)
		b.over("one")
		b.pass(100 * day)
		b.exec(`UPDATE events SET expires_at = accepted_at + 1 WHERE number = %d`, first)
		looked("forgetting", func() {
			if got, err := b.Prune(b.ctx, b.time(), 200); got == 0 || err != nil {
				t.Errorf("%d were forgotten, %v", got, err)
			}
		})
	})
}

func TestAPlanThatReadsAllAttemptsIsFound(t *testing.T) {
	for plan, want := range map[string]bool{
		"Delete on attempts\n  ->  Seq Scan on attempts": true, "SCAN a": true, "SCAN attempts USING INDEX x": true,
		"SEARCH attempts USING INDEX sqlite_autoindex_attempts_1 (reader=? AND at<?)": false,
		"Index Scan using attempts_pkey on attempts a":                                false,
		"SCAN answers": false,
	} {
		if readsAllAttempts.MatchString(plan) != want {
			t.Error(strings.ReplaceAll(plan, "\n", " "))
		}
	}
}
