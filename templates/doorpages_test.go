package templates

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"allclear/notifier"
)

// What an endpoint answers, what it is called and what was entered come from
// anybody; on the pages they are text and nothing else.
func TestPagesOfEndpointsAndPhonesShowWhateverComesAsText(t *testing.T) {
	s := newSet(t)
	for _, h := range append(hostile(), "</pre><script>alert(1)</script>", "\u202etxt.exe", "javascript:alert(1)") {
		all := Choices{
			Components: []notifier.Component{{Key: h, Name: h, Group: h}}, Cadences: []string{"instant"}, Wrong: []WrongField{{"address", "address"}, {h, "unknown"}},
			Entered: url.Values{"address": {h}, "contact": {h}, "timezone": {h}, "language": {h}, "quiet_from": {h}, "quiet_until": {h}, "components": {h}, "format": {h}, "types": {h}},
		}
		for name, data := range map[string]any{
			PageEndpoint: EndpointForm{Token: h, Choices: all},
			PageEndpointManage: EndpointPage{
				Path: "/manage/T", Leave: "/unsubscribe/T", URL: h, Contact: h, State: "active", Confirmed: true, Proven: true, Now: sampleAt(18, 30), Since: h, PauseUntil: h,
				Choices: all, Test: &notifier.Attempt{At: sampleAt(18, 29), Answer: h}, Secret: h, Token: h, Older: h,
				Attempts: []notifier.Attempt{{Delivery: notifier.MakeDeliveryID(1, 1), Type: notifier.EventType(h), Answer: h}, {Trouble: h}},
			},
			PageEndpointConfirm: ActionPage{To: h},
			PagePhone:           PhoneForm{Token: h, Choices: all},
			PagePhoneCode:       PhoneCode{Phone: h, Pass: h, Code: h, Wrong: "code"},
			PagePhoneManage:     PhonePage{Path: "/manage/T", Phone: h, State: "active", Now: sampleAt(18, 30), PauseUntil: h, Choices: all},
		} {
			z := html.NewTokenizer(strings.NewReader(page(t, s, name, "en", data)))
			for z.Next() != html.ErrorToken {
				tok := z.Token()
				if tok.Type != html.StartTagToken {
					continue
				}
				switch tok.Data {
				case "script":
					if len(tok.Attr) != 2 || !strings.HasPrefix(tok.Attr[0].Val, "/assets/allclear.js?v=") {
						t.Errorf("%s with %q: %s", name, h, tok)
					}
				case "style", "img", "iframe", "svg", "object":
					t.Errorf("%s with %q: %s", name, h, tok)
				}
				for _, a := range tok.Attr {
					if a.Key == "style" || strings.HasPrefix(a.Key, "on") || (a.Key == "href" || a.Key == "action") && strings.HasPrefix(strings.ToLower(a.Val), "javascript:") {
						t.Errorf("%s with %q: %s", name, h, tok)
					}
				}
			}
		}
	}
}

func TestThePageOfAnEndpointSaysHowItStands(t *testing.T) {
	s := newSet(t)
	at := sampleAt(17, 0)
	for _, c := range []struct {
		page EndpointPage
		want []string
		not  []string
	}{
		{EndpointPage{State: "pending"}, []string{"waits for its contact"}, []string{"Send a test", ">Save<", "Make a new secret"}},
		{EndpointPage{State: "pending", Confirmed: true}, []string{"One step is left", "Send a test", ">Save<"}, []string{"Make a new secret", "Pause"}},
		{EndpointPage{State: "active", Confirmed: true, Proven: true}, []string{"called as chosen", "Show the secret", "Make a new secret", ">Pause<", "For 24 hours"}, []string{"have failed"}},
		{EndpointPage{State: "active", Confirmed: true, Proven: true, Shown: true, Failing: at}, []string{"have failed since Mon 23 Nov 2026, 17:00 UTC"}, []string{"Show the secret"}},
		{EndpointPage{State: "paused", Confirmed: true, Proven: true, Until: at}, []string{"paused until Mon 23 Nov", "Resume"}, []string{"Send all of it again"}},
		{EndpointPage{State: "paused", Confirmed: true, Proven: true}, []string{"until you resume it"}, nil},
		{EndpointPage{State: "quarantined", Confirmed: true, Proven: true, Off: "gone", OffAt: at}, []string{"(410)", "Send a test", "17:00 UTC"}, []string{">Pause<", "Send all of it again"}},
		{EndpointPage{State: "quarantined", Confirmed: true, Off: "failing", OffAt: at}, []string{"after 5 days"}, nil},
		{EndpointPage{State: "quarantined", Confirmed: true, Off: "staff"}, []string{"Our staff"}, nil},
		{EndpointPage{State: "quarantined", Confirmed: true}, []string{"It is switched off."}, nil},
		{EndpointPage{State: "unsubscribed", Confirmed: true, Proven: true}, []string{"has been removed"}, []string{"Send a test", ">Save<", "Make a new secret"}},
		{EndpointPage{State: "active", Confirmed: true, Proven: true, Olds: []time.Time{sampleAt(19, 0)}}, []string{"still signs as well", `name="again"`, `name="mark" value="` + EndpointMark([]time.Time{sampleAt(19, 0)})}, []string{"For 24 hours"}},
		{EndpointPage{State: "active", Confirmed: true, Proven: true, Olds: []time.Time{at}}, []string{"For 24 hours"}, []string{"still signs", `name="again"`}},
		{EndpointPage{State: "active", Confirmed: true, Proven: true, Done: "recovered", Count: 3}, []string{"<title>3 messages are sent again"}, nil},
		{EndpointPage{State: "active", Confirmed: true, Proven: true, Done: "imagined"}, []string{"<title>Your endpoint"}, nil},
	} {
		c.page.Path, c.page.Now = "/manage/T", sampleAt(18, 30)
		got := page(t, s, PageEndpointManage, "en", c.page)
		contains(t, got, c.want...)
		lacks(t, got, c.not...)
	}
}

func TestPagesOfDoorsWorkBelowAPath(t *testing.T) {
	s := newSet(t, func(o *Options) { o.BaseURL = "https://example.com/status/" })
	contains(t, page(t, s, PageEndpoint, "en", samplePage(PageEndpoint)), `action="/status/endpoints"`, `href="/status/api/docs#webhooks"`)
	contains(t, page(t, s, PagePhone, "en", samplePage(PagePhone)), `action="/status/phone"`)
	contains(t, page(t, s, PagePhoneCode, "en", samplePage(PagePhoneCode)), `action="/status/phone/code"`, `href="/status/phone"`)
	contains(t, page(t, s, PageEndpointConfirmed, "en", samplePage(PageEndpointConfirmed)), `href="/status/manage/TOKEN"`)
	manage := page(t, s, PageEndpointManage, "en", samplePage(PageEndpointManage))
	contains(t, manage, `action="/status/manage/TOKEN"`, `href="/status/unsubscribe/TOKEN"`, `href="/status/manage/TOKEN?attempts=CURSOR#attempts"`)
	contains(t, page(t, s, PageSubscribe, "en", samplePage(PageSubscribe)), `href="/status/endpoints"`, `href="/status/phone"`)
}

func TestConsentIsInTheWordsOfItsChannel(t *testing.T) {
	p := newSet(t).Pages()
	seen := map[string]bool{}
	for _, ch := range []notifier.Channel{notifier.Email, notifier.Webhook, notifier.SMS} {
		lang, words := p.Consent("de-CH", ch)
		if lang != "de" || seen[words] || !strings.Contains(words, "Example Status") {
			t.Errorf("%s: %s %q", ch, lang, words)
		}
		seen[words] = true
	}
}

func TestAPhoneThatIsPausedSaysUntilWhen(t *testing.T) {
	got := page(t, newSet(t), PagePhoneManage, "en", PhonePage{Path: "/manage/T", State: "paused", Until: sampleAt(18, 30).Add(24 * time.Hour), Now: sampleAt(18, 30)})
	contains(t, got, "paused until Tue 24 Nov 2026, 18:30 UTC", "Resume text messages")
}
