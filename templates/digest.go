package templates

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

// Digests finds what digests tell. *store.Store does.
type Digests interface {
	// Digest is what a digest's event tells those readers whose deliveries name
	// the place; notifier.ErrNotFound where there is none.
	Digest(ctx context.Context, event int64, place int) (notifier.Digest, error)
	// Standing is the story of an event that a digest tells, with what was said since
	// without an event of its own, until the digest was made.
	Standing(ctx context.Context, event int64, until time.Time) (notifier.Story, error)
}

const (
	digestFile = "mail/digest.html"
	// keptDigests is how many are kept; they never change.
	keptDigests = 256
	// digestParts is how many incidents a digest reads; of more, the newest.
	digestParts = 100
	// digestShown is how many it shows; the page has all of it.
	digestShown = 30
	// digestSaid is how much of what was said of each it shows, in characters.
	digestSaid = 500
)

type digestKey struct {
	event int64
	place int
}

// MailDigest is what a digest shows.
type MailDigest struct {
	Lead   string // what this is, and as of when
	Missed string // a sentence where earlier digests could not be made; else ""
	Groups []MailDigestGroup
	Rest   string // a sentence where something is left out; else ""
}

// MailDigestGroup is what belongs together: still open, over, maintenance, posts.
type MailDigestGroup struct {
	Title   string
	Entries []Mail // each with its newest update only
}

// digestTale is the story of a digest's event with what it tells d's reader.
func (r *Renderer) digestTale(ctx context.Context, t tale, d notifier.Delivery) (tale, error) {
	if r.set.digests == nil {
		return t, errors.New("digests are not set up")
	}
	found, err := r.digest(ctx, digestKey{d.ID.Event(), d.Digest})
	if err != nil {
		return t, err
	}
	h := sha256.New()
	fmt.Fprintln(h, t.finger, d.Digest)
	t.story.Digest, err = r.set.digestStory(found, func(event int64) (notifier.Story, error) {
		part, err := r.standing(ctx, event, t.story.Event)
		fmt.Fprintln(h, event, part.finger)
		return part.story, err
	})
	t.finger = hex.EncodeToString(h.Sum(nil)[:12])
	return t, err
}

// standing is the story of an event that the digests of another event tell. They
// keep theirs apart from the event's own, below zero.
func (r *Renderer) standing(ctx context.Context, event int64, digests notifier.Event) (tale, error) {
	return r.taleOf(ctx, -int64(notifier.MakeDeliveryID(event, digests.Number)), func(ctx context.Context) (notifier.Story, error) {
		return r.set.digests.Standing(ctx, event, digests.AcceptedAt)
	})
}

// digest finds what a digest tells.
func (r *Renderer) digest(ctx context.Context, k digestKey) (notifier.Digest, error) {
	r.mu.Lock()
	kept, ok := r.digests.get(k)
	r.mu.Unlock()
	if ok {
		return kept, nil
	}
	v, err := r.once(ctx, fmt.Sprintf("digest %d %d", k.event, k.place), func(ctx context.Context) (any, error) {
		found, err := r.set.digests.Digest(ctx, k.event, k.place)
		switch {
		case errors.Is(err, notifier.ErrNotFound):
			return nil, fmt.Errorf("find what the digest tells: %w", err)
		case err != nil:
			return nil, &notifier.SendError{Fault: notifier.FaultRelay, Stage: "render", Err: fmt.Errorf("find what the digest tells: %w", err)}
		}
		r.mu.Lock()
		r.digests.put(k, found)
		r.mu.Unlock()
		return found, nil
	})
	if err != nil {
		return notifier.Digest{}, err
	}
	return v.(notifier.Digest), nil
}

// digestStory reads the stories of what a digest tells: of the newest, where there are many.
func (s *Set) digestStory(d notifier.Digest, story func(event int64) (notifier.Story, error)) (notifier.DigestStory, error) {
	out := notifier.DigestStory{Digest: d}
	items := slices.Clone(d.Items)
	slices.SortFunc(items, func(a, b notifier.DigestItem) int { return cmp.Compare(b.Event, a.Event) })
	if n := len(items); n > digestParts {
		items, out.More = items[:digestParts], n-digestParts
	}
	for _, i := range items {
		found, err := story(i.Event)
		if err != nil {
			return out, err
		}
		out.Parts = append(out.Parts, notifier.DigestPart{Story: found, Since: i.Since})
	}
	return out, nil
}

// Digest is the letter of a digest that is made at a time, to be looked at: its
// links lead nowhere.
func (s *Set) Digest(ctx context.Context, d notifier.Digest, at time.Time, language, zone string) (*notifier.Letter, error) {
	if s.digests == nil {
		return nil, errors.New("digests are not set up")
	}
	told, err := s.digestStory(d, func(event int64) (notifier.Story, error) { return s.digests.Standing(ctx, event, at) })
	if err != nil {
		return nil, err
	}
	story := notifier.Story{Event: notifier.Event{Type: notifier.DigestDue, Lane: notifier.LaneDigest, AcceptedAt: at}, Digest: told}
	return s.letter(story, circumstances{view: viewNamed("digest"), times: s.Times(language, zone)}, fingerprint(story))
}

// digestGroup is which group an incident of a digest belongs to, in their order.
func digestGroup(part notifier.DigestPart) int {
	inc := part.Story.Incident
	switch {
	case inc.Kind == notifier.KindPost:
		return 3
	case inc.Kind == notifier.KindMaintenance:
		return 2
	case part.Story.Event.Type == notifier.IncidentRetracted || inc.Status.Final():
		return 1
	}
	return 0
}

// digestGroups names them, by the ends of keys.
var digestGroups = [...]string{"open", "over", "maintenance", "posts"}

// digestOrder orders the incidents of a digest: what is still open first, the
// worst of it at the top; then what is over, the latest first; then maintenance
// by when it begins, what is completed last; then posts, the latest first.
func digestOrder(a, b notifier.DigestPart) int {
	x, y := a.Story.Incident, b.Story.Incident
	group := digestGroup(a)
	if by := cmp.Compare(group, digestGroup(b)); by != 0 {
		return by
	}
	last := cmp.Compare(b.Story.Event.Number, a.Story.Event.Number)
	switch group {
	case 0:
		return cmp.Or(cmp.Compare(y.Severity, x.Severity), x.OpenedAt.Compare(y.OpenedAt), last)
	case 1:
		return cmp.Or(y.ResolvedAt.Compare(x.ResolvedAt), last)
	case 2:
		if x.Status.Final() != y.Status.Final() {
			if x.Status.Final() {
				return 1
			}
			return -1
		}
		return cmp.Or(x.StartsAt.Compare(y.StartsAt), last)
	}
	return last
}

// digestMail prepares a digest that providers will show whole: of what is too
// much, the end is left to the page.
func (s *Set) digestMail(story notifier.Story, c circumstances, leave, manage string) (Mail, error) {
	parts := slices.Clone(story.Digest.Parts)
	slices.SortStableFunc(parts, digestOrder)
	for shown := min(len(parts), digestShown); ; shown = shown * 2 / 3 {
		m, err := s.digestOf(story, parts, shown, c)
		if err != nil {
			return m, fmt.Errorf("templates: %s: %w", c.view.name, err)
		}
		m.Leave, m.Manage = leave, manage
		html, err := s.execute(m, c.view.file)
		if err != nil || len(html) < clipSize || shown <= 1 {
			return m, err
		}
	}
}

// digestOf is a digest that shows so many of its incidents.
func (s *Set) digestOf(story notifier.Story, parts []notifier.DigestPart, shown int, c circumstances) (Mail, error) {
	cat, d := c.times.cat, story.Digest
	m := s.blankMail(c)
	when := c.times.Full(story.Event.AcceptedAt)
	switch {
	case d.Domain != "":
		m.Title, m.Digest.Lead = cat.must("digest.title.outage", "domain", d.Domain), cat.must("digest.lead.outage", "domain", d.Domain, "time", when)
	case d.Cadence == "":
		m.Title, m.Digest.Lead = cat.must("digest.title.last"), cat.must("digest.lead.last", "time", when)
	case len(parts) == 0:
		m.Title, m.Digest.Lead = cat.must("digest.title."+d.Cadence), cat.must("digest.lead.none", "time", when)
	default:
		m.Title, m.Digest.Lead = cat.must("digest.title."+d.Cadence), cat.must("digest.lead", "time", when)
	}
	if d.Missed > 0 {
		m.Digest.Missed = cat.must("digest.missed")
	}
	var counts [len(digestGroups)]int
	room := digestRoom(parts, shown)
	for _, part := range parts {
		group := digestGroup(part)
		counts[group]++
		if counts[group] > room[group] {
			continue
		}
		entry, err := s.digestEntry(part, c)
		if err != nil {
			return m, err
		}
		if counts[group] == 1 {
			m.Digest.Groups = append(m.Digest.Groups, MailDigestGroup{Title: cat.must("digest.group." + digestGroups[group])})
		}
		last := &m.Digest.Groups[len(m.Digest.Groups)-1]
		last.Entries = append(last.Entries, entry)
	}
	if rest := len(parts) - shown + d.More; rest > 0 {
		m.Digest.Rest = cat.must("digest.rest", "n", rest)
	}
	m.Tone = digestTone(m.Digest.Groups)
	var said []string
	for group, n := range counts {
		if n > 0 {
			said = append(said, cat.must("digest.count."+digestGroups[group], "n", n))
		}
	}
	switch {
	case len(parts) == 0:
		said = []string{cat.must("digest.count.none")}
	case len(parts) == 1 && d.More == 0:
		said = []string{parts[0].Story.Incident.Title, cat.must("digest.group." + digestGroups[digestGroup(parts[0])])}
	}
	m.Subject = oneLine(cat.must("subject.digest", "title", m.Title, "state", strings.Join(said, " · ")))
	var titles []string
	for _, g := range m.Digest.Groups {
		for _, e := range g.Entries {
			titles = append(titles, e.Title)
		}
	}
	m.Preview = clip(oneLine(strings.Join(titles, " · ")), 140)
	if len(titles) == 0 {
		m.Preview = clip(m.Digest.Lead, 140)
	}
	return m, nil
}

// digestRoom is how many of each group a digest shows that shows so many in all:
// the first groups first, but of each that there is a sixth, so that much that is
// open leaves room for the maintenance ahead.
func digestRoom(parts []notifier.DigestPart, shown int) (room [len(digestGroups)]int) {
	var counts [len(digestGroups)]int
	for _, part := range parts {
		counts[digestGroup(part)]++
	}
	least := shown / 6
	for group, n := range counts {
		room[group] = min(n, least)
		shown -= room[group]
	}
	for group, n := range counts {
		more := min(n-room[group], shown)
		room[group] += more
		shown -= more
	}
	return room
}

// digestEntry is one incident as a digest shows it: how it stands, and what was
// said of it last, cut short.
func (s *Set) digestEntry(part notifier.DigestPart, c circumstances) (Mail, error) {
	v, ok := viewOf(part.Story)
	if !ok {
		return Mail{}, fmt.Errorf("no view for events of type %q", part.Story.Event.Type)
	}
	m, err := s.mail(part.Story, circumstances{view: v, since: part.Since, times: c.times}, 1, false)
	if err != nil {
		return m, err
	}
	for i := range m.Updates {
		if m.Updates[i].Body, err = short(m.Updates[i], s.styles); err != nil {
			return m, err
		}
	}
	return m, nil
}

// digestTone is the worst of what is still open, or else how things stand.
func digestTone(groups []MailDigestGroup) string {
	if len(groups) == 0 || len(groups[0].Entries) == 0 {
		return toneSoft
	}
	return groups[0].Entries[0].Tone
}

// short cuts what was said to a few sentences; what is short already stays as it is.
func short(u MailUpdate, styles map[string]string) (template.HTML, error) {
	text, err := plainText(string(u.Body))
	if err != nil || len([]rune(text)) <= digestSaid {
		return u.Body, err
	}
	return cutTo(u.Body, digestSaid, styles)
}
