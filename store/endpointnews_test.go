package store_test

import (
	"net/netip"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

// personal is the story of the one event of a type.
func (b *box) personal(of notifier.EventType) notifier.Story {
	b.t.Helper()
	story, err := b.Story(b.ctx, b.number(`SELECT number FROM events WHERE type = '%s'`, of))
	b.must(err)
	return story
}

func TestAStoryOfAnEndpointNamesItsHostAndNoMoreOfItsAddress(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.addHook("https://hooks.example.com:8443/T0/secret?key=1", subscribers.Pending)
		same(t, "news", b.personal(notifier.SubscriberConfirm).Endpoint, notifier.EndpointNews{Host: "hooks.example.com:8443"})
	})
}

func TestAContactThatConfirmedReadsWhichOfItsEndpointsAMailIsAbout(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for address, want := range map[string]string{
			"https://hooks.example.com/status/one/?key=1":                           "hooks.example.com/status/one",
			"https://hooks.slack.com/services/T0123/B0456/XXXXXXXXXXXXXXXXXXXXXXXX": "hooks.slack.com/services/T0123/B0456/XXXX...",
			"https://example.org/": "example.org",
		} {
			n := b.addHook(address, subscribers.Pending)
			_, err := b.ConfirmSubscriber(b.ctx, n, netip.Prefix{})
			b.must(err)
			story, err := b.Story(b.ctx, b.number(`SELECT number FROM events WHERE reader = %d`, n))
			b.must(err)
			if story.Endpoint.Host != want {
				t.Errorf("%s is called %s, want %s", address, story.Endpoint.Host, want)
			}
		}
	})
}

func TestAStoryOfAnEndpointThatIsSwitchedOffTellsWhyAndSinceWhen(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		b.incidentless()
		b.expand(10)
		b.posts(410)
		h := b.hook(n)
		same(t, "news", b.personal(notifier.EndpointDisabled).Endpoint,
			notifier.EndpointNews{Host: "example.com/hook", DisabledWhy: "gone", DisabledAt: h.DisabledAt, FailingSince: h.FailingSince})
		if h.DisabledAt.IsZero() {
			t.Error("it is not switched off")
		}
	})
}

func TestAStoryOfWhoGetsMailIsAboutNoEndpoint(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		_, err := b.AddSubscriber(b.ctx, subscribers.Subscriber{Channel: notifier.Email, Address: "ann@example.com", State: subscribers.Pending, Cadence: subscribers.Instant},
			func(s subscribers.Subscriber) *notifier.Event { e := b.asking(s); return &e })
		b.must(err)
		same(t, "news", b.personal(notifier.SubscriberConfirm).Endpoint, notifier.EndpointNews{})
	})
}

func TestAPhoneThatNobodyAskedForOnAPageOfOursIsKnownAsThat(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		_, err := b.AddSubscriber(b.ctx, subscribers.Subscriber{Channel: notifier.SMS, Address: "+4740000000", State: subscribers.Pending, Cadence: subscribers.Instant}, func(s subscribers.Subscriber) *notifier.Event {
			e := s.ConfirmEvent(notifier.Desk{Now: b.time(), NewID: func() string { return "confirm" }})
			return &e
		})
		b.must(err)
		if !b.personal(notifier.SubscriberConfirm).Unasked {
			t.Error("its code comes without where to type it in")
		}
	})
	eachBox(t, func(t *testing.T, b *box) {
		b.asks(signUp("+4740000000", func(x *subscribers.SignUp) { x.Channel = notifier.SMS }))
		b.answer(subscribers.SignUpLimits())
		if b.personal(notifier.SubscriberConfirm).Unasked {
			t.Error("its code comes with a link that its owner has no need of")
		}
	})
}
