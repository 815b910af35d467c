package templates

import (
	"strings"
	"testing"

	"allclear/notifier"
)

func TestMailsAboutAnEndpointNameItsHostAndNoMoreOfIt(t *testing.T) {
	s := newSet(t)
	for _, lang := range s.Languages() {
		for view, path := range map[string]string{"endpoint-confirm": "/confirm/", "endpoint-link": "/manage/", "endpoint-disabled": "/manage/"} {
			tale := story(view)
			tale.Endpoint.Host = `hooks.example.com:8443/T0/B0/secret?"><b>Click</b> here`
			v, _ := viewOf(tale)
			l, err := s.letter(tale, circumstances{view: v, times: s.Times(lang, "UTC")}, "test")
			if err != nil {
				t.Fatal(err)
			}
			if v.name != view || len(l.Blanks) != 1 || l.ListUnsubscribe != "" || !strings.Contains(l.Text, "https://status.example.com"+path+l.Blanks[0].Mark) {
				t.Errorf("%s: %+v", view, l)
			}
			contains(t, l.Text, "hooks.example.com:8443")
			lacks(t, l.HTML, "t0/b0", "T0/B0", "secret", "<b>", "Click")
			if n := strings.Count(l.HTML, "href="); n != 2 { // the brand's own and the button
				t.Errorf("%s: %d links", view, n)
			}
		}
	}
}

func TestALongHostShowsWhoseItIs(t *testing.T) {
	host := strings.Repeat("a.", 110) + "evil.example"
	if got := shownHost(host); len([]rune(got)) != hostSize+1 || !strings.HasSuffix(got, ".evil.example") || !strings.HasPrefix(got, "…") {
		t.Errorf("%q", got)
	}
}

func TestAnEndpointIsToldWhyItIsSwitchedOff(t *testing.T) {
	s := newSet(t)
	for why, want := range map[string]string{"gone": "It answered that it is gone for good (410).", "failing": "Every post to it has failed since Wed 18 Nov 2026, 18:20 UTC.", "staff": "Our staff switched it off.", "": ""} {
		tale := story("endpoint-disabled")
		tale.Endpoint.DisabledWhy = why
		l := told(t, s, tale, 7, 0)
		text := strings.Join(strings.Fields(l.Text), " ")
		contains(t, text, want, "Switched off: Mon 23 Nov 2026, 18:25 UTC.")
	}
	tale := story("endpoint-disabled")
	tale.Endpoint = notifier.EndpointNews{Host: "hooks.example.com", DisabledWhy: "failing"}
	l := told(t, s, tale, 7, 0)
	contains(t, l.Text, "failed for days")
	lacks(t, l.Text, "Switched off:")
}

func TestWhatTwoEndpointsAreToldIsNotMixedUp(t *testing.T) {
	one, two, plain := story("endpoint-confirm"), story("endpoint-confirm"), story("confirm")
	two.Event.Number, two.Endpoint.Host = 8, "other.example.com"
	plain.Event.Number = 9
	r, _, _ := newRenderer(t, one, two, plain)
	a, b, c := render(t, r, delivery(7, 1)).Letter, render(t, r, delivery(8, 2)).Letter, render(t, r, delivery(9, 3)).Letter
	contains(t, a.Text, "hooks.example.com")
	contains(t, b.Text, "other.example.com")
	lacks(t, c.Text, "endpoint")
	if again := render(t, r, delivery(8, 2)).Letter; again.HTML != b.HTML || again.Key != "" {
		t.Errorf("%+v", again)
	}
}
