package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/chromedp/chromedp"
)

// edges is how far something stands from the edge where lines begin, and from
// the one where they end, in CSS pixels.
type edges struct{ Start, End int }

const edgesOf = `(all => Object.fromEntries(all.map(s => {
	const r = document.querySelector(s).getBoundingClientRect(), wide = document.documentElement.clientWidth
	const left = Math.round(r.left), right = Math.round(wide - r.right), rtl = getComputedStyle(document.querySelector("main, [role=article]")).direction === "rtl"
	return [s, rtl ? {Start: right, End: left} : {Start: left, End: right}]
})))(%s)`

// mirrored wants a page that runs right to left to be the mirror of the same
// page that does not: what stands at one edge there stands at the other here.
func (w *tour) mirrored() {
	w.t.Helper()
	pages := map[string]struct {
		lead       func()
		begin, end []string // that stand at the same distance from there, however long their words are
	}{
		"subscribe": {
			func() { w.at("/subscribe", http.StatusOK); w.unfold() },
			[]string{".brand", "main h1", "#subscribe-address", "summary", "fieldset", "input[type=checkbox]", "#subscribe-severity", ".row li"},
			[]string{".mine", "main h1", "#subscribe-timezone", "footer nav"},
		},
		"home": {
			func() { w.at("/", http.StatusOK) },
			[]string{".state", ".state h1", "article", "article .tag", "ol.line > li", "ol.line strong", "ul.parts li bdi"},
			[]string{".mine", ".state", "article", "ul.parts li:last-child span"},
		},
		"mail": {
			func() { w.reader(object{"state": "pending"}); w.letter("/confirm/") },
			[]string{"h1", "a.button", "p.lead"},
			nil,
		},
	}
	seen := map[string]edges{}
	for _, lang := range []string{"en", "ar"} {
		w.speak(lang)
		for name, p := range pages {
			p.lead()
			for _, width := range []int64{narrow, wide} {
				w.do(chromedp.EmulateViewport(width, 900))
				all := append(append([]string{}, p.begin...), p.end...)
				got := ask(w.tab, chromedp.Evaluate[map[string]edges](fmt.Sprintf(edgesOf, `["`+strings.Join(all, `", "`)+`"]`)))
				same := func(edge, what string, at int, was func(edges) int) {
					key := fmt.Sprint(name, width, what)
					if old, ok := seen[key]; ok && abs(was(old)-at) > 1 {
						w.t.Errorf("%s, %d pixels: %s stands %d from where lines %s, and %d where they run left to right", name, width, what, at, edge, was(old))
					}
				}
				for _, s := range p.begin {
					same("begin", s, got[s].Start, func(e edges) int { return e.Start })
				}
				for _, s := range p.end {
					same("end", s, got[s].End, func(e edges) int { return e.End })
				}
				for s, e := range got {
					seen[fmt.Sprint(name, width, s)] = e
				}
			}
			if dir := ask(w.tab, chromedp.Evaluate[string](`document.documentElement.dir`)); dir != map[string]string{"en": "ltr", "ar": "rtl"}[lang] {
				w.t.Errorf("%s in %s runs %q", name, lang, dir)
			}
		}
	}
}

func abs(n int) int { return max(n, -n) }
