package templates

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"allclear/notifier"
)

// scraps are what hostile and unlucky texts are made of.
func scraps() []string {
	return []string{
		"a", "word ", "\n", "\n\n", "- ", "1. ", "> ", "# ", "```", "`", "*", "**", "_", "~~", "|", "[", "](", ")", "<", ">", "&", "&lt;", "<!channel>", "<@U1>", "@everyone", "@here ",
		"https://example.com/?a=1&b=(2)|3 ", "<https://example.com|x>", "[x](https://example.com/_a_)", "![p](https://example.com/p.png)", "a@example.com ", "\\", `"`, "'", "障害", "🚨", "مشكلة", "\u202e", "\u2028", "\u00a0",
		`{{at "2026-11-23T16:11:00Z"}}`, "    ", "\t", "<script>alert(1)</script>", "---\n", strings.Repeat("long", 300),
	}
}

var slackLink = regexp.MustCompile(`<(https?://|mailto:)[^<>|]+(\|[^<>]*)?>`)

func TestWhateverStandsInAnIncidentEveryBodyIsWholeAndCallsNobody(t *testing.T) {
	s := newSet(t)
	call := regexp.MustCompile(`(?i)(^|[^\pL\pN._%+-])@(everyone|here|channel)`)
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.Custom(func(r *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(scraps()), 0, 40).Draw(r, "scraps"), "")
		})
		tale := story("incident-updated")
		tale.Incident.Title = oneLine(text.Draw(r, "title"))
		tale.Components["imap7"] = oneLine(text.Draw(r, "component"))
		for n := range tale.Incident.Updates {
			tale.Incident.Updates[n].Body = text.Draw(r, "body")
		}
		since := rapid.Int64Range(5, 7).Draw(r, "since")
		zone := rapid.SampledFrom([]string{"UTC", "Asia/Kathmandu"}).Draw(r, "zone")
		lang := rapid.SampledFrom(s.Languages()).Draw(r, "language")
		for _, f := range notifier.Formats {
			body := posted(t, s, tale, f, circumstance{since: since, told: since - 1}, lang, zone)
			if f == notifier.FormatStandard {
				conforms(t, body)
				continue
			}
			if f == notifier.FormatStatuspage {
				continue
			}
			for at, v := range texts(read[any](t, body), "$", nil) {
				if call.MatchString(v) {
					r.Fatalf("%s calls everyone at %s: %q", f, at, v)
				}
				if f == notifier.FormatSlack && strings.ContainsAny(slackLink.ReplaceAllString(v, ""), "<>") {
					r.Fatalf("a bracket that is no link's, at %s: %q", at, v)
				}
				if f == notifier.FormatSlack && strings.HasSuffix(at, ".text") && (v == "" || units(v) > slackSection) {
					r.Fatalf("%d characters at %s", units(v), at)
				}
			}
		}
	})
}
