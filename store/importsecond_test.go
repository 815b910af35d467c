package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestAFileNamesSecondAddresses(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.SMS, Address: "+4791234567", Reason: subscribers.ReasonStop}))
		left := b.bobLeft()
		bring := func(o subscribers.ImportOptions, rows string) subscribers.ImportReport {
			t.Helper()
			o.Confirm = func(s subscribers.Subscriber) *notifier.Event {
				e := s.ConfirmEvent(notifier.Desk{Now: b.time(), NewID: func() string { return "ask" + s.Number.String() }})
				return &e
			}
			report, err := subscribers.Import(b.ctx, b.Store, strings.NewReader("address,state,second_channel,second_address\n"+rows), o)
			b.must(err)
			return report
		}
		const rows = "bob@own.example,active,email,bo@elsewhere.example\ncec@own.example,,,https://hooks.example.com/x\n" +
			"dan@own.example,active,,+4791234567\neve@own.example,active,,eve@own.example\nann@own.example,active,,ann@elsewhere.example\nfay@own.example,active,,\n"
		stands := func() string {
			var out []string
			all, _, err := b.Subscribers(b.ctx, subscribers.Query{Limit: 100})
			b.must(err)
			for _, s := range all {
				if s.SecondOf == 0 && s.Second.Address != "" {
					out = append(out, s.Address[:3]+" "+s.Second.Address+" "+string(s.Second.State))
				}
			}
			slices.Sort(out)
			return strings.Join(out, ", ")
		}
		for _, dry := range []bool{true, false} {
			got := bring(subscribers.ImportOptions{DryRun: dry}, rows)
			if got.Rows != 6 || got.Added != 5 || got.Unchanged != 1 || got.Wrong != 0 || got.Seconds != 2 || got.SecondsRefused != 2 || len(got.Errors) != 2 || got.Errors[0].Line != 4 ||
				!strings.Contains(got.Errors[0].Reason, "suppressed") || got.Errors[1].Field != "second_address" {
				t.Errorf("dry: %t, %+v", dry, got)
			}
			if dry && stands() != "" {
				t.Errorf("a dry run left %s", stands())
			}
		}
		if got := stands(); got != "bob bo@elsewhere.example pending, cec https://hooks.example.com/x pending" {
			t.Error(got)
		}
		// Who was there keeps what they have unless overwriting is asked for, and an empty cell says nothing.
		bring(subscribers.ImportOptions{Active: true, Overwrite: true}, "bob@own.example,,,\ncec@own.example,,sms,+4791234568\nann@own.example,,,ann@elsewhere.example\n")
		if got := stands(); got != "ann ann@elsewhere.example active, bob bo@elsewhere.example pending, cec +4791234568 active" {
			t.Error(got)
		}
		// Who is asked has not answered for another address, though all others agreed.
		bring(subscribers.ImportOptions{Active: true}, "ivy@own.example,pending,,ivy@elsewhere.example\n")
		if got := stands(); !strings.HasSuffix(got, ", ivy ivy@elsewhere.example pending") {
			t.Error(got)
		}
		if proof, err := b.Evidence(b.ctx, b.second(first).Number); err != nil || len(proof) != 1 || !strings.HasPrefix(proof[0].Words, "Imported by") {
			t.Errorf("that the second address agreed: %+v, %v", proof, err)
		}
		// Who left is neither asked by a file nor brought back, as at first addresses.
		for i, active := range []bool{false, true} {
			got := bring(subscribers.ImportOptions{Active: active, Overwrite: true}, "hal@own.example,,,bob@elsewhere.example\n")
			if got.Added+got.Changed != 1 || got.Added != 1-i || got.SecondsRefused != 1 || got.Errors[0].Line != 2 || !strings.Contains(got.Errors[0].Reason, "left on") {
				t.Errorf("active: %t, %+v", active, got)
			}
			if x, err := b.Subscriber(b.ctx, left); err != nil || x.State != subscribers.Unsubscribed || x.SecondOf != 0 {
				t.Errorf("%+v, %v", x, err)
			}
		}
		if got := bring(subscribers.ImportOptions{}, "gus@own.example,active,pigeon,x\n"); got.Wrong != 1 || got.Errors[0].Field != "second_channel" {
			t.Errorf("%+v", got)
		}
		b.expand(100)
		b.sound()
	})
}

func TestRowsWithSecondAddressesComeInInShortSteps(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, _ subscribers.Number) {
		file := "address,state,second_address\n"
		for i := range 50 {
			file += fmt.Sprintf("r%d@own.example,active,\n", i)
		}
		for i := range 50 {
			file += fmt.Sprintf("r%d@own.example,active,r%d@elsewhere.example\n", 50+i, i)
		}
		for _, dry := range []bool{true, false} {
			var lines []int
			got, err := subscribers.Import(b.ctx, b.Store, strings.NewReader(file), subscribers.ImportOptions{DryRun: dry, Active: true, Progress: func(line int) { lines = append(lines, line) }})
			if err != nil || got.Added != 100 || got.Seconds != 50 || !slices.Equal(lines, []int{71, 91, 101}) {
				t.Errorf("dry: %t, %+v, %v, after lines %v", dry, got, err, lines)
			}
		}
	})
}

func TestWhoeverIsAddedWithASecondAddressWaitsForTheFanOutBeforeOthersWaitForThem(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		if b.Dialect() != "postgres" {
			return // one writer at a time
		}
		_, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		keeps := func(want int64, write func(ctx context.Context) error) {
			t.Helper()
			b.must(b.Atomic(b.ctx, func(ctx context.Context) error {
				if err := write(ctx); err != nil {
					return err
				}
				if n := b.number(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND mode = 'ExclusiveLock' AND classid::bigint << 32 | objid::bigint = 7020105093439906162`); n != want {
					t.Errorf("the fan-out is kept out by %d, want %d", n, want)
				}
				return nil
			}))
		}
		bob, cec, dan, eve := reader("bob@own.example", subscribers.Active), reader("cec@own.example", subscribers.Active), reader("dan@own.example", subscribers.Active), reader("eve@own.example", subscribers.Active)
		second := subscribers.Second{Channel: notifier.Email, Address: "x@elsewhere.example"}
		bob.Second, dan.Second = second, second
		add := func(ctx context.Context, s subscribers.Subscriber) error {
			_, err := b.AddSubscriber(ctx, s, nil)
			return err
		}
		bring := func(ctx context.Context, s subscribers.Subscriber) error {
			_, _, err := b.ImportSubscribers(ctx, []subscribers.Subscriber{s}, nil)
			return err
		}
		keeps(1, func(ctx context.Context) error { return add(ctx, bob) })
		keeps(0, func(ctx context.Context) error { return add(ctx, cec) })
		keeps(1, func(ctx context.Context) error { return bring(ctx, dan) })
		keeps(0, func(ctx context.Context) error { return bring(ctx, eve) })
	})
}
