package store_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func TestManyEndpointsAreWhatEachOfThemIs(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		var all []subscribers.Subscriber
		for i := range 40 {
			all = append(all, hookAt(fmt.Sprintf("https://example.com/hook/%d", i), subscribers.Active))
		}
		_, _, err := b.ImportSubscribers(b.ctx, all, nil)
		b.must(err)
		// Some have a secret, one has two, and the others get theirs by being asked for.
		for n := subscribers.Number(1); n <= 10; n++ {
			_, err := b.NewSecret(b.ctx, n)
			b.must(err)
		}
		_, err = b.RotateSecret(b.ctx, 3, time.Hour, false)
		b.must(err)
		readers := []int64{99, 1_000_000} // who are not there
		for n := range int64(40) {
			readers = append(readers, n+1)
		}
		got, err := b.EndpointsOf(b.ctx, readers)
		b.must(err)
		if len(got) != 40 || len(got[3].Secrets) != 2 {
			t.Errorf("%d endpoints, %d secrets of the third", len(got), len(got[3].Secrets))
		}
		secrets := map[string]bool{}
		for reader, e := range got {
			one, err := b.Endpoint(b.ctx, reader)
			b.must(err)
			same(t, "endpoint", e, one)
			if e.Reader != reader || e.URL != fmt.Sprintf("https://example.com/hook/%d", reader-1) || len(e.Secrets[0].Key()) != notifier.SecretSize {
				t.Errorf("%d: %+v", reader, e)
			}
			secrets[e.Secrets[0].Text()] = true
		}
		if len(secrets) != 40 {
			t.Errorf("%d secrets for 40 endpoints", len(secrets))
		}
		if none, err := b.EndpointsOf(b.ctx, nil); err != nil || len(none) != 0 {
			t.Errorf("%v, %v", none, err)
		}
	})
}

func TestAnEndpointWhoseSecretCannotBeOpenedIsNotInTheWayOfOthers(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for i := range 3 {
			b.addHook(fmt.Sprintf("https://example.com/hook/%d", i), subscribers.Active)
		}
		_, err := b.EndpointsOf(b.ctx, []int64{1, 2})
		b.must(err)
		changed := storetest.At(t, b.dsn)(storetest.Clock(b.time), func(o *store.Options) { o.Secret = bytes.Repeat([]byte("else"), 8) })
		_, err = changed.RotateSecret(b.ctx, 2, 0, false)
		b.must(err)
		got, err := changed.EndpointsOf(b.ctx, []int64{1, 2, 3})
		b.must(err)
		if _, locked := got[1]; len(got) != 2 || locked {
			t.Errorf("%v", got)
		}
	})
}
