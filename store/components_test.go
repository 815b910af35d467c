package store_test

import (
	"errors"
	"testing"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func TestComponentsAreListedByGroupNameAndKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		s, ctx := open(), t.Context()
		for _, c := range []notifier.Component{{Key: "b", Name: "Zeta", Group: "mail"}, {Key: "a", Name: "alpha", Group: "mail"}, {Key: "c"}, {Key: "d", Name: "Zeta", Group: "mail"}} {
			if err := s.AddComponent(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
		all, err := s.Components(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, c := range all {
			keys = append(keys, c.Key)
			if c.State != notifier.Operational || c.CreatedAt.IsZero() || c.Name == "" {
				t.Errorf("%+v", c)
			}
		}
		same(t, "keys", keys, []string{"c", "b", "d", "a"})
	})
}

func TestAComponentsKeyIsTakenOnceAndStays(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		if err := b.AddComponent(b.ctx, notifier.Component{Key: "web"}); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		var invalid *notifier.Invalid
		if err := b.AddComponent(b.ctx, notifier.Component{Key: "No Key"}); !errors.As(err, &invalid) || invalid.Field != "key" {
			t.Errorf("%v", err)
		}
		change := func(key string, f func(*notifier.Component)) (notifier.Component, error) {
			return b.ChangeComponent(b.ctx, key, func(c *notifier.Component) error { f(c); return nil })
		}
		got, err := change("web", func(c *notifier.Component) { c.State, c.Group = notifier.MajorOutage, "front" })
		b.must(err)
		all, err := b.Components(b.ctx)
		b.must(err)
		if all[1] != got || got.State != notifier.MajorOutage || got.Name != "The web" {
			t.Errorf("%+v, %+v", got, all)
		}
		if _, err := change("web", func(c *notifier.Component) { c.Key = "www" }); !errors.As(err, &invalid) || invalid.Field != "key" {
			t.Errorf("%v", err)
		}
		if _, err := change("web", func(c *notifier.Component) { c.State = "on fire" }); !errors.As(err, &invalid) || invalid.Field != "state" {
			t.Errorf("%v", err)
		}
		if _, err := change("none", func(*notifier.Component) {}); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestAComponentThatIsNamedCannotBeRemoved(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		p := b.opened(d, notifier.Announcement{Title: "x", Components: []string{"web"}})
		_, err := b.AddSubscriber(b.ctx, subscribers.Subscriber{Channel: notifier.Email, Address: "a@example.org", State: subscribers.Active, Cadence: subscribers.Instant,
			Filter: subscribers.Filter{Components: []string{"imap7"}}}, nil)
		b.must(err)
		for _, key := range []string{"web", "imap7"} {
			var refusal *notifier.Refusal
			if err := b.RemoveComponent(b.ctx, key); !errors.Is(err, notifier.ErrConflict) || !errors.As(err, &refusal) {
				t.Errorf("%s: %v", key, err)
			}
		}
		_, err = b.ReviseIncident(b.ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) {
			return i.Correct(notifier.Correction{Components: &[]string{}}, d.desk())
		})
		b.must(err)
		b.must(b.RemoveComponent(b.ctx, "web"))
		if err := b.RemoveComponent(b.ctx, "web"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}
