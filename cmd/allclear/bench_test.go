package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"allclear/store/storetest"
)

func TestABenchComparesThePipelineWithTheLoopAndLeavesNothing(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			dsn := storetest.EmptyDSN(t, dialect)
			code, out, errs := runOnce(t, nil, "bench", "--messages", "60", "--signer", "go", "--database", dsn, "--json")
			if code != exitDone {
				t.Fatalf("exit %d\n%s%s", code, out, errs)
			}
			var keys map[string]any
			var r ratioJSON
			if err := json.Unmarshal([]byte(out), &keys); err != nil || len(keys) != 9 {
				t.Fatalf("%d keys, %v: %s", len(keys), err, out)
			}
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatal(err)
			}
			if r.Messages != 60 || !r.Signed || r.Signer != "go" || r.Database != dialect {
				t.Errorf("what was measured: %s", out)
			}
			if r.LoopRate <= 0 || r.PipelineRate <= 0 || r.Ratio <= 0 || r.PeakRSS <= 1 {
				t.Errorf("figures: %s", out)
			}
			if r.CPU[partSign] <= 0 {
				t.Errorf("signing cost nothing: %s", out)
			}
			leftNothing(t, dialect, dsn)
		})
	}
}

// leftNothing sees that a command which made a database of its own took it away.
func leftNothing(t *testing.T, dialect, dsn string) {
	t.Helper()
	if dialect == "sqlite" {
		left, err := os.ReadDir(filepath.Dir(dsn))
		if err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		return
	}
	if code, _, errs := runOnce(t, []string{"ALLCLEAR_DATABASE=" + dsn}, "component", "list"); code != exitFailed {
		t.Errorf("a schema was left where commands find it: exit %d, %q", code, errs)
	}
}

func TestABenchSignsNothingWhereItIsToldSo(t *testing.T) {
	code, out, errs := runOnce(t, nil, "bench", "--messages", "50", "--unsigned")
	if code != exitDone || !strings.Contains(out, "signed    no\n") || !strings.Contains(out, "\nratio  ") || strings.Contains(errs, "unsigned") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	for _, line := range strings.Split(out, "\n") {
		if len([]rune(line)) > width {
			t.Errorf("wider than %d: %q", width, line)
		}
	}
}

func TestABenchRefusesWhatItCannotMeasure(t *testing.T) {
	for _, args := range [][]string{{"--messages", "0"}, {"--messages", "2000000"}, {"--signer", "rot13"}, {"--database", "mysql://x"}, {"--measure", "speed"}, {"--rounds", "0"}, {"--subscribers", "-1"}} {
		if code, out, errs := runOnce(t, nil, append([]string{"bench"}, args...)...); code != exitUsage || out != "" {
			t.Errorf("%v: exit %d, %q, %q", args, code, out, errs)
		}
	}
	other := filepath.Dir(keep(t, resultsFile, `{"mine": true}`))
	if code, out, errs := runOnce(t, nil, "bench", "--messages", "5", "--results", other); code != exitUsage || !strings.Contains(errs, "was not written by bench") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	file := keep(t, "mine.db", "mine")
	if code, _, errs := runOnce(t, nil, "bench", "--messages", "5", "--database", file); code != exitFailed || !strings.Contains(errs, "is there already") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

// A file that was renamed would be counted as something else.
func TestTheFilesThatComposeAndSignAreWhereTheBenchLooks(t *testing.T) {
	for _, name := range slices.Concat(composing(), signing()) {
		if _, err := os.Stat(filepath.Join("..", "..", "notifier", "email", name)); err != nil {
			t.Errorf("bench_cpu.go names it: %v", err)
		}
	}
}
