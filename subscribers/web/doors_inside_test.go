package web

import (
	"net/url"
	"slices"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

var doorParts = []notifier.Component{{Key: "imap7"}, {Key: "web"}}

func speaksEnglish(lang string) bool { return lang == "en" }

// Whatever is sent: what is taken is valid, and what is not taken is named.
func FuzzEndpointForm(f *testing.F) {
	for _, seed := range []string{
		"address=https://example.com/hook&contact=ops@example.com", "address=https://a@b/&contact=x", "address=https://example.com/hook&contact=a@example.com&format=slack&types=incident.created&types=nosuch",
		"address=https://[::1]/&contact=a@example.com&components=web&severity=major&timezone=Europe/Oslo&language=en", "state=active", "address=a&address=b", "types=%00", "%ff=%ff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		in, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		who, wrong := readEndpoint(in, doorParts, speaksEnglish)
		if len(wrong) > 0 {
			return
		}
		again := who
		if err := again.Validate(); err != nil || again.State != subscribers.Pending || again.Channel != notifier.Webhook || again.Contact == "" {
			t.Errorf("%q became %+v, %v", query, who, err)
		}
		if len(in["address"]) != 1 || len(in["contact"]) != 1 || in.Has("state") || in.Has("group") || in.Has("cadence") {
			t.Errorf("%q was taken", query)
		}
	})
}

func FuzzPhoneForm(f *testing.F) {
	for _, seed := range []string{
		"address=%2B4740000000", "address=%2B4740000000&quiet_from=22:00&quiet_until=07:00&cadence=milestones&kinds=post", "address=%2B1&quiet_from=x", "address=%2B4740000000&cadence=daily", "contact=a@b.c", "%ff=%ff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		in, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		who, wrong := readPhone(in, doorParts, speaksEnglish, []string{"NO"})
		if len(wrong) > 0 {
			return
		}
		again := who
		if err := again.Validate(); err != nil || again.State != subscribers.Pending || again.Channel != notifier.SMS || subscribers.Country(who.Address) != "NO" {
			t.Errorf("%q became %+v, %v", query, who, err)
		}
		if len(in["address"]) != 1 || in.Has("contact") || in.Has("format") && in.Get("format") != "" || !slices.Contains(subscribers.Offered(notifier.SMS), who.Cadence) {
			t.Errorf("%q was taken", query)
		}
	})
}
