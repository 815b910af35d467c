package store_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func TestASecretIsShownOnce(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addHook("https://example.com/hook", subscribers.Pending)
		if _, ok, err := b.TakeSecret(b.ctx, n); ok || err != nil {
			t.Fatalf("shown before the proof, %v", err)
		}
		signed, err := b.Endpoint(b.ctx, int64(n))
		b.must(err)
		b.test(n, 200)
		secret, ok, err := b.TakeSecret(b.ctx, n)
		if !ok || err != nil || len(secret.Key()) != notifier.SecretSize || !bytes.Equal(secret.Key(), signed.Secrets[0].Key()) {
			t.Fatalf("%t, %v", ok, err)
		}
		if _, ok, err := b.TakeSecret(b.ctx, n); ok || err != nil {
			t.Errorf("shown twice, %v", err)
		}
		if _, err := b.NewSecret(b.ctx, n); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("shown twice, %v", err)
		}
		added := b.addHook("https://example.com/other", subscribers.Active)
		other, err := b.NewSecret(b.ctx, added)
		b.must(err)
		if bytes.Equal(other.Key(), secret.Key()) {
			t.Error("two endpoints have one secret")
		}
	})
}

func TestSecretsAndTokensAreNotInTheDatabase(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addHook("https://example.com/hook", subscribers.Active)
		first, err := b.NewSecret(b.ctx, n)
		b.must(err)
		second, err := b.RotateSecret(b.ctx, n, time.Hour, false)
		b.must(err)
		token, err := b.MakeEndpointToken(b.ctx, n)
		b.must(err)
		var secret, old, hash []byte
		b.must(b.db.QueryRow(`SELECT secret, old_secret, token_hash FROM endpoints`).Scan(&secret, &old, &hash))
		for _, kept := range [][]byte{secret, old, hash} {
			for _, hidden := range [][]byte{first.Key(), second.Key(), []byte(token)} {
				if len(kept) == 0 || bytes.Contains(kept, hidden) {
					t.Errorf("%x holds %x", kept, hidden)
				}
			}
		}
		log := strings.Join(texts(t, b.db, `SELECT action || ' ' || subject || ' ' || detail FROM audit ORDER BY id`), "\n")
		for _, hidden := range []string{first.Text(), second.Text(), token} {
			if strings.Contains(log, hidden) {
				t.Errorf("the audit tells %s:\n%s", hidden, log)
			}
		}
		for _, action := range []string{"endpoint.show_secret " + n.String(), "endpoint.rotate_secret " + n.String(), "endpoint.make_token " + n.String()} {
			if !strings.Contains(log, action) {
				t.Errorf("the audit lacks %s:\n%s", action, log)
			}
		}
	})
}

func TestBothSecretsSignWhileTheyOverlap(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addHook("https://example.com/hook", subscribers.Active)
		signs := func(want ...notifier.Secret) { t.Helper(); b.signs(n, want...) }
		first, err := b.NewSecret(b.ctx, n)
		b.must(err)
		second, err := b.RotateSecret(b.ctx, n, 24*time.Hour, false)
		b.must(err)
		signs(second, first)
		same(t, "ends", b.hook(n).OldSecrets, []time.Time{b.time().Add(24 * time.Hour)})
		b.pass(24 * time.Hour)
		signs(second)
		third, err := b.RotateSecret(b.ctx, n, 0, false) // it leaked
		b.must(err)
		signs(third)
		same(t, "ends", b.hook(n).OldSecrets, []time.Time(nil))
	})
}

// signs fails unless an endpoint's posts are signed with exactly these, in their order.
func (b *box) signs(n subscribers.Number, want ...notifier.Secret) {
	b.t.Helper()
	e, err := b.Endpoint(b.ctx, int64(n))
	b.must(err)
	if len(e.Secrets) != len(want) {
		b.t.Fatalf("%d secrets, want %d", len(e.Secrets), len(want))
	}
	for i := range want {
		if !bytes.Equal(e.Secrets[i].Key(), want[i].Key()) {
			b.t.Errorf("secret %d is another", i)
		}
	}
}

func TestEverySecretWhoseTimeIsNotOverSignsHoweverOftenItIsRotated(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addHook("https://example.com/hook", subscribers.Active)
		first, err := b.NewSecret(b.ctx, n)
		b.must(err)
		rotate := func(again bool) notifier.Secret {
			t.Helper()
			b.pass(time.Hour)
			made, err := b.RotateSecret(b.ctx, n, notifier.SecretOverlap, again)
			b.must(err)
			return made
		}
		refused := func(again bool, want string) {
			t.Helper()
			if _, err := b.RotateSecret(b.ctx, n, notifier.SecretOverlap, again); !errors.Is(err, notifier.ErrConflict) || !strings.Contains(err.Error(), want) {
				t.Errorf("again %t: %v", again, err)
			}
		}
		second := rotate(false)
		refused(false, "still signs, until 2026-11-24T13:00:00Z")
		third := rotate(true)
		b.signs(n, third, second, first)
		fourth := rotate(true)
		b.signs(n, fourth, third, second, first)
		refused(true, "3 earlier secrets of this endpoint sign already")
		b.signs(n, fourth, third, second, first)
		same(t, "ends", b.hook(n).OldSecrets, []time.Time{b.time().Add(24 * time.Hour), b.time().Add(23 * time.Hour), b.time().Add(22 * time.Hour)})
		b.pass(22 * time.Hour)
		b.signs(n, fourth, third, second)
		fifth := rotate(true)
		b.signs(n, fifth, fourth, third)
		b.pass(24 * time.Hour)
		b.signs(n, fifth)
		sixth := rotate(false)
		seventh, err := b.RotateSecret(b.ctx, n, 0, false)
		b.must(err)
		b.signs(n, seventh)
		_ = sixth
	})
}

// Before several were kept, the column held one and nothing else.
func TestASecretThatAnEarlierVersionKeptSignsToItsEnd(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addHook("https://example.com/hook", subscribers.Active)
		first, err := b.NewSecret(b.ctx, n)
		b.must(err)
		sealed := texts(t, b.db, `SELECT `+map[string]string{"sqlite": `hex(secret)`, "postgres": `encode(secret, 'hex')`}[b.Dialect()]+` FROM endpoints`)[0]
		second, err := b.RotateSecret(b.ctx, n, time.Hour, false)
		b.must(err)
		b.exec(`UPDATE endpoints SET old_secret = %s`, map[string]string{"sqlite": `x'` + sealed + `'`, "postgres": `decode('` + sealed + `', 'hex')`}[b.Dialect()])
		b.signs(n, second, first)
		b.pass(time.Hour)
		b.signs(n, second)
	})
}

func TestACommandWithoutTheServicesSecretAddsEndpoints(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		bare := storetest.At(t, b.dsn)(storetest.Clock(b.time), func(o *store.Options) { o.Secret = nil })
		fates, errs, err := bare.ImportSubscribers(b.ctx, []subscribers.Subscriber{hookAt("https://example.com/hook", subscribers.Active)}, nil)
		b.must(err)
		if errs[0] != nil || fates[0] != subscribers.ImportAdded {
			t.Fatal(fates, errs)
		}
		if _, err := bare.Endpoint(b.ctx, 1); err == nil {
			t.Error("a secret was made that nobody can open")
		}
		e, err := b.Endpoint(b.ctx, 1)
		b.must(err)
		again, err := b.Endpoint(b.ctx, 1)
		b.must(err)
		same(t, "endpoint", again, e)
		if len(e.Secrets) != 1 || e.URL != "https://example.com/hook" || e.Format != notifier.FormatStandard || e.Concurrency != 1 {
			t.Errorf("%+v", e)
		}
		changed := storetest.At(t, b.dsn)(storetest.Clock(b.time), func(o *store.Options) { o.Secret = bytes.Repeat([]byte("else"), 8) })
		if _, err := changed.Endpoint(b.ctx, 1); !errors.Is(err, notifier.ErrConflict) || !strings.Contains(err.Error(), "rotate") {
			t.Errorf("with another secret: %v", err)
		}
		_, err = changed.RotateSecret(b.ctx, 1, time.Hour, false)
		b.must(err)
		if e, err := changed.Endpoint(b.ctx, 1); err != nil || len(e.Secrets) != 1 {
			t.Errorf("%d secrets, %v", len(e.Secrets), err)
		}
	})
}

func TestWhoTakesOverAnEndpointDoesNotGetItsSecret(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addHook("https://example.com/hook", subscribers.Active)
		b.test(n, 200)
		old, err := b.NewSecret(b.ctx, n)
		b.must(err)
		token, err := b.MakeEndpointToken(b.ctx, n)
		b.must(err)
		b.must(b.into(int64(n), subscribers.Unsubscribed))
		if again := b.addHook("https://example.com/hook", subscribers.Pending); again != n {
			t.Fatalf("%s became %s", n, again)
		}
		e, err := b.Endpoint(b.ctx, int64(n))
		b.must(err)
		if bytes.Equal(e.Secrets[0].Key(), old.Key()) {
			t.Error("the secret stayed")
		}
		if h := b.hook(n); !h.ProvenAt.IsZero() || !h.SecretShownAt.IsZero() || h.HasToken {
			t.Errorf("%+v", h)
		}
		if _, err := b.EndpointByToken(b.ctx, sha256.Sum256([]byte(token))); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("the token stayed: %v", err)
		}
		if got, _, err := b.Attempts(b.ctx, n, "", 10); len(got) != 0 || err != nil {
			t.Errorf("attempts stayed: %+v, %v", got, err)
		}
	})
}

func TestATokenIsItsEndpointsUntilThereIsAnother(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addHook("https://example.com/hook", subscribers.Active)
		first, err := b.MakeEndpointToken(b.ctx, n)
		b.must(err)
		if !strings.HasPrefix(first, "whtk_") || len(first) != 5+43 {
			t.Errorf("token of %d characters", len(first))
		}
		find := func(token string) (subscribers.Number, error) {
			return b.EndpointByToken(b.ctx, sha256.Sum256([]byte(token)))
		}
		if got, err := find(first); got != n || err != nil {
			t.Errorf("%s, %v", got, err)
		}
		second, err := b.MakeEndpointToken(b.ctx, n)
		b.must(err)
		if _, err := find(first); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("the old one: %v", err)
		}
		if got, err := find(second); got != n || err != nil {
			t.Errorf("%s, %v", got, err)
		}
		b.must(b.into(int64(n), subscribers.Unsubscribed))
		if _, err := find(second); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("of one who left: %v", err)
		}
		mail, err := b.AddSubscriber(b.ctx, reader("a@example.com", subscribers.Active), nil)
		b.must(err)
		if _, err := b.MakeEndpointToken(b.ctx, mail.Number); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("for mail: %v", err)
		}
	})
}

func TestTheTokenOfWhoLookedAfterAnEndpointBeforeIsWorthless(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, n subscribers.Number) {
		token, err := b.MakeEndpointToken(b.ctx, n)
		b.must(err)
		change := func(do func(*subscribers.Subscriber)) {
			t.Helper()
			_, err := b.ChangeSubscriber(b.ctx, n, func(s *subscribers.Subscriber) error {
				do(s)
				return nil
			})
			b.must(err)
		}
		change(func(s *subscribers.Subscriber) { s.Language = "de" })
		if got, err := b.EndpointByToken(b.ctx, sha256.Sum256([]byte(token))); got != n || err != nil {
			t.Errorf("after another change: %v, %v", got, err)
		}
		change(func(s *subscribers.Subscriber) { s.Contact = "next@example.com" })
		if _, err := b.EndpointByToken(b.ctx, sha256.Sum256([]byte(token))); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("with another contact: %v", err)
		}
		if b.hook(n).HasToken {
			t.Error("its page says that there is one")
		}
	})
}
