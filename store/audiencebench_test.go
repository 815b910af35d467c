package store_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/store/storetest"
)

// How large the file of BenchmarkAudience is.
var (
	filePeople = flag.Int("people", 20_000, "how many a file is about")
	fileRows   = flag.Int("rows", 70, "how many rows each of them has")
)

// BenchmarkAudience is how quickly files are taken up whose rows are sorted by
// recipient, and those that have everybody's mixed, as by time; and how much of
// either SQLite writes.
func BenchmarkAudience(b *testing.B) {
	people, rows := *filePeople, *fileRows
	for _, dialect := range storetest.Dialects() {
		for _, order := range []string{"sorted", "mixed"} {
			b.Run(dialect+"/"+order, func(b *testing.B) {
				x, took := newBox(b, dialect), int64(0)
				cost := x.meter()
				for n := 0; b.Loop(); n++ {
					id := fmt.Sprint("n", n)
					x.draft(id)
					before := wrote()
					cost.start()
					u, err := x.BeginAudience(x.ctx, id, true)
					x.must(err)
					var batch []notifier.AudienceRow
					for i := range people * rows {
						who, row := i/rows, i%rows
						if order == "mixed" {
							who, row = i*7919%people, i/people
						}
						batch = append(batch, rowFor(fmt.Sprintf("user%d@example.com", who), fmt.Sprintf("Re: mail %d of yours, and what came of it", row)))
						if len(batch) == 1000 || i == people*rows-1 {
							x.must(x.TakeUp(x.ctx, u, batch, nil, "x"))
							batch = nil
						}
					}
					notice, err := x.FinishAudience(x.ctx, u, 0, [32]byte{1})
					x.must(err)
					cost.stop()
					took += wrote() - before
					if notice.Recipients != int64(people) || notice.Rows != int64(people*rows) {
						b.Fatalf("%+v", notice)
					}
				}
				cost.report(b, b.N*people*rows)
				b.ReportMetric(float64(took)/float64(b.N*people*rows), "B/row")
				b.ReportMetric(float64(b.N*people*rows)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

// wrote is how many bytes this process wrote to files.
func wrote() int64 {
	io, _ := os.ReadFile("/proc/self/io")
	_, text, _ := strings.Cut(string(io), "wchar: ")
	text, _, _ = strings.Cut(text, "\n")
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
