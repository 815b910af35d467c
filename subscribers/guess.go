package subscribers

import (
	"net/url"
	"regexp"
	"strings"

	"allclear/notifier"
)

var discordHook = regexp.MustCompile(`^/api(/v\d+)?/webhooks/`)

// GuessFormat says what the program behind a URL most likely wants to be sent:
// Slack, Teams and Discord give their webhooks addresses of their own. It is
// FormatStandard for every other, and for what is no URL.
func GuessFormat(raw string) notifier.Format {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return notifier.FormatStandard
	}
	host, path := strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), strings.ToLower(u.Path)
	under := func(domain string) bool { return strings.HasSuffix(host, "."+domain) }
	switch {
	case host == "hooks.slack.com", host == "hooks.slack-gov.com":
		return notifier.FormatSlack
	case under("webhook.office.com"),
		under("logic.azure.com") && strings.Contains(path, "/workflows/"),
		under("powerplatform.com"):
		return notifier.FormatTeams
	case (host == "discord.com" || host == "discordapp.com" || under("discord.com") || under("discordapp.com")) && discordHook.MatchString(path):
		return notifier.FormatDiscord
	}
	return notifier.FormatStandard
}
