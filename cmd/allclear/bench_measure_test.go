package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"allclear/store/storetest"
)

// benched runs bench as the built program would, with a folder for everything it makes.
func benched(ctx context.Context, t *testing.T, out io.Writer, args ...string) (code int, errs string, left []os.DirEntry) {
	t.Helper()
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	e := &lockedBuffer{}
	code = run(ctx, append([]string{"bench"}, args...), &world{in: strings.NewReader(""), out: out, err: e, now: time.Now, self: built.path})
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	return code, e.String(), left
}

func TestEveryMeasureTellsFiguresAndLeavesNothing(t *testing.T) {
	if _, err := built.path(); err != nil { // outside of what must be left empty
		t.Fatalf("build the program: %v", err)
	}
	folder := t.TempDir()
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			asked := "all"
			if dialect == "postgres" { // the others do nothing of their own there
				asked = strings.Join([]string{ratioName, fanoutName, growthName, historyName}, ",")
			}
			var out bytes.Buffer
			code, errs, left := benched(t.Context(), t, &out, "--measure", asked, "--messages", "40", "--subscribers", "210",
				"--database", storetest.EmptyDSN(t, dialect), "--results", folder, "--json")
			if code != exitDone { // what a busy machine misses is told, and no concern of a test
				t.Fatalf("exit %d\n%s%s", code, &out, errs)
			}
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			var shapes []map[string]any
			var figures []figure
			if err := errors.Join(json.Unmarshal(out.Bytes(), &shapes), json.Unmarshal(out.Bytes(), &figures)); err != nil {
				t.Fatalf("%v\n%s", err, &out)
			}
			told := map[string]int{}
			for i, f := range figures {
				told[f.Measure]++
				if len(shapes[i]) != 8 || f.What == "" || f.Value < 0 || f.Rounds != 1 {
					t.Errorf("figure %v", shapes[i])
				}
			}
			for _, m := range measures() {
				if told[m.name] == 0 && (asked == "all" || strings.Contains(asked, m.name)) {
					t.Errorf("nothing of %s", m.name)
				}
			}
		})
	}
	for _, name := range []string{growthFile, profileFile} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		for read := xml.NewDecoder(bytes.NewReader(text)); ; {
			if _, err := read.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, text)
			}
		}
	}
}

func TestResultsKeepTheOtherDatabasesFigures(t *testing.T) {
	folder := t.TempDir()
	for _, c := range []struct {
		postgres bool
		figure   figure
	}{{false, atMost("POST, idle", "ms", 10, 10.9)}, {true, atMost("POST, idle", "ms", 10, 13)}, {true, atMost("POST, idle", "ms", 10, 9)}} {
		r, err := openResults(folder)
		if err != nil {
			t.Fatal(err)
		}
		c.figure.Measure, c.figure.Rounds = acceptName, 3
		r.of(c.postgres).took([]figure{c.figure})
		r.of(c.postgres).Growth = []step{{Followers: 1000, Accept: 2, CPU: 50, Unseen: c.postgres}, {Followers: 10_000, Accept: 3, CPU: 51, Unseen: c.postgres}}
		if err := r.write(folder); err != nil {
			t.Fatal(err)
		}
	}
	tables, err := os.ReadFile(filepath.Join(folder, tablesFile))
	if want := "| `accept` | POST, idle | < 10 ms | **10.9 ms** | 9 ms |\n"; err != nil || !strings.Contains(string(tables), want) {
		t.Errorf("%v, wanted %s\n%s", err, want, tables)
	}
	picture, err := os.ReadFile(filepath.Join(folder, growthFile))
	if err != nil {
		t.Fatal(err)
	}
	// Four plots, but CPU time that was not visible is not drawn as none.
	for class, want := range map[string]int{"sqlite": 4, "postgres": 3} {
		if got := bytes.Count(picture, []byte(`<polyline class="`+class+`"`)); got != want {
			t.Errorf("%d lines of %s, not %d", got, class, want)
		}
	}
	if bytes.Contains(picture, []byte("NaN")) {
		t.Error("something that is not known is drawn")
	}
}

func TestAMedianIsJudgedAndNotTheFirstRound(t *testing.T) {
	var rounds [][]figure
	for _, v := range []float64{9, 12, 14} {
		rounds = append(rounds, []figure{atMost("slow", "ms", 10, v), atLeast("fast", "x", 10, v)})
	}
	got := middleFigures(rounds)
	if got[0].Value != 12 || got[0].OK || got[1].Value != 12 || !got[1].OK || got[0].Rounds != 3 {
		t.Errorf("%+v", got)
	}
}

func TestWhatHangsCountsForThoseItKeepsWaiting(t *testing.T) {
	asked := 0
	all, err := paced(t.Context(), time.Microsecond, func() (bool, error) {
		if asked++; asked == 1 {
			<-time.After(20 * time.Millisecond)
		}
		return asked == 3, nil
	})
	if err != nil || len(all) != 3 || all[1] < 19 || all[2] < 19 {
		t.Errorf("%v, %v", all, err)
	}
}

// cancelling ends a run when it says something, and counts the services then.
type cancelling struct {
	lockedBuffer
	word   string
	cancel context.CancelFunc
	ran    int
}

func (c *cancelling) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(c.word)) {
		c.ran = services()
		c.cancel()
	}
	return c.lockedBuffer.Write(p)
}

// services counts the services whose state is kept among our temporary files:
// what a bench started and did not end.
func services() int {
	n := 0
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range all {
		if settings, err := os.ReadFile(file); err == nil && bytes.Contains(settings, []byte("ALLCLEAR_STATE="+os.TempDir())) {
			n++
		}
	}
	return n
}

func TestCtrlCEndsABenchAndTheServiceItStarted(t *testing.T) {
	if _, err := built.path(); err != nil {
		t.Fatalf("build the program: %v", err)
	}
	for i, dialect := range storetest.Dialects() {
		for _, c := range []struct {
			measures, word string
			serves         int
		}{
			{"growth", "1k: rate", 1}, {"first,overtake", "first of", 0}, {"ratio,growth", "WHAT", 0},
		}[:3-2*min(i, 1)] { // where it is interrupted is the same on both
			t.Run(dialect+" at "+c.word, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				out := &cancelling{word: c.word, cancel: cancel}
				code, errs, left := benched(ctx, t, out, "--measure", c.measures, "--subscribers", "1200", "--database", storetest.EmptyDSN(t, dialect))
				if code != exitInterrupted || !strings.HasSuffix(errs, "allclear: interrupted\n") || strings.Contains(errs, "WARN") {
					t.Errorf("exit %d\n%s%s", code, out, errs)
				}
				if len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
				if now := services(); out.ran != c.serves || now != 0 {
					t.Errorf("%d services ran, not %d; %d are left", out.ran, c.serves, now)
				}
			})
		}
	}
}

// interruptedAt runs a command that Ctrl-C meets after so many questions to the
// clock, which is asked all along: each of them is a moment.
func interruptedAt(t *testing.T, at int64, args ...string) (code int, errs string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e := &lockedBuffer{}
	var polls atomic.Int64
	now := func() time.Time {
		if polls.Add(1) > at {
			cancel()
		}
		return time.Now()
	}
	code = run(ctx, args, &world{in: &bytes.Buffer{}, out: &lockedBuffer{}, err: e, now: now})
	return code, e.String()
}

func TestABenchThatIsInterruptedWhileItComparesSaysThatAndNoMore(t *testing.T) {
	for _, at := range []int64{1, 9} {
		code, errs := interruptedAt(t, at, "bench", "--messages", "1000")
		if code != exitInterrupted || !strings.HasSuffix(errs, "allclear: interrupted\n") || strings.Contains(errs, "WARN") {
			t.Errorf("at question %d: exit %d\n%s", at, code, errs)
		}
	}
}

func TestFiguresAreToldOnOneLineOf80(t *testing.T) {
	var out bytes.Buffer
	sum := &tally{a: &app{world: &world{out: &out}}}
	sum.add(historyName, plainFigure("many to few settled, by the clock", "x", 1.01))
	sum.add(relayName, atLeast("20 ms away, PIPELINING, and some words", "mails/s", 360, 312.46))
	sum.add(firstName, atMost("first of 100,000 mails, idle", "ms", 300, 51.5))
	sum.add(growthName, plainFigure("1M: memory", "MB", 99.99))
	for _, want := range []string{"≥ 360", "312 mails/s  missed\n", "< 300", "51.5 ms  ok\n", "100 MB"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, &out)
		}
	}
	for line := range strings.Lines(out.String()) {
		if len([]rune(line)) > width+1 {
			t.Errorf("wider than %d: %q", width, line)
		}
	}
}
