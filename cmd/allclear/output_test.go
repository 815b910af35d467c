package main

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestATableIsAlignedAndFitsOnATerminal(t *testing.T) {
	tab := newTable("id", ">sent", "title")
	tab.add("abc", "1,204", "short")
	tab.add("d", "7", strings.Repeat("long ", 30))
	tab.add("", "", "line\nbreak\tand \x1b[31mcolour")
	var b bytes.Buffer
	if err := tab.print(&b); err != nil {
		t.Fatal(err)
	}
	want := "ID    SENT  TITLE\n" +
		"abc  1,204  short\n" +
		"d        7  " + cut(strings.Repeat("long ", 30), 68) + "\n" +
		"-        -  line break and  [31mcolour\n"
	if b.String() != want {
		t.Errorf("printed\n%swant\n%s", b.String(), want)
	}
	for _, l := range strings.Split(b.String(), "\n") {
		if len([]rune(l)) > width {
			t.Errorf("%d columns: %s", len([]rune(l)), l)
		}
	}
}

func TestThousandsAreSetApart(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 3975: "3,975", 1234567: "1,234,567", -4200: "-4,200", -420: "-420"} {
		if got := count(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestADiffTurnsOneFileIntoTheOther(t *testing.T) {
	if d := diff("a\nb\nc\n", "a\nb\nc\n"); d != "" {
		t.Errorf("of equal files: %q", d)
	}
	want := "@@ -1,3 +1,4 @@\n a\n-b\n+B\n+b2\n c\n"
	if d := diff("a\nb\nc\n", "a\nB\nb2\nc\n"); d != want {
		t.Errorf("got\n%swant\n%s", d, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 40)
		x, y := lines.Draw(t, "x"), lines.Draw(t, "y")
		if got := patch(t, x, diff(strings.Join(x, "\n"), strings.Join(y, "\n"))); strings.Join(got, "\n") != strings.Join(y, "\n") {
			t.Fatalf("patched to %v, want %v", got, y)
		}
	})
}

// patch applies a diff, and fails where its lines are not those of x.
func patch(t *rapid.T, x []string, d string) []string {
	var out []string
	at := 0
	for _, l := range strings.Split(strings.TrimSuffix(d, "\n"), "\n") {
		switch {
		case l == "":
		case l[0] == '@':
			from := 0
			for _, c := range strings.TrimPrefix(l, "@@ -") {
				if c < '0' || c > '9' {
					break
				}
				from = from*10 + int(c-'0')
			}
			for ; at < from-1; at++ {
				out = append(out, x[at])
			}
		case l[0] == '+':
			out = append(out, l[1:])
		default:
			if at >= len(x) || x[at] != l[1:] {
				t.Fatalf("line %d of the old file is not %q", at+1, l[1:])
			}
			if l[0] == ' ' {
				out = append(out, l[1:])
			}
			at++
		}
	}
	return append(out, x[at:]...)
}

func FuzzAVariableNeverStopsTheStartWithoutItsName(f *testing.F) {
	for _, s := range []string{"ALLCLEAR_RELEY=x", "ALLCLEAR_=", "A", "=", "ALLCLEAR_FROM=\x00", "ALLCLEAR_SECRET_FILE=/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		_, err := readEnvironment([]string{line})
		if err == nil {
			return
		}
		if text := plain(err); !strings.Contains(text, prefix) || strings.ContainsAny(text, "\n") {
			t.Errorf("%q: %q", line, text)
		}
	})
}
