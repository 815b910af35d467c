package templates

import "strings"

// What Slack allows, in characters.
const (
	slackHeader  = 150
	slackSection = 3_000
	slackField   = 2_000
	slackFields  = 10
)

// A message of Slack: blocks, and a text for where they do not show.
type (
	slackMessage struct {
		Text        string       `json:"text"`
		UnfurlLinks bool         `json:"unfurl_links"`
		UnfurlMedia bool         `json:"unfurl_media"`
		Blocks      []slackBlock `json:"blocks"`
	}
	slackBlock struct {
		Type     string      `json:"type"`
		Text     *slackText  `json:"text,omitempty"`
		Fields   []slackText `json:"fields,omitempty"`
		Elements []slackText `json:"elements,omitempty"`
	}
	slackText struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		Emoji    *bool  `json:"emoji,omitempty"`
		Verbatim bool   `json:"verbatim,omitempty"` // what looks like a call or a channel is none
	}
)

// slackEscapes is what Slack's text has signs for, and calls and links begin with.
var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func slackEscape(s string) string { return slackEscapes.Replace(unping(s)) }

func slackDialect() dialect {
	ticks := strings.NewReplacer("`", "'")
	return dialect{
		escape: slackEscape, bold: "*", italic: "_", strike: "~", bullet: "• ", quote: "&gt; ", newline: "\n",
		code:   func(s string) string { return "`" + slackEscape(ticks.Replace(s)) + "`" },
		fenced: func(s string) string { return "```\n" + slackEscape(ticks.Replace(s)) + "\n```" },
		link: func(label, address string) string {
			address = slackAddress(address)
			if label == "" {
				return "<" + address + ">"
			}
			return "<" + address + "|" + strings.NewReplacer("\n", " ", "|", "¦").Replace(label) + ">"
		},
	}
}

// slackAddress is an address within a link's brackets.
func slackAddress(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C", " ", "%20", "\n", "").Replace(s)
}

// slackBody is a message of Slack with at most so many characters of an update.
func slackBody(m chat, most int) any {
	d := slackDialect()
	words := func(s string) *slackText { return &slackText{Type: "mrkdwn", Text: s, Verbatim: true} }
	off := false
	out := slackMessage{
		Text: fit(m.Brand+": "+m.Title, slackSection, slackEscape),
		Blocks: []slackBlock{{
			Type: "header", Text: &slackText{Type: "plain_text", Text: fit(m.Title, slackHeader, slackEscape), Emoji: &off},
		}},
	}
	section := func(s string) { out.Blocks = append(out.Blocks, slackBlock{Type: "section", Text: words(s)}) }
	if len(m.Leads) > 0 {
		section(fit(strings.Join(m.Leads, "\n"), slackSection, slackEscape))
	}
	link := "<" + slackAddress(m.URL) + "|" + slackEscape(m.Follow) + ">"
	for _, u := range m.Updates {
		body, cut := d.text(u.Body, min(most, slackSection-200))
		if cut {
			body += "\n_" + slackEscape(m.Cut) + "_"
		}
		if u.Head != "" {
			body = strings.TrimSpace("*" + fit(u.Head, 100, slackEscape) + "*\n" + body)
		}
		if body != "" {
			section(body)
		}
	}
	var fields []slackText
	for _, f := range m.Facts[:min(len(m.Facts), slackFields)] {
		fields = append(fields, *words("*" + slackEscape(f.Label) + "*\n" + fit(f.Value, slackField-100, slackEscape)))
	}
	if len(fields) > 0 {
		out.Blocks = append(out.Blocks, slackBlock{Type: "section", Fields: fields})
	}
	foot := []slackText{*words(link)}
	if m.Older != "" {
		foot = append([]slackText{*words(slackEscape(m.Older))}, foot...)
	}
	out.Blocks = append(out.Blocks, slackBlock{Type: "context", Elements: foot})
	return out
}
