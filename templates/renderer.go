package templates

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"allclear/notifier"
)

const (
	storyLife   = 2 * time.Second // a correction shows in mails at the latest after this
	keptStories = 256
	keptLetters = 256
	workTime    = 10 * time.Second
	keptReaders = 4096 // pairs of language and zone as they were written
)

// Renderer makes a message of a delivery. What readers share is kept, so that
// for most deliveries only the link's token is made. Any number of goroutines may use it.
type Renderer struct {
	set    *Set
	flight singleflight.Group

	mu      sync.Mutex
	stories lru[int64, tale]
	letters lru[letterKey, *notifier.Letter]
	readers lru[[2]string, Times]
	notices lru[noticeKey, *notice]
	digests lru[digestKey, notifier.Digest]
}

// tale is a story as it was a moment ago.
type tale struct {
	story  notifier.Story
	finger string
	until  time.Time
}

// fresh reports whether it need not be read again: left is more than its life
// where the clock was set back.
func (t tale) fresh(now time.Time) bool {
	left := t.until.Sub(now)
	return left > 0 && left <= storyLife
}

type letterKey struct {
	channel            notifier.Channel
	format             notifier.Format    // of webhooks
	personal           notifier.EventType // "" for what is announced to all
	event, since, told int64
	finger             string
	times              Times
	first              string // of second addresses: whose, veiled, so that few differ
}

// Renderer makes one; Options.Stories and Options.Links must be set.
func (s *Set) Renderer() *Renderer {
	return &Renderer{
		set:     s,
		stories: lru[int64, tale]{max: keptStories},
		letters: lru[letterKey, *notifier.Letter]{max: keptLetters},
		readers: lru[[2]string, Times]{max: keptReaders},
		notices: lru[noticeKey, *notice]{max: keptLetters},
		digests: lru[digestKey, notifier.Digest]{max: keptDigests},
	}
}

// Render makes the message of d. Errors: notifier.ErrNotStarted when ctx ended;
// a temporary *notifier.SendError at stage render when the story could not be
// read just now, and a permanent one where a notice's recipient has not what
// its text needs; a *notifier.NotBeforeError where a phone is to be quiet;
// otherwise a fault of a view or of the event, which a later try would meet again.
func (r *Renderer) Render(ctx context.Context, d notifier.Delivery) (*notifier.Message, error) {
	m, err := r.render(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("render delivery %s: %w", d.ID, err)
	}
	return m, nil
}

func (r *Renderer) render(ctx context.Context, d notifier.Delivery) (*notifier.Message, error) {
	switch d.Channel {
	case notifier.Email, notifier.Webhook:
	case notifier.SMS:
		if r.set.phones == nil {
			return nil, fmt.Errorf("channel %q is not set up", d.Channel)
		}
	default:
		return nil, fmt.Errorf("no views for channel %q", d.Channel)
	}
	t, err := r.tale(ctx, d.ID.Event())
	if err != nil {
		return nil, err
	}
	if d.Channel == notifier.SMS {
		if err := r.quiet(t.story.Event, d); err != nil {
			return nil, err
		}
	}
	find := r.letter
	if t.story.Event.Type == notifier.DigestDue {
		if t, err = r.digestTale(ctx, t, d); err != nil {
			return nil, err
		}
		d.Since = d.ID.Event() // who missed the same shares it, wherever they began
	}
	if t.story.Event.Type == notifier.NoticeSent {
		find = r.noticeLetter
	}
	l, err := find(ctx, t, d)
	if err != nil {
		return nil, err
	}
	m := &notifier.Message{Delivery: d.ID, Lane: d.Lane, Channel: d.Channel, To: d.Address, Letter: l}
	if d.InDoubt() {
		m.Doubt = d.TriedAt
	}
	reader := d.ID.Reader()
	switch {
	case len(l.Blanks) == 0:
	case d.Channel == notifier.SMS:
		m.Fill = []string{r.set.phones.Short(reader)}
	case d.Channel == notifier.Webhook:
		m.Fill = []string{r.set.links.Remove(reader, d.Contact)}
	case l.Type.Personal():
		m.Fill = []string{r.set.links.Personal(l.Type, reader, d.AcceptedAt, d.Address)}
		if len(l.Blanks) > 1 {
			m.Fill = append(m.Fill, r.set.links.Unsubscribe(reader))
		}
	default:
		m.Fill = []string{r.set.links.Unsubscribe(reader), r.set.links.Manage(reader, d.AcceptedAt)}
	}
	for i, v := range m.Fill {
		if want := len(l.Blanks[i].Mark); len(v) != want {
			return nil, fmt.Errorf("a link token of %d characters; it must have %d", len(v), want)
		}
	}
	return m, nil
}

// tale finds the story of an event, from the source where the kept one is old.
func (r *Renderer) tale(ctx context.Context, event int64) (tale, error) {
	return r.taleOf(ctx, event, func(ctx context.Context) (notifier.Story, error) { return r.set.stories.Story(ctx, event) })
}

// taleOf is the tale that is kept by a key, or read anew.
func (r *Renderer) taleOf(ctx context.Context, key int64, read func(context.Context) (notifier.Story, error)) (tale, error) {
	now := r.set.now()
	r.mu.Lock()
	t, ok := r.stories.get(key)
	r.mu.Unlock()
	if ok && t.fresh(now) {
		return t, nil
	}
	v, err := r.once(ctx, "story "+strconv.FormatInt(key, 10), func(ctx context.Context) (any, error) {
		// Somebody may have asked since we looked.
		r.mu.Lock()
		t, ok := r.stories.get(key)
		r.mu.Unlock()
		if ok && t.fresh(now) {
			return t, nil
		}
		story, err := read(ctx)
		if errors.Is(err, notifier.ErrNotFound) {
			return nil, fmt.Errorf("find the story: %w", err)
		}
		if err != nil {
			// The store's trouble, not the reader's nor the mail's: soon again.
			return nil, &notifier.SendError{Fault: notifier.FaultRelay, Stage: "render", Err: fmt.Errorf("find the story: %w", err)}
		}
		t = tale{story: story, finger: fingerprint(story), until: now.Add(storyLife)}
		r.mu.Lock()
		r.stories.put(key, t)
		r.mu.Unlock()
		return t, nil
	})
	if err != nil {
		return tale{}, err
	}
	return v.(tale), nil
}

// letter finds or renders the letter for d.
func (r *Renderer) letter(ctx context.Context, t tale, d notifier.Delivery) (*notifier.Letter, error) {
	k := letterKey{channel: d.Channel, event: t.story.Event.Number, since: d.Since, told: d.Told, finger: t.finger, first: d.First}
	if d.Channel == notifier.Webhook {
		k.format = formatOf(d.Format)
	}
	personal := t.story.Event.Type.Personal()
	if personal {
		switch d.Channel {
		case notifier.SMS:
			return r.personalText(t, d)
		case notifier.Webhook: // it goes to the contact, by mail
			return nil, fmt.Errorf("no body for events of type %q", t.story.Event.Type)
		}
		// Those of one type, about one incident or none, and about endpoints with
		// the same to say of them, differ in their event's id only; they share one
		// rendering.
		k = letterKey{channel: d.Channel, personal: t.story.Event.Type, finger: t.story.Incident.Title + endpointFinger(t.story)}
	} else if k.since <= 0 || k.since > k.event {
		k.since = k.event
	}
	r.mu.Lock()
	k.times = r.reader(d.Language, d.Zone)
	l, ok := r.letters.get(k)
	r.mu.Unlock()
	if !ok {
		v, ok := viewOf(t.story)
		if !ok {
			return nil, fmt.Errorf("no view for events of type %q", t.story.Event.Type)
		}
		name := fmt.Sprintf("letter %s %s %s %d %d %d %s %s %s %s", k.channel, k.format, k.personal, k.event, k.since, k.told, k.finger, k.times.cat.code, k.times.zone, k.first)
		made, err := r.once(ctx, name, func(context.Context) (any, error) {
			// Somebody may have made it since we looked.
			r.mu.Lock()
			l, ok := r.letters.get(k)
			r.mu.Unlock()
			if ok {
				return l, nil
			}
			l, err := r.set.sound(t.story, circumstances{view: v, since: k.since, told: k.told, times: k.times, first: k.first, channel: k.channel, format: k.format}, t.finger)
			if err != nil {
				return nil, err
			}
			r.mu.Lock()
			r.letters.put(k, l)
			r.mu.Unlock()
			return l, nil
		})
		if err != nil {
			return nil, err
		}
		l = made.(*notifier.Letter)
	}
	if personal {
		own := *l
		own.Key, own.EventID, own.Lane = "", t.story.Event.ID, t.story.Event.Lane
		return &own, nil
	}
	return l, nil
}

// reader remembers which catalogue and zone a reader's words for them mean.
// The lock is held.
func (r *Renderer) reader(language, zone string) Times {
	k := [2]string{language, zone}
	t, ok := r.readers.get(k)
	if !ok {
		t = r.set.Times(language, zone)
		// One pointer for a zone, however many words for languages lead to it,
		// so that letters are shared.
		if same, ok := r.readers.get([2]string{t.cat.code, zone}); ok {
			t = same
		} else {
			r.readers.put([2]string{t.cat.code, zone}, t)
		}
		r.readers.put(k, t)
	}
	return t
}

// once lets one caller do the work for all that want the same at the moment. A
// caller whose own time is up leaves; the work goes on for the others.
func (r *Renderer) once(ctx context.Context, name string, do func(context.Context) (any, error)) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", notifier.ErrNotStarted, err)
	}
	done := r.flight.DoChan(name, func() (v any, err error) {
		// Here nobody else could: singleflight ends the process with it.
		defer func() {
			if what := recover(); what != nil {
				err = fmt.Errorf("panic: %v", what)
			}
		}()
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), workTime)
		defer cancel()
		return do(own)
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", notifier.ErrNotStarted, ctx.Err())
	case res := <-done:
		return res.Val, res.Err
	}
}
