package main

import (
	"bytes"
	"strings"
	"testing"
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
