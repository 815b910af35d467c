package templates

import (
	"regexp"
	"strconv"
	"strings"
)

// What Discord allows, in characters.
const (
	discordTitle       = 256
	discordDescription = 4_096
	discordName        = 256
	discordValue       = 1_024
	discordFooter      = 200 // of 2,048
	discordAll         = 6_000
)

// A message of Discord: one embed, in which nobody can be called.
type (
	discordMessage struct {
		Mentions discordMentions `json:"allowed_mentions"`
		Embeds   []discordEmbed  `json:"embeds"`
	}
	discordMentions struct {
		Parse []string `json:"parse"`
	}
	discordEmbed struct {
		Title       string         `json:"title"`
		URL         string         `json:"url,omitempty"`
		Description string         `json:"description,omitempty"`
		Color       int            `json:"color"`
		Timestamp   string         `json:"timestamp"`
		Fields      []discordField `json:"fields,omitempty"`
		Footer      discordText    `json:"footer"`
	}
	discordField struct {
		Name   string `json:"name"`
		Value  string `json:"value"`
		Inline bool   `json:"inline"`
	}
	discordText struct {
		Text string `json:"text"`
	}
)

var discordSigns = regexp.MustCompile("[\\\\*_~`|<>\\[\\]]")

func discordEscape(s string) string { return discordSigns.ReplaceAllString(unping(s), `\$0`) }

func discordDialect() dialect {
	return dialect{
		escape: discordEscape, start: escapeBeginning, bold: "**", italic: "*", strike: "~~", bullet: "- ", quote: "> ", newline: "\n",
		code:   func(s string) string { return "`" + unping(strings.ReplaceAll(s, "`", "'")) + "`" },
		fenced: func(s string) string { return "```\n" + unping(strings.ReplaceAll(s, "`", "'")) + "\n```" },
		link: func(label, address string) string {
			if to, ok := strings.CutPrefix(address, "mailto:"); ok { // it knows no links to mailboxes
				if label == "" {
					return discordEscape(to)
				}
				return label + " (" + discordEscape(to) + ")"
			}
			address = markdownAddress(address)
			if label == "" {
				return "<" + address + ">"
			}
			return "[" + label + "](" + address + ")"
		},
	}
}

// markdownAddress is an address that Markdown takes for one, to its end.
func markdownAddress(s string) string {
	return strings.NewReplacer("(", "%28", ")", "%29", "<", "%3C", ">", "%3E", " ", "%20", `\`, "%5C", "\n", "").Replace(s)
}

// discordBody is a message of Discord with at most so many characters of an update.
func discordBody(m chat, most int) any {
	d := discordDialect()
	e := discordEmbed{
		Title: fit(m.Title, discordTitle, discordEscape), URL: m.URL, Timestamp: milli(m.At), Footer: discordText{fit(m.Brand, discordFooter, unping)},
	}
	if n, err := strconv.ParseInt(strings.TrimPrefix(m.Colour, "#"), 16, 32); err == nil {
		e.Color = int(n)
	}
	all := units(e.Title) + units(e.Footer.Text)
	for _, f := range m.Facts {
		v := discordField{Name: fit(f.Label, discordName, discordEscape), Value: fit(f.Value, discordValue, discordEscape)}
		e.Fields = append(e.Fields, v)
		all += units(v.Name) + units(v.Value)
	}
	spare := min(discordDescription, discordAll-all)
	var parts []string
	add := func(s string) bool {
		n := units(s) + 2
		if s == "" || n > spare {
			return s == ""
		}
		spare -= n
		parts = append(parts, s)
		return true
	}
	older := discordEscape(m.Older)
	spare -= units(older) + units(m.Cut) + 20
	for _, l := range m.Leads {
		add(d.begin(fit(l, 500, discordEscape)))
	}
	for i, u := range m.Updates {
		head := ""
		if u.Head != "" {
			head = "**" + fit(u.Head, 100, discordEscape) + "**\n"
		}
		// An older one that has no room is left out; the newest gets what there is.
		body, cut := d.text(u.Body, max(0, min(most, spare-units(head)-2)))
		if cut && i > 0 {
			older = "*" + discordEscape(m.Cut) + "*"
			break
		}
		if cut {
			body += "\n*" + discordEscape(m.Cut) + "*"
			spare += units(m.Cut) + 20
		}
		if !add(strings.TrimSpace(head + body)) {
			break
		}
	}
	if older != "" {
		parts = append(parts, older)
	}
	e.Description = strings.Join(parts, "\n\n")
	return discordMessage{Mentions: discordMentions{Parse: []string{}}, Embeds: []discordEmbed{e}}
}
