package templates

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"sync"
)

// In a rush PageSubscribeStep is nearly everything that is answered, a thousand
// times a second beside an incident that goes out. So it is rendered once for
// all who get the same, with marks where they differ, as mails are. Values
// stand in text and in quoted attributes, where HTML's own escapes are enough.

// keptSteps bounds how many are kept, and stepValues how many fields one that
// is kept may repeat.
const (
	keptSteps  = 256
	stepValues = 24
)

// stepKey is what those have in common who share a copy.
type stepKey struct {
	lang, door        string
	link, wrong, asks bool
	bits              int
	names             string // of the fields that are repeated, in their order
}

// stepCopy is a rendered page, cut where values belong.
type stepCopy struct {
	text   [][]byte // one more than values
	values []int    // which value stands behind each text but the last
}

type stepCopies struct {
	mu   sync.Mutex
	kept lru[stepKey, stepCopy]
	busy map[string][]byte // PageSubscribeBusy by language: it says the same to everybody
}

// stepMark stands for the n-th value. Nothing anybody wrote is in the page that it is looked for in.
func stepMark(n int) string { return "MARK0of0step" + strconv.Itoa(n) + "X" }

// writeStep writes the page of step from a copy, and makes that where there is none.
func (p *Pages) writeStep(w io.Writer, cat *catalogue, step SubscribeStep) error {
	model := p.subscribeStep(frame{}, cat, step)
	values := []string{step.Token, step.Challenge, step.Code}
	names := make([]string, len(model.Hidden))
	for i, h := range model.Hidden {
		names[i] = h[0]
		values = append(values, h[1])
	}
	key := stepKey{cat.code, step.Door, step.Link, step.Wrong, step.Challenge != "", step.Bits, strings.Join(names, " ")}
	p.steps.mu.Lock()
	made, ok := p.steps.kept.get(key)
	p.steps.mu.Unlock()
	if !ok {
		var err error
		if made, err = p.copyStep(cat, step, model.Hidden); err != nil {
			return err
		}
		if len(names) <= stepValues {
			p.steps.mu.Lock()
			p.steps.kept.put(key, made)
			p.steps.mu.Unlock()
		}
	}
	var out bytes.Buffer
	for i, text := range made.text {
		out.Write(text)
		if i < len(made.values) {
			template.HTMLEscape(&out, []byte(values[made.values[i]]))
		}
	}
	if _, err := out.WriteTo(w); err != nil {
		return fmt.Errorf("write page %s: %w", PageSubscribeStep, err)
	}
	return nil
}

// copyStep renders it with marks in place of values.
func (p *Pages) copyStep(cat *catalogue, step SubscribeStep, hidden [][2]string) (stepCopy, error) {
	step.Token = stepMark(0)
	if step.Challenge != "" {
		step.Challenge, step.Code = stepMark(1), stepMark(2)
	}
	model := p.subscribeStep(p.frame(cat), cat, step)
	for i, h := range hidden {
		model.Hidden[i] = [2]string{h[0], stepMark(3 + i)}
	}
	var page bytes.Buffer
	if err := p.views[PageSubscribeStep].ExecuteTemplate(&page, "layout", model); err != nil {
		return stepCopy{}, trouble(err)
	}
	var made stepCopy
	rest := page.Bytes()
	for {
		at, first := -1, 0
		for n := range 3 + len(hidden) {
			if i := bytes.Index(rest, []byte(stepMark(n))); i >= 0 && (at < 0 || i < at) {
				at, first = i, n
			}
		}
		if at < 0 {
			made.text = append(made.text, rest)
			return made, nil
		}
		made.text, made.values = append(made.text, rest[:at]), append(made.values, first)
		rest = rest[at+len(stepMark(first)):]
	}
}

// writeBusy writes the page that says that not even work helps, which a rush
// gets nearly as often.
func (p *Pages) writeBusy(w io.Writer, cat *catalogue) error {
	p.steps.mu.Lock()
	page := p.steps.busy[cat.code]
	p.steps.mu.Unlock()
	if page == nil {
		model, err := p.model(PageSubscribeBusy, cat, ActionPage{}, p.set.now())
		if err != nil {
			return err
		}
		var made bytes.Buffer
		if err := p.views[PageSubscribeBusy].ExecuteTemplate(&made, "layout", model); err != nil {
			return trouble(err)
		}
		page = made.Bytes()
		p.steps.mu.Lock()
		if p.steps.busy == nil {
			p.steps.busy = map[string][]byte{}
		}
		p.steps.busy[cat.code] = page
		p.steps.mu.Unlock()
	}
	if _, err := w.Write(page); err != nil {
		return fmt.Errorf("write page %s: %w", PageSubscribeBusy, err)
	}
	return nil
}
