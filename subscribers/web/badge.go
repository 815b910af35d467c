package web

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"unicode/utf8"

	"allclear/templates"
)

// tint is the look's colour of a state on light ground; white on any of them is
// 5.7:1 or more. The word beside it says the same.
func tint(tone string) string {
	switch tone {
	case "ok":
		return "#14713d"
	case "minor":
		return "#8a5a00"
	case "major":
		return "#b3390c"
	case "critical":
		return "#a3123a"
	case "plan":
		return "#2b58a8"
	}
	return "#565d66"
}

// badgeView has no styles, which the policy would forbid where the badge is
// looked at by itself. The texts are fitted into their fields, whatever font
// the reader's machine has.
var badgeView = template.Must(template.New("badge").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="20" role="img" aria-label="{{.Brand}}: {{.Left}}, {{.Right}}" xml:lang="{{.Lang}}" direction="{{.Dir}}">
<title>{{.Brand}}: {{.Left}}, {{.Right}}</title>
<clipPath id="r"><rect width="{{.Width}}" height="20" rx="4"/></clipPath>
<g clip-path="url(#r)"><rect width="{{.Split}}" height="20" fill="{{.Tint}}"/><rect x="{{.Split}}" width="{{.Rest}}" height="20" fill="#1b1f23"/></g>
<g fill="#fff" font-family="system-ui,Verdana,sans-serif" font-size="11" text-anchor="middle" aria-hidden="true"><text x="{{.LeftAt}}" y="14" textLength="{{.LeftLong}}" lengthAdjust="spacingAndGlyphs">{{.Left}}</text><text x="{{.RightAt}}" y="14" textLength="{{.RightLong}}" lengthAdjust="spacingAndGlyphs">{{.Right}}</text></g>
</svg>
`))

type badgeModel struct {
	Lang, Dir, Brand, Left, Right, Tint  string
	Width, Split, Rest                   int
	LeftAt, RightAt, LeftLong, RightLong int
}

// badge is the state and the number of followers, for other pages to show.
func (s *site) badge(r *http.Request) (answer, error) {
	return s.forPrograms(r, "badge", func(ctx context.Context, lang string) (leaf, error) {
		home, err := s.state(ctx)
		if err != nil {
			return leaf{}, err
		}
		return drawBadge(s.pages.Glance(lang, home))
	})
}

func drawBadge(g templates.Glance) (leaf, error) {
	const pad = 8
	m := badgeModel{Lang: g.Lang, Dir: g.Dir, Brand: g.Brand, Left: g.Headline, Right: g.Followers, Tint: tint(g.Tone)}
	m.LeftLong, m.RightLong = width(m.Left), width(m.Right)
	m.Split, m.Rest = m.LeftLong+2*pad, m.RightLong+2*pad
	m.Width, m.LeftAt, m.RightAt = m.Split+m.Rest, m.Split/2, m.Split+m.Rest/2
	var body bytes.Buffer
	if err := badgeView.Execute(&body, m); err != nil {
		return leaf{}, fmt.Errorf("draw the badge: %w", err)
	}
	l := newLeaf(body.Bytes(), "image/svg+xml; charset=utf-8")
	l.lang = g.Lang
	return l, nil
}

// width guesses how wide a text is in 11 pixels: wide signs are square.
func width(text string) int {
	tenths := 0
	for _, r := range text {
		switch {
		case r >= 0x2e80:
			tenths += 110
		case r == ' ' || r == ',' || r == '.' || r == 'i' || r == 'l' || r == 't' || r == 'f':
			tenths += 37
		default:
			tenths += 64
		}
	}
	return max(tenths/10, utf8.RuneCountInString(text))
}
