package subscribers_test

import (
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestTheFormatIsGuessedFromTheAddressesThatChatsGiveOut(t *testing.T) {
	for raw, want := range map[string]notifier.Format{
		"https://hooks.slack.com/services/T000/B000/XXXX":                                                                         notifier.FormatSlack,
		"https://hooks.slack.com/triggers/T000/1/abc":                                                                             notifier.FormatSlack,
		"https://HOOKS.slack.com./services/T000/B000/XXXX":                                                                        notifier.FormatSlack,
		"https://hooks.slack-gov.com/services/T000/B000/XXXX":                                                                     notifier.FormatSlack,
		"https://contoso.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d":                                                    notifier.FormatTeams,
		"https://prod-12.westeurope.logic.azure.com:443/workflows/abc/triggers/manual/paths/invoke?api-version=2016-06-01":        notifier.FormatTeams,
		"https://default0.01.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/a/triggers/manual/": notifier.FormatTeams,
		"https://discord.com/api/webhooks/123/abc":                                                                                notifier.FormatDiscord,
		"https://discord.com/api/v10/webhooks/123/abc":                                                                            notifier.FormatDiscord,
		"https://ptb.discord.com/api/webhooks/123/abc":                                                                            notifier.FormatDiscord,
		"https://discordapp.com/api/webhooks/123/abc":                                                                             notifier.FormatDiscord,
		"https://discord.com/channels/1/2":                                                                                        notifier.FormatStandard,
		"https://example.com/hooks.slack.com/":                                                                                    notifier.FormatStandard,
		"https://hooks.slack.com.evil.test/services/":                                                                             notifier.FormatStandard,
		"https://evilwebhook.office.com.test/":                                                                                    notifier.FormatStandard,
		"https://nothooks.slack.com/":                                                                                             notifier.FormatStandard,
		"https://logic.azure.com/workflows/":                                                                                      notifier.FormatStandard,
		"https://prod-12.westeurope.logic.azure.com/other":                                                                        notifier.FormatStandard,
		"https://example.com/hook":                                                                                                notifier.FormatStandard,
		"://":                                                                                                                     notifier.FormatStandard,
		"":                                                                                                                        notifier.FormatStandard,
	} {
		if got := subscribers.GuessFormat(raw); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func TestAnEndpointThatNamesNoFormatGetsTheOneThatItsURLAsksForAndOneThatIsNamedStands(t *testing.T) {
	for _, c := range []struct {
		address      string
		given, wants notifier.Format
	}{
		{"https://hooks.slack.com/services/T/B/X", "", notifier.FormatSlack},
		{"https://discord.com/api/webhooks/1/x", "", notifier.FormatDiscord},
		{"https://a.webhook.office.com/webhookb2/a", "", notifier.FormatTeams},
		{"https://example.com/hook", "", notifier.FormatStandard},
		{"https://hooks.slack.com/services/T/B/X", notifier.FormatStandard, notifier.FormatStandard},
		{"https://example.com/hook", notifier.FormatTeams, notifier.FormatTeams},
	} {
		s := subscribers.Subscriber{Address: c.address, Contact: "ops@example.com", Format: c.given} // the channel is seen, too
		if err := s.Validate(); err != nil || s.Channel != notifier.Webhook || s.Format != c.wants {
			t.Errorf("%s, given %q: %s, %q, %v", c.address, c.given, s.Channel, s.Format, err)
		}
	}
}
