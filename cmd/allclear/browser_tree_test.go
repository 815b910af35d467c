package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// tree wants what a screen reader is told of the page to be what the golden file says.
func (w *tour) tree(name string) {
	w.t.Helper()
	// The browser moves the focus with the first frame, which is after the page is there.
	w.do(chromedp.WaitReady(chromedp.CSS("html:not(:has([autofocus])) > body, [autofocus]:focus")))
	w.do(chromedp.EmulateViewport(wide, 900))
	got := w.steady(spoken(ask(w.tab, func(ctx context.Context, t *chromedp.Target) ([]*accessibility.Node, error) {
		all, err := cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		return all.Nodes, err
	})))
	file := filepath.Join("testdata", "ax-"+name+"."+w.lang+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	if got != string(want) {
		w.t.Errorf("%s is not what a screen reader is told (go test ./cmd/allclear -run ForEveryReader -update):\n%s", file, strings.Join(difference(strings.Split(string(want), "\n"), strings.Split(got, "\n")), "\n"))
	}
}

// toldOfNodes are the properties that matter to a reader, and not to the browser only.
var toldOfNodes = []accessibility.PropertyName{"level", "focused", "checked", "expanded", "required", "invalid", "disabled", "readonly", "modal", "live", "selected", "pressed"}

// spoken writes a tree down, one node a line, indented; what is ignored leaves
// its place to its children.
func spoken(all []*accessibility.Node) string {
	by := map[accessibility.NodeID]*accessibility.Node{}
	for _, n := range all {
		by[n.NodeID] = n
	}
	var out strings.Builder
	var walk func(n *accessibility.Node, depth int, said string)
	walk = func(n *accessibility.Node, depth int, said string) {
		role, name := worded(n.Role), worded(n.Name)
		switch {
		case n.Ignored || role == "none" || role == "LabelText" || role == "generic" && name == "":
			depth--
		case role == "InlineTextBox" || role == "ListMarker":
			return
		case role == "StaticText" && strings.Contains(said, strings.TrimSpace(name)):
			return // its parent's name has it
		default:
			said = name
			fmt.Fprintf(&out, "%s%s", strings.Repeat("  ", depth), role)
			if name != "" {
				fmt.Fprintf(&out, " %q", name)
			}
			if v := worded(n.Value); v != "" && v != name {
				fmt.Fprintf(&out, " = %q", v)
				said += v
			}
			if d := worded(n.Description); d != "" {
				fmt.Fprintf(&out, " (%s)", d)
			}
			for _, p := range n.Properties {
				if v := worded(p.Value); slices.Contains(toldOfNodes, p.Name) && v != "false" && v != "" {
					fmt.Fprintf(&out, " %s=%s", p.Name, v)
				}
			}
			out.WriteByte('\n')
			if role == "Date" || role == "DateTime" {
				return // how the browser makes one
			}
		}
		for _, id := range n.ChildIDs {
			if child := by[id]; child != nil {
				walk(child, depth+1, said)
			}
		}
	}
	if len(all) > 0 {
		walk(all[0], 0, "")
	}
	return out.String()
}

// worded is a value of the tree as text.
func worded(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	var s any
	if json.Unmarshal(v.Value, &s) != nil || s == nil {
		return ""
	}
	return strings.Join(strings.Fields(fmt.Sprint(s)), " ")
}

var moments = []struct {
	found *regexp.Regexp
	as    string
}{
	{regexp.MustCompile(`\b((Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?\d{1,2} (January|February|March|April|May|June|July|August|September|October|November|December|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Oct|Nov|Dec)( \d{4})?`), "DAY"},
	{regexp.MustCompile(`\b(January|February|March|April|May|June|July|August|September|October|November|December) \d{4}`), "MONTH"},
	{regexp.MustCompile(`\b\d\d:\d\d\b`), "TIME"},
	{regexp.MustCompile(`\bada\d+@`), "ada@"},
	{regexp.MustCompile(`/hook\d+`), "/hook"},
}

// steady takes out what is another in every run.
func (w *tour) steady(s string) string {
	s = strings.ReplaceAll(s, w.s.URL(), "URL")
	for _, m := range moments {
		s = m.found.ReplaceAllString(s, m.as)
	}
	return s
}
