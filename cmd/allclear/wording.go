package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/store"
	"allclear/templates"
)

const (
	// brokenFor is how long a template that broke on something is a trouble.
	brokenFor = time.Hour
	// triesAtOnce is how many texts are tried out at once in one process.
	triesAtOnce = 2
	// tryTime is how long that may take.
	tryTime = 15 * time.Second
)

// wording keeps this process's templates those that all processes use: what is
// embedded, over it the service's folder, and over that what was edited, which
// the database keeps.
type wording struct {
	db      *store.Store
	options templates.Options // without edits
	live    *templates.Live
	log     *slog.Logger
	now     func() time.Time
	wake    chan struct{}
	tries   chan struct{}
	said    *onceAnHour

	mu       sync.Mutex
	latest   int64 // the revision that the database is said to have
	loaded   int64
	used     map[string]string // edits that can be used
	problems []templates.Problem
	broken   map[string]brokenView
}

// brokenView is a template that broke on something that had to be written.
type brokenView struct {
	at  time.Time
	why templates.Problem
}

func newWording(ctx context.Context, db *store.Store, o templates.Options, log *slog.Logger) (*wording, error) {
	w := &wording{
		db: db, log: log, now: db.Now, wake: make(chan struct{}, 1), tries: make(chan struct{}, triesAtOnce), said: newOnceAnHour(db.Now), broken: map[string]brokenView{},
	}
	o.Broken = w.broke
	w.options = o
	set, err := w.read(ctx)
	if err != nil {
		return nil, err
	}
	// Only here: edits go by the database, and a process that runs has the texts
	// that it started with, whatever another one was started with since.
	texts, err := set.NoticeTexts()
	if err == nil {
		err = db.SetNoticeTexts(ctx, texts)
	}
	if err != nil { // a database that takes no writes stops no start
		log.Warn("tell what notices are written by", "part", "templates", "error", err)
	}
	w.live = templates.NewLive(set)
	return w, nil
}

// read makes a set of what there is, and has it used from then on. An edit that this program cannot use, as
// after an update of it, is left out and told of: it stops no start and no mail.
func (w *wording) read(ctx context.Context) (*templates.Set, error) {
	edits, revision, err := w.db.TemplateEdits(ctx)
	if err != nil {
		return nil, err
	}
	o := w.options
	o.Edits = map[string]string{}
	for _, e := range edits {
		o.Edits[e.Name] = e.Text
	}
	set, problems, err := templates.Check(o)
	if err != nil {
		return nil, templatesError(err)
	}
	used := map[string]string{}
	for _, f := range set.Files() {
		if f.From == templates.FromEdit {
			used[f.Name] = o.Edits[f.Name]
		}
	}
	for _, p := range problems {
		w.log.Error("an edited template cannot be used; what is below it is", "part", "templates", "problem", p.String())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.live != nil && revision < w.loaded { // somebody else was faster, and knows more
		return w.live.Set(), nil
	}
	w.loaded, w.latest, w.used, w.problems = revision, max(w.latest, revision), used, problems
	if w.live != nil {
		w.live.Use(set)
	}
	return set, nil
}

// heard is told the revision that the database has.
func (w *wording) heard(revision int64) {
	w.mu.Lock()
	w.latest = revision
	stale := w.latest != w.loaded
	w.mu.Unlock()
	if stale {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// run takes up what was edited, until ctx ends. What cannot be read is asked for
// again with the next answer of the database.
func (w *wording) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		w.mu.Lock()
		stale := w.latest != w.loaded
		w.mu.Unlock()
		if !stale {
			continue
		}
		call, done := context.WithTimeout(ctx, tryTime)
		_, err := w.read(call)
		done()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			w.log.Warn("take up edited templates", "part", "templates", "error", err)
		default:
			w.log.Info("templates are edited", "part", "templates")
		}
	}
}

// broke is told that something went out by an embedded text in the place of
// another. What the text says beside its own line may be a reader's, so only
// that is kept.
func (w *wording) broke(view string, err error) {
	p := templates.ProblemOf(err)
	if action, _, found := strings.Cut(p.Text, ">: "); found {
		p.Text = action + ">"
	} else if strings.HasPrefix(p.Text, "panic") {
		p.Text = "it panics"
	}
	now := w.now()
	w.mu.Lock()
	known, ok := w.broken[view]
	w.broken[view] = brokenView{now, p}
	w.mu.Unlock()
	if !ok || known.why != p || now.Sub(known.at) >= brokenFor || w.said.now() {
		w.log.Error("a template breaks on what has to be written; the embedded one is used", "part", "templates", "view", view, "problem", p.String())
	}
}

// troubles are what is wrong with texts that are not embedded.
func (w *wording) troubles(now time.Time, page string) []notifier.Trouble {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []notifier.Trouble
	for _, p := range w.problems {
		out = append(out, notifier.Trouble{
			Key: "template:" + p.File, About: "template:" + p.File, URL: page, Title: "The edited template " + p.File + " cannot be used", Ended: "the edited template " + p.File + " can be used, or is gone",
			Text: fmt.Sprintf("%s. What is below it is used meanwhile. Mend it on the console, or take it back: `allclear templates reset %s`.", p, p.File),
		})
	}
	for view, b := range w.broken {
		if d := now.Sub(b.at); d >= brokenFor || d < 0 {
			delete(w.broken, view)
			continue
		}
		out = append(out, notifier.Trouble{
			Key: "view:" + view, About: "view:" + view, URL: page, Since: b.at, Title: "Your template of " + view + " breaks on what has to be written", Ended: "for an hour the template of " + view + " broke on nothing",
			Text: fmt.Sprintf("%s. The embedded text is used in its place, so everything goes out. Try it with the data at hand: `allclear templates render %s --data FILE`.", b.why, view),
		})
	}
	return out
}

// desk is what the console edits with.
func (w *wording) desk(folder string) console.TemplateDesk {
	return console.TemplateDesk{
		Folder: folder,
		Now: func() (*templates.Set, []templates.Problem) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.live.Set(), w.problems
		},
		Try: w.try,
		Changed: func(ctx context.Context) {
			if _, err := w.read(ctx); err != nil { // it is heard of again
				w.log.Warn("take up edited templates", "part", "templates", "error", err)
			}
		},
	}
}

// try makes a set in which a text takes a file's place. A text that never ends
// to write holds one of the few places for good.
func (w *wording) try(ctx context.Context, file, text string) (*templates.Set, templates.Problem, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	select {
	case w.tries <- struct{}{}:
	case <-ctx.Done():
		return nil, templates.Problem{}, notifier.Refuse(notifier.ErrUnavailable, "Others are being tried out; try again in a moment.")
	}
	w.mu.Lock()
	o := w.options
	o.Edits = maps.Clone(w.used)
	w.mu.Unlock()
	o.Edits[file], o.Broken = text, nil
	type result struct {
		set *templates.Set
		err error
	}
	made := make(chan result, 1)
	go func() {
		defer func() { <-w.tries }()
		set, err := templates.New(o)
		made <- result{set, err}
	}()
	select {
	case r := <-made:
		if r.err != nil {
			return nil, templates.ProblemOf(r.err), nil
		}
		return r.set, templates.Problem{}, nil
	case <-ctx.Done():
		return nil, templates.Problem{File: file, Text: "it takes too long to write: does a loop in it never end?"}, nil
	}
}
