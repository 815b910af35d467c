package templates

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"allclear/notifier"
)

// Live is the set in use, whose place another may take while messages are
// written. Every message and page is of one set.
type Live struct{ set atomic.Pointer[Set] }

// NewLive begins with a set.
func NewLive(s *Set) *Live {
	l := &Live{}
	l.set.Store(s)
	return l
}

// Set is the one in use now.
func (l *Live) Set() *Set { return l.set.Load() }

// Use puts another in its place.
func (l *Live) Use(s *Set) { l.set.Store(s) }

// Preview is Set.Preview.
func (l *Live) Preview(story notifier.Story, p Preview) (*notifier.Letter, error) {
	return l.Set().Preview(story, p)
}

// Notice is Set.Notice.
func (l *Live) Notice(n notifier.Notice, r notifier.Recipient) (*notifier.Letter, error) {
	return l.Set().Notice(n, r)
}

// CheckNotice is Set.CheckNotice.
func (l *Live) CheckNotice(n notifier.Notice, columns []string) []error {
	return l.Set().CheckNotice(n, columns)
}

// Digest is Set.Digest.
func (l *Live) Digest(ctx context.Context, d notifier.Digest, at time.Time, language, zone string) (*notifier.Letter, error) {
	return l.Set().Digest(ctx, d, at, language, zone)
}

// TextAnswer is Set.TextAnswer.
func (l *Live) TextAnswer(what, language, link string) string {
	return l.Set().TextAnswer(what, language, link)
}

// EndpointTest is Set.EndpointTest.
func (l *Live) EndpointTest(f notifier.Format, now time.Time, language, zone string) []byte {
	return l.Set().EndpointTest(f, now, language, zone)
}

// Speaks is Set.Speaks.
func (l *Live) Speaks(tag string) bool { return l.Set().Speaks(tag) }

// Pages are the pages of whichever set is in use.
func (l *Live) Pages() *LivePages { return &LivePages{l} }

// LivePages writes every page from the set in use. What pages load is not edited
// while the service runs, so it is the same for all of them.
type LivePages struct{ live *Live }

func (p *LivePages) pages() *Pages { return p.live.Set().Pages() }

// Page is Pages.Page.
func (p *LivePages) Page(w io.Writer, name, lang string, data any) error {
	return p.pages().Page(w, name, lang, data)
}

// Lang is Pages.Lang.
func (p *LivePages) Lang(lang string) string { return p.pages().Lang(lang) }

// Speaks is Pages.Speaks.
func (p *LivePages) Speaks(tag string) bool { return p.pages().Speaks(tag) }

// Feed is Pages.Feed.
func (p *LivePages) Feed(lang string, incidents []notifier.Incident, components []notifier.Component) (Feed, error) {
	return p.pages().Feed(lang, incidents, components)
}

// Glance is Pages.Glance.
func (p *LivePages) Glance(lang string, data Home) Glance { return p.pages().Glance(lang, data) }

// Consent is Pages.Consent.
func (p *LivePages) Consent(lang string, ch notifier.Channel) (language, words string) {
	return p.pages().Consent(lang, ch)
}

// Policy is Pages.Policy.
func (p *LivePages) Policy() string { return p.pages().Policy() }

// Style is Pages.Style.
func (p *LivePages) Style() Asset { return p.pages().Style() }

// Script is Pages.Script.
func (p *LivePages) Script() Asset { return p.pages().Script() }

// Icon is Pages.Icon.
func (p *LivePages) Icon() Asset { return p.pages().Icon() }

// Work is Pages.Work.
func (p *LivePages) Work() Asset { return p.pages().Work() }

// LiveRenderer makes messages from the set in use.
type LiveRenderer struct {
	live *Live
	now  atomic.Pointer[Renderer]
}

// Renderer makes one.
func (l *Live) Renderer() *LiveRenderer { return &LiveRenderer{live: l} }

// Render is Renderer.Render.
func (r *LiveRenderer) Render(ctx context.Context, d notifier.Delivery) (*notifier.Message, error) {
	set, now := r.live.Set(), r.now.Load()
	if now == nil || now.set != set {
		// Where several make one at once, all but one are lost, with what they kept.
		now = set.Renderer()
		r.now.Store(now)
	}
	return now.Render(ctx, d)
}
