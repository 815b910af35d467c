package store_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

func TestACursorComesBackAsItWasGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, text := rapid.Int64().Draw(t, "n"), rapid.StringMatching(`[a-z0-9@. ]*`).Draw(t, "text")
		gotN, gotText, err := store.OpenCursor(store.Cursor(n, text))
		if err != nil || gotN != n || gotText != text {
			t.Fatalf("%d %q, %v", gotN, gotText, err)
		}
	})
}

func FuzzCursor(f *testing.F) {
	for _, c := range []string{"", "MSA", "MSB4", "MDEg", store.Cursor(-1, ""), store.Cursor(1, "\x00"), store.Cursor(1, "\xff"), "MSA=", "MSA\n"} {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, c string) {
		n, text, err := store.OpenCursor(c)
		if err != nil {
			var invalid *notifier.Invalid
			if !errors.As(err, &invalid) || invalid.Field != "cursor" {
				t.Fatalf("%v", err)
			}
			return
		}
		if store.Cursor(n, text) != c {
			t.Fatalf("%q is another spelling of %d %q", c, n, text)
		}
	})
}

// What a stranger puts into an address of a page must not become a fault of ours.
func TestTextThatNoDatabaseKeepsIsNotFoundOrInvalid(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		for _, odd := range []string{"\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80"} {
			_, err1 := b.Incident(b.ctx, odd)
			_, err2 := b.ReviseIncident(b.ctx, odd, d.say(notifier.Saying{Body: "x"}))
			_, err3 := b.Progress(b.ctx, odd)
			err4 := b.RemoveComponent(b.ctx, odd)
			err5 := b.RevokeToken(b.ctx, odd)
			err6 := b.Unsuppress(b.ctx, notifier.Email, odd)
			for i, err := range []error{err1, err2, err3, err4, err5, err6} {
				var invalid *notifier.Invalid
				if !errors.Is(err, notifier.ErrNotFound) && !errors.As(err, &invalid) {
					t.Errorf("%q, call %d: %v", odd, i+1, err)
				}
			}
			found, _, err := b.Subscribers(b.ctx, subscribers.Query{Address: odd, Limit: 1})
			var invalid *notifier.Invalid
			if len(found) > 0 || err != nil && !errors.As(err, &invalid) {
				t.Errorf("%q: %v, %v", odd, found, err)
			}
		}
	})
}
