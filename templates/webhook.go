package templates

import (
	"bytes"
	_ "embed" // the schema
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"

	"allclear/notifier"
)

// bodySize is what every body of a webhook stays under, in bytes, whatever the
// texts are.
const bodySize = 20_000

//go:embed webhook.schema.json
var webhookSchema string

// WebhookSchema is the JSON Schema (2020-12) of the standard body.
func WebhookSchema() []byte { return []byte(webhookSchema) }

// hook is the letter that an endpoint of one format is posted. Its Body holds a
// mark where the format has a place for a reader's own token.
func (s *Set) hook(story notifier.Story, c circumstances, key string) (*notifier.Letter, error) {
	l := &notifier.Letter{Key: key, Lane: story.Event.Lane, Type: story.Event.Type, EventID: story.Event.ID, ThreadID: story.Event.IncidentID}
	var err error
	switch c.format {
	case notifier.FormatStandard:
		l.Body, err = s.standard(story, c)
	case notifier.FormatStatuspage:
		l.Blanks = []notifier.Blank{{Mark: mark("statuspage", key)}}
		l.Body, err = s.statuspage(story, c, s.base+"/unsubscribe/"+l.Blanks[0].Mark)
	case notifier.FormatSlack:
		l.Body, err = s.chatBody(story, c, slackBody)
	case notifier.FormatTeams:
		l.Body, err = s.chatBody(story, c, teamsBody)
	case notifier.FormatDiscord:
		l.Body, err = s.chatBody(story, c, discordBody)
	default:
		err = fmt.Errorf("no webhook format %q", c.format)
	}
	if err != nil {
		return nil, fmt.Errorf("templates: webhook: %w", err)
	}
	return l, nil
}

// formatOf is the format that an endpoint's word for one means.
func formatOf(f notifier.Format) notifier.Format {
	if f == "" {
		return notifier.FormatStandard
	}
	return f
}

// compact writes v as JSON without escaping what only web pages must escape.
func compact(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write a body: %w", err)
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

// instant writes t as the API does.
func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// maybe is t for a field that may be null.
func maybe(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := instant(t)
	return &text
}

// word is s for a field that may be null.
func word(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// said is a body in both of its forms, with its end left to the page where it
// has more than most characters (0: as many as there are).
func (s *Set) said(u notifier.Update, most int, more string, p Times) (text string, html template.HTML, cut bool, err error) {
	html, err = s.markdown.html(u.Body, p.within(u.Body, u.At), nil)
	if err != nil {
		return "", "", false, err
	}
	if text, err = textOfWidth(string(html), unbroken); err != nil {
		return "", "", false, fmt.Errorf("read a body as text: %w", err)
	}
	text = strings.TrimSpace(text)
	if most == 0 || len([]rune(text)) <= most {
		return text, html, false, nil
	}
	text = clip(text, most)
	rest := p.cat.must("hook.cut")
	var out strings.Builder
	for _, paragraph := range strings.Split(text, "\n\n") {
		out.WriteString("<p>" + template.HTMLEscapeString(paragraph) + "</p>\n")
	}
	out.WriteString(`<p><a href="` + template.HTMLEscapeString(more) + `">` + template.HTMLEscapeString(rest) + "</a></p>")
	return text + "\n\n" + rest + " " + more, template.HTML(out.String()), true, nil //nolint:gosec // escaped right above
}
