package templates

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestThePlainTextOfMarkdownReadsWell(t *testing.T) {
	s := newSet(t)
	for _, c := range []struct{ name, in, want string }{
		{"paragraphs", "one\ntwo\n\nthree", "one two\n\nthree\n"},
		{"a hard break", "one  \ntwo", "one\ntwo\n"},
		{"lists", "- a\n- b\n  - c\n  - d\n- e", "- a\n- b\n  - c\n  - d\n- e\n"},
		{"numbers go on where they begin", "7. a\n8. b", "7. a\n8. b\n"},
		{"a list between paragraphs", "x\n\n- a\n- b\n\ny", "x\n\n- a\n- b\n\ny\n"},
		{"an item of two paragraphs", "- a\n\n  b\n- c", "- a\n\n  b\n- c\n"},
		{"a quotation", "> a\n> b\n>\n> c", "> a b\n>\n> c\n"},
		{"code keeps its lines", "x\n\n```\na  b\n\n  c\n```\n\ny", "x\n\n    a  b\n\n      c\n\ny\n"},
		{"a link with words", "[the page](https://example.com/)", "the page <https://example.com/>\n"},
		{"a link that is its words", "https://example.com/", "https://example.com/\n"},
		{"an address", "[write](mailto:a@example.com) <b@example.com>", "write <a@example.com> b@example.com\n"},
		{"stress", "*a* **b** ~~c~~ `d`", "*a* *b* ~~c~~ `d`\n"},
		{"headings", "# Big\n\nx\n\n### Small\n\ny", "Big\n---\n\nx\n\nSmall\n\ny\n"},
		{"a rule", "a\n\n***\n\nb", "a\n\n------------------------\n\nb\n"},
		{"signs", "a < b & c > d \"e\"", "a < b & c > d \"e\"\n"},
	} {
		got, err := plainText(body(t, s, c.in))
		if err != nil || got != c.want {
			t.Errorf("%s: %q, want %q (%v)", c.name, got, c.want, err)
		}
	}
}

func TestLinesAreWrappedAndLongAddressesAreNotBroken(t *testing.T) {
	long := "https://status.example.com/unsubscribe/" + strings.Repeat("x", 60)
	got, err := plainText("<p>" + strings.Repeat("word ", 40) + long + " end</p>")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(got, "\n") {
		if columns(l) > textWidth && l != long {
			t.Errorf("a line of %d columns: %s", columns(l), l)
		}
	}
	if !strings.Contains(got, "\n"+long+"\n") {
		t.Errorf("the address does not stand on a line of its own:\n%s", got)
	}
	if n := columns("日本 e\u0301\u200b"); n != 6 {
		t.Errorf("two wide signs, a space and an accented letter are %d columns, want 6", n)
	}
}

func TestWrappingLosesNoWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-z0-9é]{0,89}[a-zé]`), 1, 60).Draw(t, "words")
		limit := rapid.IntRange(1, 80).Draw(t, "limit")
		lines := wrap(strings.Join(words, " "), limit)
		if got := strings.Join(lines, " "); got != strings.Join(words, " ") {
			t.Fatalf("%q became %q", words, lines)
		}
		for _, l := range lines {
			if columns(l) > limit && strings.Contains(l, " ") {
				t.Fatalf("%q is over %d columns and could be broken", l, limit)
			}
		}
	})
}

func TestWhatIsOnlyForTheEyeIsNotInTheText(t *testing.T) {
	got, err := plainText(`<html><head><title>x</title><style>y</style></head><body><div class="preview">z</div><table><tr><td aria-hidden="true">&nbsp;</td><td><p>text</p></td></tr></table><a class="bare" href="https://x.example/">name</a></body></html>`)
	if err != nil || got != "text\n\nname\n" {
		t.Errorf("%q, %v", got, err)
	}
}
