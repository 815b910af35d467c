package store_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

var (
	// aWay is one into the readers of digests, or to how far their digests came.
	aWay = regexp.MustCompile(`(?:Seq Scan|Index(?: Only)? Scan using (\w+)|Bitmap Heap Scan) on (?:digest_cursors|subscribers)\b`)
	// allOfThem is that of SQLite.
	allOfThem = regexp.MustCompile(`(?m)^SCAN (digest_cursors|subscribers|s|c|d)\b(?: USING (?:COVERING )?INDEX (\w+))?`)
)

// walksReaders finds in a plan that readers or cursors are walked from the first
// of all, as a join in their order does; those of the index of who is owed a last
// digest are few.
func walksReaders(plan string) bool {
	for _, way := range allOfThem.FindAllStringSubmatch(plan, -1) {
		if way[2] != "digest_cursors_last" {
			return true
		}
	}
	lines := strings.Split(plan, "\n")
	for i, line := range lines {
		way := aWay.FindStringSubmatch(line)
		if way == nil || way[1] == "digest_cursors_last" {
			continue
		}
		bound := false
		for _, below := range lines[i+1:] {
			if strings.Contains(below, "-> ") && !strings.Contains(below, "Bitmap Index Scan") {
				break
			}
			bound = bound || strings.Contains(below, "Index Cond: ")
		}
		if !bound {
			return true
		}
	}
	return false
}

func TestAPlanThatWalksTheReadersOfDigestsIsFound(t *testing.T) {
	for plan, want := range map[string]bool{
		"Merge Join\n  ->  Index Scan using subscribers_active on subscribers s\n        Index Cond: (number > 5)\n  ->  Index Scan using digest_cursors_pkey on digest_cursors c": true,
		"Limit\n  ->  Seq Scan on digest_cursors c\n        Filter: (last_up_to > 0)":                                                                                              true,
		"SCAN c": true,
		"SCAN subscribers USING INDEX subscribers_active":                                                                                              true,
		"Limit\n  ->  Index Scan using digest_cursors_last on digest_cursors c":                                                                        false,
		"Bitmap Heap Scan on digest_cursors\n  ->  Bitmap Index Scan on digest_cursors_pkey\n        Index Cond: (subscriber = ANY ('{1}'::bigint[]))": false,
		"SCAN c USING COVERING INDEX digest_cursors_last":                                                                                              false,
		"SEARCH digest_cursors USING INTEGER PRIMARY KEY (rowid=?)":                                                                                    false,
	} {
		if walksReaders(plan) != want {
			t.Errorf("want %t of\n%s", want, plan)
		}
	}
}

// A million digests are made in a thousand slices, so no slice may walk past those
// whose digests were made, nor look at all to find that nobody is owed one: whatever
// the planner knows of readers and cursors.
func TestNoSliceOfDigestsWalksPastTheOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 60,000 digests")
	}
	eachBox(t, func(t *testing.T, b *box) {
		n := 10_000
		if b.Dialect() == "sqlite" {
			n = 600
		} else {
			for _, table := range []string{"subscribers", "digest_cursors"} {
				b.exec(`ALTER TABLE %s SET (autovacuum_enabled = false)`, table) // or it would choose the moment
			}
		}
		of := []string{"digest_cursors", "subscribers"}
		b.readers(n)
		b.exec(`UPDATE subscribers SET cadence = 'daily'`)
		b.exec(`INSERT INTO digest_cursors (subscriber, cursor, turned) SELECT number, 0, 0 FROM subscribers`)
		b.exec(`INSERT INTO digest_runs (cadence, hour, weekday, timezone, after_at) VALUES ('daily', -1, 0, '', %d)`, b.time().UnixMicro())
		b.digests()
		for _, known := range []string{"nothing", "all", "all, when half were moved"} {
			switch known {
			case "all":
				b.exec(`ANALYZE`)
			case "all, when half were moved":
				b.exec(`UPDATE digest_cursors SET day = '2020-01-01' WHERE subscriber <= %d`, n/2)
				b.exec(`ANALYZE`)
			}
			b.happens("of "+known, notifier.Event{})
			b.expand(n)
			b.pass(day)
			made, slices := 0, 0
			for idle := false; !idle; slices++ {
				step := func() {
					did, err := b.MakeDigests(b.ctx, noons{"noon"}, b.time(), n/10)
					b.must(err)
					made, idle = made+did.Made, did.Idle
				}
				if slices%5 > 0 {
					step()
					continue
				}
				for _, p := range b.Explained(t, step, of...) {
					if walksReaders(p) {
						t.Errorf("slice %d, knowing %s, walks past others:\n%s", slices, known, shortened(p))
					}
				}
			}
			if made != n {
				t.Errorf("%d digests of %d", made, n)
			}
		}
	})
}

// Thousands at once begin with digests, when a list of them is taken up.
func TestWhoBeginsWithDigestsIsFoundByTheirNumber(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		if b.Dialect() == "postgres" {
			b.exec(`ALTER TABLE subscribers SET (autovacuum_enabled = false)`)
		}
		b.readers(2000)
		for round, known := range []string{"nothing", "all"} {
			if known == "all" {
				b.exec(`ANALYZE`)
			}
			list := make([]subscribers.Subscriber, 300)
			for i := range list {
				list[i] = subscribers.Subscriber{Channel: notifier.Email, Address: fmt.Sprintf("late%d@%d.example.com", i, round), State: subscribers.Active,
					Cadence: subscribers.Daily, CreatedAt: b.time(), ConfirmedAt: b.time()}
			}
			begun := false
			for _, p := range b.Explained(t, func() {
				_, errs, err := b.ImportSubscribers(b.ctx, list, nil)
				b.must(errors.Join(append(errs, err)...))
			}, "digest_cursors") {
				if !strings.HasPrefix(p, "INSERT INTO digest_cursors") {
					continue
				}
				begun = true
				if !regexp.MustCompile(`subscribers_pkey on subscribers[^\n]*\n\s*Index Cond: |SEARCH d USING INTEGER PRIMARY KEY`).MatchString(p) {
					t.Errorf("knowing %s, they are looked for otherwise:\n%s", known, shortened(p))
				}
			}
			if n := b.number(`SELECT count(*) FROM digest_cursors`); n != int64(300*(round+1)) || !begun {
				t.Errorf("%d cursors", n)
			}
		}
	})
}

// shortened leaves out the many ids of a plan.
func shortened(plan string) string {
	return regexp.MustCompile(`[{\[][0-9,]{50,}[}\]]`).ReplaceAllString(plan, "{...}")
}

// Somebody without a cursor, which nobody should be, ends no run before its time.
func TestAReaderWithoutACursorEndsNoRunOfDigests(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		var all []subscribers.Number
		for _, name := range []string{"ann", "bob", "eve", "joe", "liz"} {
			all = append(all, b.joins(name+"@example.com", nil))
		}
		b.digests()
		b.exec(`DELETE FROM digest_cursors WHERE subscriber = %d`, all[1])
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digestsAt(noons{"noon"}, b.time(), 2)
		for i, n := range all {
			want := "1"
			if i == 1 {
				want = ""
			}
			b.wantDigests(n, want)
		}
	})
}
