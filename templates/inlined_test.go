package templates

import "testing"

func TestWhatIsStyledOnceLooksAsIfItWereStyledInItsColours(t *testing.T) {
	ready, err := embeddedMails()
	if err != nil {
		t.Fatal(err)
	}
	set := newSet(t)
	for _, brand := range []string{"", "#206040", "#ffdd00"} {
		colour, err := newAccent(brand)
		if err != nil {
			t.Fatal(err)
		}
		css, err := Source(nil, "mail/style.css")
		if err != nil {
			t.Fatal(err)
		}
		css = colour.fill(comments.ReplaceAllString(css, ""))
		for name := range ready {
			src, err := Source(nil, name)
			if err != nil {
				t.Fatal(err)
			}
			want, err := inline(name, src, css)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := set.dressed(name, src, css, colour); err != nil || got != want {
				t.Errorf("%s in %q: %v\n%s\nwant\n%s", name, brand, err, got, want)
			}
		}
	}
}
