package templates

import (
	"bytes"
	"html"
	"net/url"
	"testing"

	"pgregory.net/rapid"
)

func TestAStepFromACopyIsThePageThatItsTemplateMakes(t *testing.T) {
	p := newSet(t).Pages()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zA-Z0-9<>"'&+ é{}=/]{0,20}`)
		step := SubscribeStep{
			Link: rapid.Bool().Draw(t, "link"), Token: text.Draw(t, "token"), Wrong: rapid.Bool().Draw(t, "wrong"), Bits: rapid.IntRange(16, 18).Draw(t, "bits"),
			Entered: url.Values{},
		}
		if rapid.Bool().Draw(t, "asks") {
			step.Challenge, step.Code = "c"+text.Draw(t, "challenge"), text.Draw(t, "code")
		}
		for _, name := range []string{"address", "components", "severity", "timezone"} {
			for range rapid.IntRange(0, 3).Draw(t, name) {
				step.Entered.Add(name, text.Draw(t, "value"))
			}
		}
		cat := p.set.languages.find(rapid.SampledFrom([]string{"en", "ar", "ja"}).Draw(t, "lang"))
		var copied, made bytes.Buffer
		if err := p.Page(&copied, PageSubscribeStep, cat.code, step); err != nil {
			t.Fatal(err)
		}
		if err := p.views[PageSubscribeStep].ExecuteTemplate(&made, "layout", p.subscribeStep(p.frame(cat), cat, step)); err != nil {
			t.Fatal(err)
		}
		if html.UnescapeString(copied.String()) != html.UnescapeString(made.String()) {
			t.Fatalf("from the copy:\n%s\nfrom the template:\n%s", copied.String(), made.String())
		}
	})
}

func TestWhatSomebodyEnteredIsTextInACopyToo(t *testing.T) {
	p := newSet(t).Pages()
	for range 2 { // when it is made, and from then on
		var page bytes.Buffer
		if err := p.Page(&page, PageSubscribeStep, "en", SubscribeStep{Token: `"><script>alert(1)</script>`, Entered: url.Values{"address": {`'"><img src=x>`}}}); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(page.Bytes(), []byte("<script>alert")) || bytes.Contains(page.Bytes(), []byte("<img src=x>")) {
			t.Fatalf("%s", page.String())
		}
	}
}
