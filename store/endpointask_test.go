package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestOfManyTestsThatAreAskedForAtOnceNoMoreThanFiveGetThrough(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n, other := b.addHook("https://example.com/hook", subscribers.Active), b.addHook("https://example.com/other", subscribers.Active)
		var through, refused atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				var often *notifier.TooOften
				switch err := b.AskEndpoint(b.ctx, n, subscribers.AskTest); {
				case err == nil:
					through.Add(1)
				case errors.As(err, &often) && often.Wait > 0 && often.Wait <= 12*time.Second:
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if through.Load() != 5 || refused.Load() != 15 {
			t.Errorf("%d got through, %d were refused", through.Load(), refused.Load())
		}
		b.must(b.AskEndpoint(b.ctx, other, subscribers.AskTest)) // each has its own
		b.must(b.AskEndpoint(b.ctx, n, subscribers.AskReplay))
		b.pass(12 * time.Second)
		b.must(b.AskEndpoint(b.ctx, n, subscribers.AskTest))
	})
}

func TestAnEndpointThatLeftOrIsSuppressedIsNotEvenTested(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		left, barred := b.addHook("https://example.com/left", subscribers.Active), b.addHook("https://example.com/barred", subscribers.Active)
		_, err := b.ChangeSubscriber(b.ctx, left, func(s *subscribers.Subscriber) error {
			s.State = subscribers.Unsubscribed
			return nil
		})
		b.must(err)
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Webhook, Address: "https://example.com/barred", Reason: subscribers.ReasonManual}))
		for _, n := range []subscribers.Number{left, barred} {
			if err := b.AskEndpoint(b.ctx, n, subscribers.AskTest); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("%s: %v", n, err)
			}
		}
		if err := b.AskEndpoint(b.ctx, 999, subscribers.AskTest); !errors.Is(err, notifier.ErrNotFound) {
			t.Error(err)
		}
	})
}
