package templates

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
)

// shelf is a source of stories that counts how often it is asked.
type shelf struct {
	mu      sync.Mutex
	stories map[int64]notifier.Story
	asked   atomic.Int64
	wait    chan struct{} // where set, answers wait for it
	began   chan struct{} // where set, told when somebody waits
	trouble error
}

func (s *shelf) Story(ctx context.Context, event int64) (notifier.Story, error) {
	s.asked.Add(1)
	if s.wait != nil {
		if s.began != nil {
			s.began <- struct{}{}
		}
		select {
		case <-s.wait:
		case <-ctx.Done():
			return notifier.Story{}, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble != nil {
		return notifier.Story{}, s.trouble
	}
	story, ok := s.stories[event]
	if !ok {
		return story, fmt.Errorf("event %d: %w", event, notifier.ErrNotFound)
	}
	return story, nil
}

func (s *shelf) put(story notifier.Story) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stories[story.Event.Number] = story
}

// tokens are as long as real ones and tell whose they are.
type tokens struct{ size int }

func (k tokens) Unsubscribe(reader int64) string         { return k.token("U", reader) }
func (k tokens) Remove(reader int64, _ string) string    { return k.token("U", reader) }
func (k tokens) Manage(reader int64, _ time.Time) string { return k.token("M", reader) }
func (k tokens) Personal(_ notifier.EventType, reader int64, accepted time.Time, _ string) string {
	return k.token("C"+fmt.Sprint(accepted.Unix()), reader)
}

func (k tokens) token(purpose string, reader int64) string {
	s := fmt.Sprintf("%s-%d-", purpose, reader)
	return s + strings.Repeat("x", k.size-len(s))
}

// clock is a clock that stands until it is set.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(0, c.now.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.now.Add(int64(d)) }

func newRenderer(t testing.TB, stories ...notifier.Story) (*Renderer, *shelf, *clock) {
	t.Helper()
	from := &shelf{stories: map[int64]notifier.Story{}}
	for _, s := range stories {
		from.put(s)
	}
	c := &clock{}
	c.now.Store(sampleNow().UnixNano())
	s := newSet(t, func(o *Options) { o.Stories, o.Links, o.Now = from, tokens{markSize}, c.Now })
	return s.Renderer(), from, c
}

func delivery(event, reader int64) notifier.Delivery {
	return notifier.Delivery{
		ID: notifier.MakeDeliveryID(event, reader), Lane: notifier.LaneIncident, Channel: notifier.Email,
		Address: fmt.Sprintf("r%d@example.com", reader), Since: event, Told: event - 1, AcceptedAt: sampleNow(),
	}
}

func render(t testing.TB, r *Renderer, d notifier.Delivery) *notifier.Message {
	t.Helper()
	m, err := r.Render(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReadersInTheSameCircumstancesShareOneLetter(t *testing.T) {
	r, from, _ := newRenderer(t, story("incident-updated"))
	a, b := render(t, r, delivery(7, 1)), render(t, r, delivery(7, 2))
	if a.Letter != b.Letter {
		t.Error("two letters for the same circumstances")
	}
	if a.To != "r1@example.com" || a.Delivery.Reader() != 1 || a.Channel != notifier.Email || a.Lane != notifier.LaneIncident {
		t.Errorf("%+v", a)
	}
	if len(a.Fill) != 2 || !strings.HasPrefix(a.Fill[1], "M-1-") || !strings.HasPrefix(a.Fill[0], "U-1-") || !strings.HasPrefix(b.Fill[0], "U-2-") {
		t.Errorf("fills %v %v", a.Fill, b.Fill)
	}
	if n := from.asked.Load(); n != 1 {
		t.Errorf("the story was asked for %d times", n)
	}
}

func TestEveryDifferenceThatShowsMakesALetterOfItsOwn(t *testing.T) {
	r, _, _ := newRenderer(t, story("incident-updated"))
	seen := map[string]string{}
	for name, change := range map[string]func(*notifier.Delivery){
		"plain": func(*notifier.Delivery) {}, "since": func(d *notifier.Delivery) { d.Since = 6 },
		"told": func(d *notifier.Delivery) { d.Told = 5 }, "never told": func(d *notifier.Delivery) { d.Told = 0 },
		"zone": func(d *notifier.Delivery) { d.Zone = "Asia/Kathmandu" }, "language": func(d *notifier.Delivery) { d.Language = "de" },
	} {
		d := delivery(7, 1)
		change(&d)
		m := render(t, r, d)
		if other, ok := seen[m.Letter.Key]; ok {
			t.Errorf("%s has the key of %s", name, other)
		}
		seen[m.Letter.Key] = name
	}
	de := delivery(7, 1)
	de.Language = "de-AT"
	same := delivery(7, 2)
	same.Language = "de"
	if render(t, r, de).Letter != render(t, r, same).Letter {
		t.Error("two words for one language make two letters")
	}
}

func TestACorrectionShowsWithinSeconds(t *testing.T) {
	tale := story("incident-updated")
	r, from, c := newRenderer(t, tale)
	before := render(t, r, delivery(7, 1)).Letter
	tale = story("incident-updated")
	tale.Incident.Title = "imap8 does not answer"
	from.put(tale)
	c.Advance(storyLife - time.Millisecond)
	if render(t, r, delivery(7, 2)).Letter != before {
		t.Error("the story was not kept for as long as it should")
	}
	c.Advance(time.Millisecond)
	after := render(t, r, delivery(7, 3)).Letter
	if after.Subject != "Monitoring: imap8 does not answer" || after.Key == before.Key {
		t.Errorf("subject %q, same key %v", after.Subject, after.Key == before.Key)
	}
	if before.Subject != "Monitoring: imap7 does not answer" {
		t.Error("a letter that was given out has changed")
	}
}

func TestAStoryThatIsReadAgainUnchangedKeepsItsLetter(t *testing.T) {
	tale := story("incident-updated")
	r, from, c := newRenderer(t, tale)
	before := render(t, r, delivery(7, 1)).Letter
	tale.Event.ExpandedAt = sampleNow() // what goes on while it is sent
	from.put(tale)
	c.Advance(storyLife)
	if render(t, r, delivery(7, 2)).Letter != before || from.asked.Load() != 2 {
		t.Error("an unchanged story was rendered again")
	}
}

func TestAStampedeAsksForTheStoryOnce(t *testing.T) {
	r, from, _ := newRenderer(t, story("incident-updated"))
	from.wait = make(chan struct{})
	const workers = 32
	letters := make(chan *notifier.Letter, workers)
	var started sync.WaitGroup
	started.Add(workers)
	for i := range workers {
		go func() {
			started.Done()
			m, err := r.Render(context.Background(), delivery(7, int64(i+1)))
			if err != nil {
				t.Error(err)
				letters <- nil
				return
			}
			letters <- m.Letter
		}()
	}
	started.Wait()
	close(from.wait)
	first := <-letters
	for range workers - 1 {
		if l := <-letters; l != first {
			t.Error("two letters from one stampede")
		}
	}
	if n := from.asked.Load(); n != 1 {
		t.Errorf("the story was asked for %d times", n)
	}
}

func TestAWorkerThatLeavesDoesNotTakeTheOthersWorkAlong(t *testing.T) {
	r, from, _ := newRenderer(t, story("incident-updated"))
	from.wait, from.began = make(chan struct{}), make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	go func() {
		_, err := r.Render(ctx, delivery(7, 1))
		gone <- err
	}()
	<-from.began
	cancel()
	if err := <-gone; !errors.Is(err, notifier.ErrNotStarted) {
		t.Errorf("the one who left got %v", err)
	}
	close(from.wait)
	if m := render(t, r, delivery(7, 2)); m.Letter == nil || from.asked.Load() != 1 {
		t.Error("the work was not carried on")
	}
}

func TestTheStoresTroubleIsNotHeldAgainstTheMail(t *testing.T) {
	r, from, _ := newRenderer(t)
	from.trouble = errors.New("connection refused")
	_, err := r.Render(context.Background(), delivery(7, 1))
	var se *notifier.SendError
	if !errors.As(err, &se) || se.Permanent || se.Fault != notifier.FaultRelay || se.Stage != "render" {
		t.Errorf("%v", err)
	}
	if s := notifier.Decide(delivery(7, 1), err, notifier.Receipt{}, sampleNow(), time.Time{}, 0.5); s.State != notifier.Pending || s.Charged || s.Tried {
		t.Errorf("it settles as %+v", s)
	}
	from.trouble = nil
	if _, err := r.Render(context.Background(), delivery(7, 1)); !errors.Is(err, notifier.ErrNotFound) {
		t.Errorf("an event that does not exist: %v", err)
	}
	from.put(story("incident-updated"))
	render(t, r, delivery(7, 1)) // an error is not kept
}

func TestConfirmationsShareTheirRenderingButNotTheirEvent(t *testing.T) {
	one, two := story("confirm"), story("confirm")
	two.Event.Number, two.Event.ID = 8, "ev8sample"
	r, _, _ := newRenderer(t, one, two)
	a, b := render(t, r, delivery(7, 1)), render(t, r, delivery(8, 2))
	if a.Letter.EventID != "ev7sample" || b.Letter.EventID != "ev8sample" || a.Letter.HTML != b.Letter.HTML {
		t.Errorf("%q %q", a.Letter.EventID, b.Letter.EventID)
	}
	if a.Letter.Key != "" || a.Letter.ListUnsubscribe != "" || a.Letter.Lane != notifier.LaneConfirm {
		t.Errorf("%+v", a.Letter)
	}
	if want := fmt.Sprintf("C%d-2-", sampleNow().Unix()); !strings.HasPrefix(b.Fill[0], want) {
		t.Errorf("fill %q, want %s", b.Fill[0], want)
	}
}

func TestConfirmationsOfDifferentIncidentsAreDifferentLetters(t *testing.T) {
	all, one, same, other := story("confirm"), story("confirm"), story("confirm"), story("confirm")
	for n, s := range []*notifier.Story{&all, &one, &same, &other} {
		s.Event.Number = int64(7 + n)
		s.Incident.Title = []string{"", "imap7 is slow", "imap7 is slow", "imap8 is slow"}[n]
	}
	r, _, _ := newRenderer(t, all, one, same, other)
	var texts []string
	for n := range int64(4) {
		texts = append(texts, render(t, r, delivery(7+n, 1)).Letter.Text)
	}
	lacks(t, texts[0], "one thing only")
	contains(t, texts[1], "imap7 is slow")
	contains(t, texts[3], "imap8 is slow")
	if texts[1] != texts[2] {
		t.Error("two renderings about one incident")
	}
}

func TestTheMailWithALinkIsFilledWithTheOneToLeaveToo(t *testing.T) {
	r, _, _ := newRenderer(t, story("link"))
	m := render(t, r, delivery(7, 17))
	if len(m.Fill) != 2 || !strings.HasPrefix(m.Fill[0], "C") || !strings.HasPrefix(m.Fill[1], "U-17-") {
		t.Errorf("fills %v", m.Fill)
	}
}

func TestWhatCannotBeRenderedIsAnError(t *testing.T) {
	odd := story("incident-updated")
	odd.Event.Number, odd.Event.Type = 8, "incident.imagined"
	r, _, _ := newRenderer(t, story("incident-updated"), odd)
	sms := delivery(7, 1)
	sms.Channel = notifier.SMS
	for name, d := range map[string]notifier.Delivery{"channel": sms, "type of event": delivery(8, 1)} {
		if m, err := r.Render(context.Background(), d); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
	r.set.links = tokens{markSize - 1}
	if _, err := r.Render(context.Background(), delivery(7, 1)); err == nil || !strings.Contains(err.Error(), "43 characters") {
		t.Errorf("a token of the wrong length: %v", err)
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	c := lru[int, string]{max: 3}
	for i := range 10 {
		c.put(i, fmt.Sprint(i))
		c.get(0) // used all the time, so it stays
	}
	if _, ok := c.get(0); !ok || len(c.items) != 3 || c.order.Len() != 3 {
		t.Errorf("%d items, 0 kept: %v", len(c.items), ok)
	}
	if _, ok := c.get(5); ok {
		t.Error("an old item is still there")
	}
	c.put(0, "again")
	if v, _ := c.get(0); v != "again" || len(c.items) != 3 {
		t.Errorf("%q, %d items", v, len(c.items))
	}
}

func BenchmarkRenderPerRecipient(b *testing.B) {
	r, _, _ := newRenderer(b, story("incident-updated"))
	r.set.links = constant("UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU")
	d := delivery(7, 1)
	d.Zone, d.Language = "Europe/Oslo", "de"
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Render(ctx, d); err != nil {
			b.Fatal(err)
		}
	}
}

type constant string

func (c constant) Unsubscribe(int64) string       { return string(c) }
func (c constant) Remove(int64, string) string    { return string(c) }
func (c constant) Manage(int64, time.Time) string { return string(c) }
func (c constant) Personal(notifier.EventType, int64, time.Time, string) string {
	return string(c)
}

func BenchmarkRenderALetter(b *testing.B) {
	s := newSet(b)
	for b.Loop() {
		if _, err := s.RenderSample("incident-resolved", "en", "Europe/Oslo"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(plainOptions()); err != nil {
			b.Fatal(err)
		}
	}
}

// broken is a source of stories with a fault in it.
type broken struct{}

func (broken) Story(context.Context, int64) (notifier.Story, error) { panic("index out of range") }

func TestAPanicIsAnErrorAndNotTheEndOfTheProcess(t *testing.T) {
	r := newSet(t, func(o *Options) { o.Stories, o.Links = broken{}, tokens{markSize} }).Renderer()
	if _, err := r.Render(t.Context(), delivery(7, 1)); err == nil || !strings.Contains(err.Error(), "panic: index out of range") {
		t.Errorf("%v", err)
	}
}

func TestACorrectionShowsSoonAlsoWhereTheClockIsSetBack(t *testing.T) {
	s := story("incident-updated")
	r, from, now := newRenderer(t, s)
	render(t, r, delivery(7, 1))
	s.Incident.Title = "Corrected"
	from.put(s)
	now.Advance(-time.Hour)
	if m := render(t, r, delivery(7, 2)); !strings.Contains(m.Letter.Subject, "Corrected") {
		t.Errorf("%q is an hour old by the time it is looked at again", m.Letter.Subject)
	}
}
