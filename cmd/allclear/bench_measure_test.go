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
	picture := filepath.Join(t.TempDir(), "growth.svg")
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			var out bytes.Buffer
			code, errs, left := benched(t.Context(), t, &out, "--measure", "all", "--messages", "100", "--subscribers", "300",
				"--database", storetest.EmptyDSN(t, dialect), "--svg", picture, "--json")
			if code != exitDone && code != exitFailed { // what a busy machine misses is told, and no concern of a test
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
				if len(shapes[i]) != 6 || f.What == "" || f.Value < 0 {
					t.Errorf("figure %v", shapes[i])
				}
				if missed := f.Target != nil && !f.OK; missed && code != exitFailed {
					t.Errorf("exit %d with %s missed", code, f.What)
				}
			}
			for _, m := range measures() {
				if told[m.name] == 0 {
					t.Errorf("nothing of %s", m.name)
				}
			}
		})
	}
	text, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	for read := xml.NewDecoder(bytes.NewReader(text)); ; {
		if _, err := read.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the picture: %v\n%s", err, text)
		}
	}
	for _, dialect := range storetest.Dialects() {
		if !bytes.Contains(text, []byte(`<polyline class="`+dialect+`"`)) && !bytes.Contains(text, []byte(`<circle class="`+dialect+`" cx`)) {
			t.Errorf("the picture shows nothing of %s", dialect)
		}
	}
}

// cancelling ends a run when it says something.
type cancelling struct {
	lockedBuffer
	word   string
	cancel context.CancelFunc
}

func (c *cancelling) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(c.word)) {
		c.cancel()
	}
	return c.lockedBuffer.Write(p)
}

func TestCtrlCEndsABenchAndTheServiceItStarted(t *testing.T) {
	if _, err := built.path(); err != nil {
		t.Fatalf("build the program: %v", err)
	}
	for _, dialect := range storetest.Dialects() {
		for _, c := range []struct{ measures, word string }{
			{"first", "WHAT"}, {"first,overtake", "first of"}, {"growth", "1k"}, {"ratio,growth", "WHAT"},
		} {
			t.Run(dialect, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				out := &cancelling{word: c.word, cancel: cancel}
				code, errs, left := benched(ctx, t, out, "--measure", c.measures, "--subscribers", "2000", "--database", storetest.EmptyDSN(t, dialect))
				if code != exitInterrupted || !strings.HasSuffix(errs, "allclear: interrupted\n") || strings.Contains(errs, "WARN") {
					t.Errorf("exit %d\n%s%s", code, out, errs)
				}
				if len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	}
}

func TestABenchThatIsInterruptedWhileItComparesSaysThatAndNoMore(t *testing.T) {
	for _, at := range []int64{1, 3, 6, 9} {
		ctx, cancel := context.WithCancel(t.Context())
		out, errs := &lockedBuffer{}, &lockedBuffer{}
		var polls atomic.Int64
		// The clock is asked all along, which makes each of its questions a moment.
		now := func() time.Time {
			if polls.Add(1) > at {
				cancel()
			}
			return time.Now()
		}
		code := run(ctx, []string{"bench", "--messages", "3000"}, &world{in: &bytes.Buffer{}, out: out, err: errs, now: now})
		cancel()
		if got := errs.String(); code != exitInterrupted || !strings.HasSuffix(got, "allclear: interrupted\n") || strings.Contains(got, "WARN") {
			t.Errorf("at question %d: exit %d\n%s", at, code, got)
		}
	}
}

func TestOtherFilesAreNotDrawnOver(t *testing.T) {
	file := keep(t, "mine.svg", "<svg/>")
	if err := drawGrowth(file, "sqlite", nil); err == nil {
		t.Error("a picture that is not ours was drawn over")
	}
}

func TestFiguresAreToldOnOneLineOf80(t *testing.T) {
	var out bytes.Buffer
	sum := &tally{a: &app{world: &world{out: &out}}}
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
	if err := sum.end(); err == nil {
		t.Error("a missed target is no failure")
	}
}
