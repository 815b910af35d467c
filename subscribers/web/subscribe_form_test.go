package web

import (
	"net/url"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

// Whatever is sent: what is taken is valid, and what is not taken is named.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"address=ann@example.com", "address=ann%40example.com&components=imap7&components=web&severity=major&kinds=post&cadence=milestones&timezone=Europe%2FOslo&language=pt-BR",
		"address=a@example.com%0d%0aBcc:b@example.com", "state=active&address=a@example.com", "address=a@b.c&address=d@e.f", "timezone=%00", "%ff=%ff", "incident=../x&address=a@example.com",
	} {
		f.Add(seed)
	}
	known := []notifier.Component{{Key: "imap7"}, {Key: "web"}}
	f.Fuzz(func(t *testing.T, query string) {
		in, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		who, wrong := readEntry(in, known, func(lang string) bool { return lang == "de" || lang == "ja" })
		if len(wrong) > 0 {
			return
		}
		again := who
		if err := again.Validate(); err != nil || again.State != subscribers.Pending || again.Channel != notifier.Email {
			t.Errorf("%q became %+v, %v", query, who, err)
		}
		if who.Language != "" && who.Language != "de" && who.Language != "ja" {
			t.Errorf("%q speaks %q", query, who.Language)
		}
		if len(in["address"]) != 1 || in.Has("state") || in.Has("group") || in.Has("contact") {
			t.Errorf("%q was taken", query)
		}
		for _, c := range who.Filter.Components {
			if c != "imap7" && c != "web" {
				t.Errorf("%q chose %q", query, c)
			}
		}
	})
}
