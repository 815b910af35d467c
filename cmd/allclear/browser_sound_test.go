package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var pictures = flag.String("pictures", "", "keep a picture of every page that the browser looks at in this `folder`")

// TestEveryPageIsForEveryReader walks through every page, in a language that
// runs each way, and has axe-core judge it on a telephone and on a desk, by day
// and by night.
func TestEveryPageIsForEveryReader(t *testing.T) {
	judge := axe(t)
	w := startTour(t)
	visit := func(s stop, first bool) {
		w.t.Run(w.lang+" "+s.name, func(t *testing.T) {
			outer := w.t
			w.t, w.s.t = t, t
			defer func() { w.t, w.s.t = outer, outer }()
			s.lead(w)
			if s.tree && (first || s.name == "subscribe") {
				w.tree(s.name)
			}
			w.judged(judge, s.name, first)
		})
	}
	for _, s := range before {
		visit(s, true)
	}
	w.tell()
	for _, s := range stops {
		visit(s, true)
	}
	for _, s := range desks {
		visit(s, false)
	}
	w.speak("ar")
	for _, s := range stops {
		visit(s, false)
	}
	t.Run("mirrored", func(t *testing.T) {
		w.t, w.s.t = t, t
		w.mirrored()
	})
	w.t, w.s.t = t, t
}

// Were axe-core not heard, the test above would hold of any page.
func TestWhatAxeSaysAgainstAPageIsHeard(t *testing.T) {
	judge := axe(t)
	b := browse(t, true)
	b.do(chromedp.Navigate("data:text/html,"+url.PathEscape(`<!doctype html><html lang="en"><title>Bad</title><style>@media (prefers-color-scheme: dark) { p { color: #888; background: #777 } }</style>
		<main><h1>Bad</h1><input><p>grey</p></main>`)), chromedp.Evaluate[chromedp.Void](judge))
	for scheme, want := range map[string]string{"light": "label", "dark": "color-contrast label"} {
		b.do(media(scheme))
		var got []string
		for _, v := range ask(b, chromedp.Evaluate[[]verdict](fmt.Sprintf(axeRun, axeAll), chromedp.EvalAwaitPromise)) {
			got = append(got, v.ID)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: heard of %q, want %q", scheme, got, want)
		}
	}
}

// axe is the source of axe-core.
func axe(t *testing.T) string {
	t.Helper()
	file := filepath.Join(root(t), ".ci", "npm", "node_modules", "axe-core", "axe.min.js")
	b, err := os.ReadFile(file)
	if err != nil {
		without(t, "no axe-core: .ci/prepare brings it")
	}
	return string(b)
}

// verdict is what axe-core says against a page.
type verdict struct {
	ID, Impact, Help string
	Nodes            []string
}

// Through the protocol a script runs whatever the page's policy forbids.
const axeRun = `axe.run(document, {resultTypes: ["violations"], %s}).then(r => r.violations.map(v => ({
	ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.map(n => n.target.join(" ") + " " + n.html + ": " + n.failureSummary)})))`

// What a page is made of is the same at every width and in both schemes; these
// of axe-core's rules go by how it looks. A mail lies within another's page.
const (
	axeAll   = `rules: {"target-size": {enabled: true}}`
	axeMails = `rules: {"region": {enabled: false}, "landmark-one-main": {enabled: false}}`
	axeLooks = `runOnly: ["color-contrast", "target-size", "link-in-text-block", "scrollable-region-focusable", "css-orientation-lock"]`
)

// judged wants a page that is sound at every width and in both schemes. Colours
// are the same in every language, so that one of them is judged everywhere.
func (w *tour) judged(judge, name string, everywhere bool) {
	w.t.Helper()
	p, wrong := w.look()
	for _, say := range wrong {
		w.t.Errorf("page %q: %s", p.Title, say)
	}
	w.do(chromedp.Evaluate[chromedp.Void](judge))
	rules := axeAll
	if strings.HasPrefix(name, "mail-") {
		rules = axeMails
	}
	for _, width := range []int64{narrow, wide} {
		for _, scheme := range []string{"light", "dark"} {
			judging := rules != axeLooks || everywhere
			if !judging && *pictures == "" {
				continue
			}
			w.do(chromedp.EmulateViewport(width, 900), media(scheme))
			if judging {
				for _, v := range ask(w.tab, chromedp.Evaluate[[]verdict](fmt.Sprintf(axeRun, rules), chromedp.EvalAwaitPromise)) {
					w.t.Errorf("page %q, %s, %d pixels: %s: %s (%s)\n  %s", p.Title, scheme, width, v.Impact, v.Help, v.ID, strings.Join(v.Nodes, "\n  "))
				}
			}
			rules = axeLooks
			w.picture(fmt.Sprintf("%s-%s-%d-%s.png", name, w.lang, width, scheme))
		}
	}
	w.do(media("light"))
	w.quiet(p.Title, "the server responded with a status of 4")
}

// media has the browser prefer a scheme of colours.
func media(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
}

// picture keeps what the tab shows, where pictures are asked for.
func (w *tour) picture(name string) {
	w.t.Helper()
	if *pictures == "" {
		return
	}
	size := ask(w.tab, chromedp.Evaluate[[]int64](`[innerWidth, Math.max(600, document.documentElement.getBoundingClientRect().height)].map(Math.ceil)`))
	// The browser shifts what it captures beyond a window that runs right to left.
	w.do(chromedp.EmulateViewport(size[0], size[1]))
	if err := os.WriteFile(filepath.Join(*pictures, name), ask(w.tab, chromedp.CaptureScreenshot()), 0o600); err != nil {
		w.t.Fatal(err)
	}
}
