package templates

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"allclear/notifier"
)

// hostSize is how much of an endpoint's host a mail shows, in characters. Of a
// longer one it is the end, which says whose it is.
const hostSize = 80

// MailEndpoint is what mails about an endpoint say of it.
type MailEndpoint struct {
	Host string // a host, and no more of its address
	Why  string // a sentence: why it is switched off
	Off  string // since when
}

// viewOf is the view for a story: a question or a link that is about an
// endpoint has one of its own.
func viewOf(story notifier.Story) (view, bool) {
	if story.Endpoint.Host != "" {
		for _, v := range views() {
			if v.on == story.Event.Type && aboutEndpoint(v) {
				return v, true
			}
		}
	}
	return viewFor(story.Event.Type)
}

func aboutEndpoint(v view) bool { return strings.HasPrefix(v.name, "endpoint-") }

func mailEndpoint(e notifier.EndpointNews, p Times) MailEndpoint {
	out := MailEndpoint{Host: shownHost(e.Host)}
	switch e.DisabledWhy {
	case "gone":
		out.Why = p.cat.must("mail.endpoint.why.gone")
	case "failing":
		out.Why = p.cat.must("mail.endpoint.why.failed")
		if !e.FailingSince.IsZero() {
			out.Why = p.cat.must("mail.endpoint.why.failing", "time", p.Full(e.FailingSince))
		}
	case "staff":
		out.Why = p.cat.must("mail.endpoint.why.staff")
	}
	if !e.DisabledAt.IsZero() {
		out.Off = p.Full(e.DisabledAt)
	}
	return out
}

// shownHost is a host as a mail may show it. Were more kept than a host, by a
// mistake, it ends where that begins.
func shownHost(host string) string {
	host = strings.ToLower(host)
	if i := strings.IndexFunc(host, func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.-_:[]", r) }); i >= 0 {
		host = host[:i]
	}
	if n := len(host) - hostSize; n > 0 {
		return "…" + host[n:]
	}
	return host
}

// endpointFinger tells mails apart that say different things of endpoints; ""
// for those that are about none.
func endpointFinger(story notifier.Story) string {
	if story.Endpoint == (notifier.EndpointNews{}) {
		return ""
	}
	sum := sha256.Sum256([]byte(fmt.Sprint(story.Endpoint)))
	return hex.EncodeToString(sum[:12])
}

func sampleEndpoint(v view) notifier.EndpointNews {
	if !aboutEndpoint(v) {
		return notifier.EndpointNews{}
	}
	e := notifier.EndpointNews{Host: "hooks.example.com"}
	if v.on == notifier.EndpointDisabled {
		e.DisabledWhy, e.DisabledAt, e.FailingSince = "failing", sampleAt(18, 25), sampleAt(18, 20).AddDate(0, 0, -5)
	}
	return e
}
