package templates

import (
	"strings"
	"testing"

	"allclear/notifier"
)

// The lines at the end of a mail that goes to somebody's second address.
func TestAMailToASecondAddressSaysWhoseItIsInEveryLanguage(t *testing.T) {
	s := newSet(t)
	for _, lang := range s.Languages() {
		l, err := s.letter(story("incident-opened"), circumstances{view: viewNamed("incident-opened"), times: s.Times(lang, "UTC"), first: "a…@example.com"}, "golden")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "incident-opened.second."+lang+".txt", "Subject: "+l.Subject+"\n\n"+l.Text)
		if strings.Contains(l.HTML, s.languages.find(lang).must("why", "brand", "Example Status")) || !strings.Contains(l.Text, "a…@example.com") {
			t.Errorf("%s: it reads as one to somebody who follows by themselves", lang)
		}
	}
}

func TestSecondAddressesShareALetterWhereTheirFirstsLookAlike(t *testing.T) {
	r, _, _ := newRenderer(t, story("incident-opened"))
	render := func(reader int64, first string) *notifier.Letter {
		d := delivery(7, reader)
		d.First = first
		m, err := r.Render(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		return m.Letter
	}
	ann, alf, bob, own := render(1, "a…@example.com"), render(2, "a…@example.com"), render(3, "b…@example.com"), render(4, "")
	if ann != alf || ann == bob || ann == own || ann.Key == bob.Key || ann.Key == own.Key {
		t.Errorf("%q, %q, %q, %q", ann.Key, alf.Key, bob.Key, own.Key)
	}
}
