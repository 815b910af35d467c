package templates

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestADiffTurnsOneFileIntoTheOther(t *testing.T) {
	if d := Diff("a\nb\nc\n", "a\nb\nc\n"); d != "" {
		t.Errorf("of equal files: %q", d)
	}
	want := "@@ -1,3 +1,4 @@\n a\n-b\n+B\n+b2\n c\n"
	if d := Diff("a\nb\nc\n", "a\nB\nb2\nc\n"); d != want {
		t.Errorf("got\n%swant\n%s", d, want)
	}
	for _, c := range [][3]string{
		{"", "a\n", "@@ -0,0 +1,1 @@\n+a\n"},
		{"a\n", "", "@@ -1,1 +0,0 @@\n-a\n"},
		{"a\nb", "a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"},
	} {
		if d := Diff(c[0], c[1]); d != c[2] {
			t.Errorf("%q to %q: %q", c[0], c[1], d)
		}
	}
	text := func(lines []string) string {
		if len(lines) == 0 {
			return ""
		}
		return strings.Join(lines, "\n") + "\n"
	}
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 40)
		x, y := lines.Draw(t, "x"), lines.Draw(t, "y")
		if got := patch(t, x, Diff(text(x), text(y))); strings.Join(got, "\n") != strings.Join(y, "\n") {
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

func TestADiffOfMessagesShowsThoseThatDifferAlone(t *testing.T) {
	came := "{\n  \"a\": \"A <b>\",\n  \"b\": \"B\",\n  \"c\": \"C\"\n}\n"
	for yours, want := range map[string]string{
		`{}`:                             "",
		`{"c": "C", "b": "B"}`:           "",
		`{"b": "B", "a": "\"A\" & <b>"}`: "@@ a @@\n-  \"a\": \"A <b>\"\n+  \"a\": \"\\\"A\\\" & <b>\"\n",
		`{"d": "D"}`:                     "@@ d @@\n+  \"d\": \"D\"\n",
		`{`:                              Diff(came, `{`),
	} {
		if got := DiffFile("lang/en.json", came, yours); got != want {
			t.Errorf("%s: %q, want %q", yours, got, want)
		}
	}
	if got := DiffFile("mail/post.html", came, "{}"); got != Diff(came, "{}") {
		t.Errorf("another file: %q", got)
	}
}

func TestADiffOfVeryLongTextsTakesNoTableOfThem(t *testing.T) {
	long := strings.Repeat("a\nb\n", 20_000)
	d := Diff("x\n"+long+"y\n", "z\n"+strings.Repeat("c\n", 20_000)+"w\n")
	if !strings.HasPrefix(d, "@@ -1,40002 +1,20002 @@\n-x\n") || strings.Count(d, "\n+") != 20_002 {
		t.Errorf("%d bytes, beginning %.60q", len(d), d)
	}
}
