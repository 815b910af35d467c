package templates

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

// Home is the public page: what is going on and what was said, newest first.
type Home struct {
	Incidents  []notifier.Incident // a page of published ones with their updates, newest first
	Open       []notifier.Incident // those still going on, where they may not all be in Incidents; nil: look there
	Components []notifier.Component
	Followers  int64
	Older      string         // path and query of the next page; "" at the end
	Subscribe  *SubscribeForm // nil shows none
}

// IncidentPage is one announcement with everything said about it.
type IncidentPage struct {
	Incident   notifier.Incident // with its updates
	Components []notifier.Component
	Subscribe  *SubscribeForm // to follow this one only; nil shows none
}

// ActionPage is a page with one button or none: what became of a sign-up, a
// confirmation or a goodbye, and those around a subscription that stand alone.
// The button posts to the page's own address.
type ActionPage struct {
	Open     []notifier.Incident // confirmed: what is going on right now, which nobody mailed the reader about
	Only     string              // confirm and those around it: the title of the one incident that is followed; "" is everything
	From, To string              // manage-move: the addresses, From only where it is shown to its own reader; unsubscribe, of a group: To
	Group    bool                // unsubscribe, unsubscribed: of an address that many read; whoever looks is its owner
	Undo     string              // unsubscribed: where leaving is taken back; "" where it cannot be
	Ask      bool                // unsubscribed: a reason may be given
	Thanks   bool                // unsubscribed: one was
	Second   bool                // confirm, confirmed: a second address is meant
	Domain   string              // confirmed, with Manage: whose mail may be down
	Manage   string              // confirmed: where a second address is named; endpoint-confirmed, phone-done: of the page where everything is seen and changed; manage-erase: back to it; "" shows none
}

// MessageKind is what a MessagePage says where it is given no words of its own.
type MessageKind string

// The kinds of message.
const (
	MessageNotFound    MessageKind = "not-found"
	MessageLinkInvalid MessageKind = "link-invalid"
	MessageLinkExpired MessageKind = "link-expired"
	MessageGone        MessageKind = "gone"       // what a link was about is erased
	MessageUnreadable  MessageKind = "unreadable" // no form of ours
	MessageForeign     MessageKind = "foreign"    // another site's form
	MessageMethod      MessageKind = "method"
	MessageLarge       MessageKind = "large"
	MessageUnavailable MessageKind = "unavailable"
	MessageError       MessageKind = "error"
)

func messageKinds() []MessageKind {
	return []MessageKind{
		MessageNotFound, MessageLinkInvalid, MessageLinkExpired, MessageGone, MessageUnreadable, MessageForeign, MessageMethod, MessageLarge,
		MessageUnavailable, MessageError,
	}
}

// MessagePage says why something did not work and what to do. Words that are
// given take the place of the kind's.
type MessagePage struct {
	Kind     MessageKind // "" is MessageError
	Title    string
	Sentence string
	Advice   string
}

// Asset is a file that pages load.
type Asset struct {
	Path string // below the public address: /assets/allclear.css
	Type string // media type
	Hash string // of the body; pages ask for Path?v=Hash, so that answer may be kept for ever
	Body []byte
}

// Pages renders the public pages.
type Pages struct {
	set   *Set
	views map[string]*template.Template
	style Asset
	code  Asset
	icon  Asset
	work  Asset
	steps stepCopies
}

// Pages is the public pages of the set.
func (s *Set) Pages() *Pages { return s.pages }

func loadPages(s *Set, colour accent) (*Pages, error) {
	p := &Pages{set: s, views: map[string]*template.Template{}, steps: stepCopies{kept: lru[stepKey, stepCopy]{max: keptSteps}}}
	css, err := s.files.read("asset/allclear.css")
	if err != nil {
		return nil, err
	}
	if s.brand.Color != "" {
		css += colour.properties()
	}
	p.style = newAsset("allclear.css", "text/css; charset=utf-8", css)
	js, err := s.files.read("asset/allclear.js")
	if err != nil {
		return nil, err
	}
	p.code = newAsset("allclear.js", "text/javascript; charset=utf-8", js)
	icon, err := s.files.read("asset/icon.svg")
	if err != nil {
		return nil, err
	}
	work, err := s.files.read("asset/work.js")
	if err != nil {
		return nil, err
	}
	p.work = newAsset("work.js", "text/javascript; charset=utf-8", work)
	p.icon = Asset{Path: "/favicon.ico", Type: "image/svg+xml", Body: []byte(icon)}
	shared, err := s.parse(nil, "page/layout.html", "layout", nil)
	if err != nil {
		return nil, err
	}
	for _, name := range s.files.names("page/partials/") {
		if _, err := s.parse(shared, name, strings.TrimSuffix(path.Base(name), ".html"), nil); err != nil {
			return nil, err
		}
	}
	for _, name := range pageNames() {
		own, err := shared.Clone()
		if err != nil {
			return nil, trouble(err)
		}
		if _, err := s.parse(own, "page/"+name+".html", "content", nil); err != nil {
			return nil, err
		}
		p.views[name] = own
	}
	return p, nil
}

func newAsset(name, kind, body string) Asset {
	sum := sha256.Sum256([]byte(body))
	return Asset{Path: "/assets/" + name, Type: kind, Hash: hex.EncodeToString(sum[:8]), Body: []byte(body)}
}

// Style is the style sheet that every page loads.
func (p *Pages) Style() Asset { return p.style }

// Script is what every page loads to show times in the visitor's zone; all works without.
func (p *Pages) Script() Asset { return p.code }

// Policy is the Content-Security-Policy under which the pages work: what they
// load comes from here, but for the brand's picture, and nothing stands inline.
func (p *Pages) Policy() string {
	pictures := "'self'"
	if p.set.logo != "" {
		pictures += " " + p.set.logo
	}
	return "default-src 'none'; style-src 'self'; script-src 'self'; img-src " + pictures + "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}

// Icon is what browsers ask for by themselves; it has no hash.
func (p *Pages) Icon() Asset { return p.icon }

// Page writes the page of a name (PageHome and so on) with its data: Home,
// History, IncidentPage, SubscribeForm, SubscribeStep, ActionPage, ManagePage,
// EndpointForm, EndpointPage, PhoneForm, PhoneCode, PhonePage, LinkPage or MessagePage. lang is a language or the whole
// Accept-Language header; "" is the service's. Nothing is written on an error.
func (p *Pages) Page(w io.Writer, name, lang string, data any) error {
	return p.surely(w, name, lang, data, p.set.now())
}

// Lang is the language that Page would choose for lang, for Content-Language.
func (p *Pages) Lang(lang string) string { return p.set.languages.find(lang).code }

// Speaks reports whether there are texts for a language tag.
func (p *Pages) Speaks(tag string) bool { return p.set.Speaks(tag) }

// frame is what every page has.
type frame struct {
	Words
	Brand   Brand
	Title   string
	Home    string
	Style   string
	Script  string
	Private bool // not for search engines
	Feeds   []feedLink
}

func (p *Pages) render(w io.Writer, name, lang string, data any, now time.Time) error {
	view := p.views[name]
	if view == nil {
		return fmt.Errorf("templates: there is no page %q", name)
	}
	cat := p.set.languages.find(lang)
	if step, ok := data.(SubscribeStep); ok && name == PageSubscribeStep {
		return p.writeStep(w, cat, step)
	}
	if name == PageSubscribeBusy {
		return p.writeBusy(w, cat)
	}
	model, err := p.model(name, cat, data, now)
	if err != nil {
		return err
	}
	var out bounded
	if err := view.ExecuteTemplate(&out, "layout", model); err != nil {
		if errors.Is(err, errTooMuch) {
			return fmt.Errorf("templates: page/%s.html: %w", name, err)
		}
		return trouble(err)
	}
	if _, err := out.WriteTo(w); err != nil {
		return fmt.Errorf("write page %s: %w", name, err)
	}
	return nil
}

// frame is what every page of a language begins from.
func (p *Pages) frame(cat *catalogue) frame {
	s := p.set
	return frame{
		Words: Words{cat}, Brand: s.brand, Home: s.root + "/", Title: cat.isolate(s.brand.Name), Private: true, // in titles, which no tag can part
		Style: s.root + p.style.Path + "?v=" + p.style.Hash, Script: s.root + p.code.Path + "?v=" + p.code.Hash,
		Feeds: p.feeds(cat),
	}
}

func (p *Pages) model(name string, cat *catalogue, data any, now time.Time) (any, error) {
	s := p.set
	f := p.frame(cat)
	brand := f.Title
	times := Times{cat: cat, zone: s.zone}
	switch data := data.(type) {
	case Home:
		f.Private = false
		return p.home(f, times, data, now)
	case History:
		f.Private = false
		return p.history(f, times, data, now)
	case IncidentPage:
		a, err := p.article(data.Incident, names(data.Components), times, now)
		f.Private, f.Title = false, cat.isolate(a.Title)+" · "+brand
		if data.Incident.Kind != notifier.KindPost || data.Incident.State == notifier.Retracted {
			f.Title = a.State + ": " + f.Title
		}
		return struct {
			frame
			Article   article
			Subscribe *subscribeBox
		}{f, a, p.box(cat, data.Subscribe)}, err
	case SubscribeForm:
		return p.subscribePage(f, cat, data), nil
	case SubscribeStep:
		return p.subscribeStep(f, cat, data), nil
	case EndpointForm:
		return p.endpointForm(f, cat, data), nil
	case EndpointPage:
		return p.endpointManage(f, data), nil
	case PhoneForm:
		return p.phoneForm(f, cat, data), nil
	case PhoneCode:
		return p.phoneCode(f, cat, data), nil
	case PhonePage:
		return p.phoneManage(f, data), nil
	case ActionPage:
		if !slices.Contains(actionPages(), name) {
			break
		}
		title := "page." + name + ".title"
		if data.Group && name == PageUnsubscribed {
			title += "-group"
		}
		f.Title = cat.must(title, "brand", s.brand.Name) + " · " + brand
		var open []article
		for _, i := range data.Open {
			i.Updates = nil // the title and the state will do here
			a, err := p.article(i, nil, times, now)
			if err != nil {
				return nil, err
			}
			open = append(open, a)
		}
		data.Manage = rooted(s.root, data.Manage)
		return struct {
			frame
			ActionPage
			Open      []article
			Subscribe string
		}{f, data, open, s.root + "/subscribe"}, nil
	case ManagePage:
		m := p.manage(f, data)
		m.Tongues = p.tongues(data.Language)
		return m, nil
	case LinkPage:
		heading := cat.must("page.link.title")
		if data.Expired {
			heading = cat.must("page.link.expired")
		}
		if data.Wrong {
			heading = cat.must("page.subscribe.wrong.title")
		}
		f.Title = heading + " · " + brand
		return struct {
			frame
			LinkPage
			Heading string
		}{f, data, heading}, nil
	case MessagePage:
		kind := data.Kind
		if !slices.Contains(messageKinds(), kind) {
			kind = MessageError
		}
		say := func(given, part string) string {
			if given != "" {
				return given
			}
			return cat.must("page.message." + string(kind) + "." + part)
		}
		f.Title = say(data.Title, "title")
		return struct {
			frame
			Sentence, Advice string
		}{f, say(data.Sentence, "text"), say(data.Advice, "next")}, nil
	}
	return nil, fmt.Errorf("templates: page %s cannot show a %T", name, data)
}

// try renders every page in every language.
func (p *Pages) try() error {
	for _, cat := range p.set.languages.all {
		for _, name := range pageNames() {
			if err := p.render(io.Discard, name, cat.code, samplePage(name), sampleAt(18, 30)); err != nil {
				return err
			}
		}
		if err := p.render(io.Discard, PageHome, cat.code, Home{}, sampleAt(18, 30)); err != nil {
			return err
		}
		if _, err := p.Feed(cat.code, []notifier.Incident{sampleIncident(notifier.IncidentResolved)}, nil); err != nil {
			return err
		}
	}
	return nil
}
