package alarm

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"allclear/notifier"
)

// Headline is an alarm in one line.
func Headline(a notifier.Alarm) string {
	switch State(a) {
	case "over":
		return "Over: " + a.Ended
	case "lasts":
		return "Still: " + a.Title
	}
	return a.Title
}

// Subject is what a mail with the alarms is called.
func Subject(brand string, alarms []notifier.Alarm) string {
	line := Headline(alarms[0])
	if n := len(alarms); n > 1 {
		line = fmt.Sprintf("%s, and %d more", line, n-1)
	}
	return strings.Join(strings.Fields("["+brand+"] "+line), " ")
}

// Text is everything that is said of an alarm, as plain text.
func Text(a notifier.Alarm) string {
	var b strings.Builder
	b.WriteString(Headline(a) + ".\n")
	switch {
	case a.Over:
		fmt.Fprintf(&b, "It lasted from %s to %s (%s).\n", clock(a.Since), clock(a.Seen), span(a.Seen.Sub(a.Since)))
	case !a.Once:
		fmt.Fprintf(&b, "Since %s.\n", clock(a.Since))
	}
	if !a.Over && a.Text != "" {
		b.WriteString(a.Text + "\n")
	}
	if a.URL != "" {
		b.WriteString(a.URL + "\n")
	}
	return b.String()
}

// Letter is the text of a mail with the alarms.
func Letter(brand string, alarms []notifier.Alarm) string {
	var b strings.Builder
	for _, a := range alarms {
		b.WriteString(Text(a) + "\n")
	}
	fmt.Fprintf(&b, "-- \n%s tells you because your address stands in ALLCLEAR_ALERT.\n", brand)
	return b.String()
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

// told is an alarm as an endpoint gets it.
type told struct {
	Type  string  `json:"type"`
	About string  `json:"about"`
	State string  `json:"state"`
	Title string  `json:"title"`
	Text  string  `json:"text"`
	Since string  `json:"since"`
	Over  *string `json:"over"` // when it ended; null while it lasts
	URL   *string `json:"url"`
}

// Bodies are what is posted to an endpoint that wants a format: to programs one
// for each alarm, to chats one for all.
func Bodies(f notifier.Format, brand string, alarms []notifier.Alarm) ([][]byte, error) {
	var values []any
	switch f {
	case notifier.FormatSlack:
		values = []any{map[string]any{"text": chat(brand, alarms, slackMost, slackSigns.Replace), "unfurl_links": false}}
	case notifier.FormatDiscord:
		values = []any{map[string]any{"content": chat(brand, alarms, discordMost, plain), "allowed_mentions": map[string]any{"parse": []string{}}}}
	case notifier.FormatTeams:
		card := map[string]any{
			"type": "AdaptiveCard", "version": "1.4", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
			"body": []any{map[string]any{"type": "TextBlock", "wrap": true, "text": chat(brand, alarms, teamsMost, teamsSigns)}},
		}
		values = []any{map[string]any{"type": "message", "attachments": []any{map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}}}}
	default:
		for _, a := range alarms {
			values = append(values, program(a))
		}
	}
	out := make([][]byte, 0, len(values))
	for _, v := range values {
		body, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("write an alarm: %w", err)
		}
		out = append(out, body)
	}
	return out, nil
}

func program(a notifier.Alarm) told {
	out := told{Type: "alarm", About: a.About, State: State(a), Title: Headline(a), Text: Text(a), Since: a.Since.UTC().Format(time.RFC3339)}
	if a.Over {
		over := a.Seen.UTC().Format(time.RFC3339)
		out.Over = &over
	}
	if a.URL != "" {
		out.URL = &a.URL
	}
	return out
}

// How many characters a chat takes, with room to spare.
const (
	slackMost   = 3_000
	discordMost = 1_900
	teamsMost   = 8_000
)

// chat is all alarms as one text. What stands in it was written by people here
// and there: it calls nobody and links nowhere but where it says.
func chat(brand string, alarms []notifier.Alarm, most int, write func(string) string) string {
	var b strings.Builder
	for i, a := range alarms {
		text := write(brand + ": " + strings.TrimSpace(Text(a)))
		if i > 0 && utf8.RuneCountInString(b.String())+utf8.RuneCountInString(text) > most-60 {
			fmt.Fprintf(&b, "\n\nand %d more; the log of allclear names them.", len(alarms)-i)
			break
		}
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(clip(text, most-60))
	}
	return b.String()
}

func clip(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "..."
}

func plain(s string) string { return strings.ReplaceAll(s, "@", "@\u200b") }

var slackSigns = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@\u200b")

// teamsSigns lets every line stand by itself, because Markdown joins them.
func teamsSigns(s string) string {
	s = strings.NewReplacer(`\`, `\\`, "*", `\*`, "[", `\[`, "]", `\]`, "<", `\<`).Replace(plain(s))
	return strings.ReplaceAll(s, "\n", "\n\n")
}
