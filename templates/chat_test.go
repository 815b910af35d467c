package templates

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"allclear/notifier"
)

// calls is a story whose every text tries to call people, to leave its place
// or to be something else.
func calls() notifier.Story {
	tale := story("incident-updated")
	nasty := `<!channel> <!here|here> <@U024BE7LH> <@&123> <#C1> @everyone @here @channel <at>Bob</at> <https://evil.example|bank> & "quoted" \ *bold* _it_ ` + "`code` ```fence```" + ` [a](https://evil.example) |pipe| ]] }} <script>`
	tale.Incident.Title = nasty
	tale.Components = map[string]string{"imap7": nasty, "incoming": "@here"}
	for i := range tale.Incident.Updates {
		tale.Incident.Updates[i].Body = nasty + "\n\n" + "    " + nasty + "\n\n- " + nasty + "\n\n> " + nasty + "\n\n`" + "<!channel> @everyone" + "`"
	}
	return tale
}

// texts are all strings of a message, by where they stand.
func texts(v any, at string, out map[string]string) map[string]string {
	if out == nil {
		out = map[string]string{}
	}
	switch v := v.(type) {
	case string:
		out[at] = v
	case []any:
		for n, x := range v {
			texts(x, fmt.Sprintf("%s[%d]", at, n), out)
		}
	case map[string]any:
		for k, x := range v {
			texts(x, at+"."+k, out)
		}
	}
	return out
}

func TestNothingThatAnIncidentHoldsCallsPeopleInChats(t *testing.T) {
	s := newSet(t)
	call := regexp.MustCompile(`(?i)@(everyone|here|channel)`)
	for _, f := range []notifier.Format{notifier.FormatSlack, notifier.FormatTeams, notifier.FormatDiscord} {
		for _, since := range []int64{5, 7} {
			body := posted(t, s, calls(), f, circumstance{since: since, told: 4}, "en", "UTC")
			if call.Match(body) {
				t.Errorf("%s calls everyone: %s", f, body)
			}
			for at, text := range texts(read[any](t, body), "$", nil) {
				switch f {
				case notifier.FormatSlack:
					// Every bracket left is a link's that we made.
					rest := regexp.MustCompile(`<(https://|mailto:)[^<>|]+(\|[^<>]*)?>`).ReplaceAllString(text, "")
					if strings.ContainsAny(rest, "<>") {
						t.Errorf("%s holds a bracket: %q", at, rest)
					}
					if strings.Contains(text, "<https://evil.example|bank>") {
						t.Errorf("%s holds a link that nobody made: %q", at, text)
					}
				case notifier.FormatDiscord:
					if strings.Contains(strings.ReplaceAll(text, `\<`, ""), "<@") && !strings.Contains(text, "```") && !strings.Contains(text, "`<") {
						t.Errorf("%s calls somebody: %q", at, text)
					}
				}
			}
		}
	}
	d := read[discordMessage](t, posted(t, s, calls(), notifier.FormatDiscord, circumstance{since: 7}, "en", "UTC"))
	if d.Mentions.Parse == nil || len(d.Mentions.Parse) != 0 {
		t.Errorf("mentions %+v", d.Mentions)
	}
	c := read[teamsMessage](t, posted(t, s, calls(), notifier.FormatTeams, circumstance{since: 7}, "en", "UTC"))
	if c.Attachments[0].Content.Teams.Entities == nil || len(c.Attachments[0].Content.Teams.Entities) != 0 {
		t.Errorf("entities %+v", c.Attachments[0].Content.Teams)
	}
}

func TestAMailAddressCallsNobodyAndStaysAsItIs(t *testing.T) {
	for text, want := range map[string]string{
		"support@example.com": "support@example.com", "mail us: a.b+c@example.com": "mail us: a.b+c@example.com", "@everyone": "@\u200beveryone",
		"(@here)": "(@\u200bhere)", "a @ b": "a @ b", "hi @ann, @bob": "hi @\u200bann, @\u200bbob",
	} {
		if got := unping(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestNoPartOfAChatMessageIsLongerThanItsProgramAllows(t *testing.T) {
	s := newSet(t)
	for name, text := range long() {
		for _, updates := range longStories(name, 9) {
			tale := longStory(text, updates)
			m := read[slackMessage](t, posted(t, s, tale, notifier.FormatSlack, circumstance{since: 1}, "en", "UTC"))
			if len(m.Blocks) > 50 {
				t.Errorf("%s: %d blocks", name, len(m.Blocks))
			}
			for _, b := range m.Blocks {
				if b.Text != nil && (units(b.Text.Text) > 3000 || b.Text.Text == "" || b.Type == "header" && units(b.Text.Text) > 150) {
					t.Errorf("%s: a %s of %d characters", name, b.Type, units(b.Text.Text))
				}
				if len(b.Fields) > 10 || len(b.Elements) > 10 {
					t.Errorf("%s: %d fields, %d elements", name, len(b.Fields), len(b.Elements))
				}
				for _, f := range b.Fields {
					if units(f.Text) > 2000 {
						t.Errorf("%s: a field of %d", name, units(f.Text))
					}
				}
			}
			e := read[discordMessage](t, posted(t, s, tale, notifier.FormatDiscord, circumstance{since: 1}, "en", "UTC")).Embeds[0]
			all := units(e.Title) + units(e.Description) + units(e.Footer.Text)
			for _, f := range e.Fields {
				all += units(f.Name) + units(f.Value)
				if units(f.Name) > 256 || units(f.Value) > 1024 || f.Value == "" {
					t.Errorf("%s: field %q of %d", name, f.Name, units(f.Value))
				}
			}
			if units(e.Title) > 256 || units(e.Description) > 4096 || all > 6000 || len(e.Fields) > 25 {
				t.Errorf("%s: title %d, description %d, all %d", name, units(e.Title), units(e.Description), all)
			}
			if units(e.Description) < 100 {
				t.Errorf("%s: of the update only %q is left", name, e.Description)
			}
		}
	}
}

func TestABodyIsWrittenAsEachChatWritesIt(t *testing.T) {
	const body = "A **bold** and *slanted* ~~gone~~ `code*` [link](https://example.com/a_b?x=1&y=(2)) & <tag> 3 < 4\nsame paragraph\n\n" +
		"# Head\n\n1. one\n2. two\n   - inner_most a_b\n\n> said *so*\n>\n> twice\n\n```\nif a < b {\n  @here\n}\n```\n\n\\# no head"
	s := newSet(t)
	html, err := s.markdown.html(body, nil, s.styles)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		d    dialect
		want string
	}{
		"slack": {slackDialect(), "A *bold* and _slanted_ ~gone~ `code*` <https://example.com/a_b?x=1&amp;y=(2)|link> &amp; &lt;tag&gt; 3 &lt; 4 same paragraph\n\n*Head*\n\n1. one\n2. two\n   • inner_most a_b\n\n" +
			"&gt; said _so_\n&gt; \n&gt; twice\n\n```\nif a &lt; b {\n  @\u200bhere\n}\n```\n\n# no head"},
		"discord": {discordDialect(), "A **bold** and *slanted* ~~gone~~ `code*` [link](https://example.com/a_b?x=1&y=%282%29) & \\<tag\\> 3 \\< 4 same paragraph\n\n**Head**\n\n1. one\n2. two\n   - inner\\_most a\\_b\n\n" +
			"> said *so*\n> \n> twice\n\n```\nif a < b {\n  @\u200bhere\n}\n```\n\n\\# no head"},
		"teams": {teamsDialect(), "A **bold** and _slanted_ gone code\\* [link](https://example.com/a_b?x=1&y=%282%29) & \\<tag> 3 \\< 4 same paragraph\n\n**Head**\n\n1. one\n2. two\n   - inner_most a_b\n\n" +
			"said _so_\n\ntwice\n\nif a \\< b {\n\n  @\u200bhere\n\n}\n\n\\# no head"},
	} {
		got, cut := c.d.text(html, 10_000)
		if got != c.want || cut {
			t.Errorf("%s: %s\n%q\nwant\n%q", name, got, got, c.want)
		}
	}
}

func TestALeadIsSaidInChatsAsInMails(t *testing.T) {
	s := newSet(t)
	for view, want := range map[string]string{
		"incident-resolved": "This is over. It went on for 2 h 14 min.", "incident-corrected": "We wrote something wrong.", "incident-retracted": "We told you of this by mistake.",
		"maintenance-extended": "The work takes longer than planned.", "maintenance-completed": "The work is done. It took 2 h 2 min.",
	} {
		for _, f := range []notifier.Format{notifier.FormatSlack, notifier.FormatTeams, notifier.FormatDiscord} {
			body := posted(t, s, story(view), f, circumstance{since: 7, told: 6}, "en", "UTC")
			if !strings.Contains(string(body), want) {
				t.Errorf("%s as %s does not say %q: %s", view, f, want, body)
			}
		}
	}
	body := posted(t, s, func() notifier.Story { tale := story("incident-updated"); reopen(&tale); return tale }(), notifier.FormatSlack, circumstance{since: 7, told: 6}, "en", "UTC")
	if !strings.Contains(string(body), "Open again: imap7") || !strings.Contains(string(body), "We said that this was over; it is not.") {
		t.Errorf("%s", body)
	}
}

func TestAnUpdateWithoutWordsIsStillAMessage(t *testing.T) {
	s := newSet(t)
	tale := story("incident-updated")
	silence(&tale, 0, 1, 2)
	for _, f := range notifier.Formats {
		body := posted(t, s, tale, f, circumstance{since: 5}, "en", "UTC")
		if !json.Valid(body) || strings.Contains(string(body), `"text":""`) {
			t.Errorf("%s: %s", f, body)
		}
	}
}

func TestTheAddressOfALinkCallsNobody(t *testing.T) {
	tale := story("incident-updated")
	tale.Incident.Updates[2].Body = "See <https://example.com/a)@everyone> and [this](https://example.com/(@here)."
	for _, f := range []notifier.Format{notifier.FormatSlack, notifier.FormatTeams, notifier.FormatDiscord} {
		body := string(posted(t, newSet(t), tale, f, circumstance{since: 7, told: 6}, "en", "UTC"))
		if strings.Contains(body, ")@everyone") || strings.Contains(body, "(@here") || !strings.Contains(body, "%40everyone") {
			t.Errorf("%s: %s", f, body)
		}
	}
}

func TestWhatIsCutShowsNoSignsOfAnotherWayOfWriting(t *testing.T) {
	s := newSet(t)
	html, err := s.markdown.html("The *first* paragraph is **short**.\n\nThen: "+strings.Repeat("a **bold** word and an *other* one, ", 200), nil, s.styles)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		d     dialect
		first string
	}{
		"slack":   {slackDialect(), "The _first_ paragraph is *short*."},
		"discord": {discordDialect(), "The *first* paragraph is **short**."},
		"teams":   {teamsDialect(), "The _first_ paragraph is **short**."},
	} {
		got, cut := c.d.text(html, 500)
		if !cut || units(got) > 500 || units(got) < 450 || !strings.HasPrefix(got, c.first+"\n\nThen: a bold word and an other one, a bold word") {
			t.Errorf("%s: %t, %q", name, cut, got)
		}
		if got, cut = c.d.text(html, 50); !cut || got != c.first { // no room for a word of the next
			t.Errorf("%s: %t, %q", name, cut, got)
		}
		if got, cut = c.d.text(html, 20); !cut || units(got) > 20 || !strings.HasPrefix(got, "The first") {
			t.Errorf("%s: %t, %q", name, cut, got)
		}
	}
}
