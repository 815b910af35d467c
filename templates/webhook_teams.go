package templates

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A message of Teams, as a workflow that waits for a webhook takes it: one
// adaptive card as an attachment.
type (
	teamsMessage struct {
		Type        string            `json:"type"`
		Summary     string            `json:"summary"`
		Attachments []teamsAttachment `json:"attachments"`
	}
	teamsAttachment struct {
		Type    string    `json:"contentType"`
		URL     *string   `json:"contentUrl"`
		Content teamsCard `json:"content"`
	}
	teamsCard struct {
		Schema  string         `json:"$schema"`
		Type    string         `json:"type"`
		Version string         `json:"version"`
		RTL     bool           `json:"rtl,omitempty"`
		Body    []teamsElement `json:"body"`
		Actions []teamsAction  `json:"actions,omitempty"`
		Teams   teamsOwn       `json:"msteams"`
	}
	teamsOwn struct {
		Width    string   `json:"width"`
		Entities []string `json:"entities"` // the calls that a card makes: none
	}
	teamsElement struct {
		Type      string      `json:"type"`
		Text      string      `json:"text,omitempty"`
		Wrap      bool        `json:"wrap,omitempty"`
		Size      string      `json:"size,omitempty"`
		Weight    string      `json:"weight,omitempty"`
		Color     string      `json:"color,omitempty"`
		Style     string      `json:"style,omitempty"`
		FontType  string      `json:"fontType,omitempty"`
		IsSubtle  bool        `json:"isSubtle,omitempty"`
		Separator bool        `json:"separator,omitempty"`
		Spacing   string      `json:"spacing,omitempty"`
		Facts     []teamsFact `json:"facts,omitempty"`
	}
	teamsFact struct {
		Title string `json:"title"`
		Value string `json:"value"`
	}
	teamsAction struct {
		Type  string `json:"type"`
		Title string `json:"title"`
		URL   string `json:"url"`
	}
)

// teamsSigns are those that Markdown gives a meaning within a line.
var teamsSigns = regexp.MustCompile("[\\\\*`~<\\[\\]_]")

// teamsEscape leaves an underscore within a word alone: it means nothing there,
// and some of its programs show what stands before it.
func teamsEscape(s string) string {
	s = unping(s)
	return replaceAt(teamsSigns, s, func(at int, sign string) string {
		if sign == "_" && inWord(s, at) {
			return sign
		}
		return `\` + sign
	})
}

// replaceAt replaces what re finds by what change says of it and its place.
func replaceAt(re *regexp.Regexp, s string, change func(at int, found string) string) string {
	var out strings.Builder
	end := 0
	for _, m := range re.FindAllStringIndex(s, -1) {
		out.WriteString(s[end:m[0]])
		out.WriteString(change(m[0], s[m[0]:m[1]]))
		end = m[1]
	}
	out.WriteString(s[end:])
	return out.String()
}

// inWord reports whether letters or digits stand on both sides of the byte at.
func inWord(s string, at int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:at])
	after, _ := utf8.DecodeRuneInString(s[at+1:])
	letter := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	return letter(before) && letter(after)
}

func teamsDialect() dialect {
	return dialect{
		escape: teamsEscape, start: escapeBeginning, bold: "**", italic: "_", bullet: "- ", newline: "\n\n",
		code:   teamsEscape,
		fenced: func(s string) string { return strings.ReplaceAll(teamsEscape(s), "\n", "\n\n") },
		link: func(label, address string) string {
			if label == "" {
				label = teamsEscape(strings.TrimPrefix(address, "mailto:"))
			}
			return "[" + label + "](" + markdownAddress(address) + ")"
		},
	}
}

func teamsColour(tone string) string {
	switch tone {
	case toneOK:
		return "good"
	case toneMinor:
		return "warning"
	case toneMajor, toneCritical:
		return "attention"
	case tonePlan:
		return "accent"
	}
	return "default"
}

// teamsBody is a message of Teams with at most so many characters of an update.
func teamsBody(m chat, most int) any {
	d := teamsDialect()
	card := teamsCard{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.5", RTL: m.RTL,
		Teams: teamsOwn{Width: "Full", Entities: []string{}},
	}
	add := func(e teamsElement) {
		e.Wrap = e.Type == "TextBlock"
		card.Body = append(card.Body, e)
	}
	add(teamsElement{Type: "TextBlock", Text: d.begin(teamsEscape(m.Brand)), IsSubtle: true, Size: "small"})
	add(teamsElement{Type: "TextBlock", Text: d.begin(teamsEscape(m.Title)), Size: "large", Weight: "bolder", Color: teamsColour(m.Tone), Style: "heading", Spacing: "none"})
	for _, l := range m.Leads {
		add(teamsElement{Type: "TextBlock", Text: d.begin(teamsEscape(l))})
	}
	for _, u := range m.Updates {
		if u.Head != "" {
			add(teamsElement{Type: "TextBlock", Text: d.begin(teamsEscape(u.Head)), Weight: "bolder", Separator: true})
		}
		blocks := d.blocks(u.Body)
		if body, cut := d.text(u.Body, most); cut {
			blocks = append(strings.Split(body, "\n\n"), "_"+teamsEscape(m.Cut)+"_")
		}
		for _, b := range blocks {
			add(teamsElement{Type: "TextBlock", Text: b})
		}
	}
	if m.Older != "" {
		add(teamsElement{Type: "TextBlock", Text: teamsEscape(m.Older), IsSubtle: true})
	}
	if len(m.Facts) > 0 {
		e := teamsElement{Type: "FactSet", Separator: true}
		for _, f := range m.Facts {
			e.Facts = append(e.Facts, teamsFact{teamsEscape(f.Label), teamsEscape(f.Value)})
		}
		add(e)
	}
	if m.URL != "" {
		card.Actions = []teamsAction{{Type: "Action.OpenUrl", Title: m.Follow, URL: m.URL}}
	}
	return teamsMessage{Type: "message", Summary: unping(m.Brand + ": " + m.Title), Attachments: []teamsAttachment{{Type: "application/vnd.microsoft.card.adaptive", Content: card}}}
}
