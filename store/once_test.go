package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/store/storetest"
)

func onceKey(key, body string) notifier.OnceKey {
	return notifier.OnceKey{Scope: "token1 /api/v1/incidents", Key: key, Body: sha256.Sum256([]byte(body))}
}

// opening answers a request by opening an incident.
func opening(t *testing.T, s *store.Store, d *desk, status int) func(context.Context) (notifier.Answer, error) {
	return func(ctx context.Context) (notifier.Answer, error) {
		p, err := s.OpenIncident(ctx, d.open(t, notifier.Announcement{Title: "x"}))
		return notifier.Answer{Status: status, Body: []byte(`{"id":"` + p.Incident.ID + `"}`)}, err
	}
}

func TestARepeatedRequestGetsTheSameAnswerAndDoesNothing(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		first, kept, err := b.Once(b.ctx, onceKey("k", "body"), opening(t, b.Store, d, 201))
		b.must(err)
		if kept {
			t.Error("the first was answered from memory")
		}
		d.Advance(store.AnswerLife - time.Second)
		again, kept, err := b.Once(b.ctx, onceKey("k", "body"), opening(t, b.Store, d, 201))
		b.must(err)
		if !kept {
			t.Error("the repeat took effect")
		}
		same(t, "answer", again, first)
		if n := b.number(`SELECT count(*) FROM incidents`); n != 1 {
			t.Errorf("%d incidents", n)
		}
	})
}

func TestTheSameKeyForAnotherRequestIsRefused(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		_, _, err := b.Once(b.ctx, onceKey("k", "body"), opening(t, b.Store, d, 201))
		b.must(err)
		var refusal *notifier.Refusal
		if _, _, err := b.Once(b.ctx, onceKey("k", "another"), opening(t, b.Store, d, 201)); !errors.Is(err, notifier.ErrConflict) || !errors.As(err, &refusal) {
			t.Errorf("%v", err)
		}
		other := onceKey("k", "another")
		other.Scope = "token2 /api/v1/incidents" // somebody else's key
		_, kept, err := b.Once(b.ctx, other, opening(t, b.Store, d, 201))
		b.must(err)
		if kept {
			t.Error("an answer was given to another")
		}
	})
}

func TestAFailedRequestMayBeRepeated(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		broken := errors.New("broken")
		_, _, err := b.Once(b.ctx, onceKey("k", "body"), func(ctx context.Context) (notifier.Answer, error) {
			a, _ := opening(t, b.Store, d, 201)(ctx)
			return a, broken
		})
		if !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		answer, kept, err := b.Once(b.ctx, onceKey("k", "body"), opening(t, b.Store, d, 503))
		b.must(err)
		if kept || answer.Status != 503 {
			t.Errorf("%+v, %v", answer, kept)
		}
		if n := b.number(`SELECT count(*) FROM incidents`); n != 0 {
			t.Errorf("%d incidents are left", n)
		}
		answer, kept, err = b.Once(b.ctx, onceKey("k", "another body"), opening(t, b.Store, d, 404))
		b.must(err)
		if kept || answer.Status != 404 {
			t.Errorf("%+v, %v", answer, kept)
		}
		if _, kept, _ = b.Once(b.ctx, onceKey("k", "another body"), opening(t, b.Store, d, 201)); !kept {
			t.Error("a refusal was not kept")
		}
	})
}

func TestAfterADayAKeyIsForgotten(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		for range 3 {
			_, kept, err := b.Once(b.ctx, onceKey("k", d.Now().String()), opening(t, b.Store, d, 201))
			b.must(err)
			if kept {
				t.Error("an old answer was given")
			}
			d.Advance(store.AnswerLife)
		}
		_, _, err := b.Once(b.ctx, onceKey("other", ""), opening(t, b.Store, d, 201))
		b.must(err)
		d.Advance(time.Second)
		_, _, err = b.Once(b.ctx, onceKey("third", ""), opening(t, b.Store, d, 201))
		b.must(err)
		if n := b.number(`SELECT count(*) FROM answers`); n != 2 {
			t.Errorf("%d answers are kept", n)
		}
	})
}

// twins sends a request twice at once, to two processes: the first is held in
// its middle until the second had every chance to slip by.
func twins(t *testing.T, b *box, d *desk, fail error) (kept [2]bool, answers [2]notifier.Answer, runs int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	other := storetest.At(t, b.dsn)(storetest.Clock(d.Now))
	var count atomic.Int64
	inside, errs := make(chan struct{}), [2]error{}
	var all sync.WaitGroup
	all.Go(func() {
		answers[0], kept[0], errs[0] = b.Once(ctx, onceKey("k", "body"), func(ctx context.Context) (notifier.Answer, error) {
			count.Add(1)
			a, err := opening(t, b.Store, d, 201)(ctx)
			close(inside)
			b.awaitTwin(ctx)
			return a, errors.Join(err, fail)
		})
	})
	<-inside
	all.Go(func() {
		answers[1], kept[1], errs[1] = other.Once(ctx, onceKey("k", "body"), func(ctx context.Context) (notifier.Answer, error) {
			count.Add(1)
			return opening(t, other, d, 201)(ctx)
		})
	})
	all.Wait()
	if !errors.Is(errs[0], fail) || errs[1] != nil {
		t.Fatalf("%v, %v", errs[0], errs[1])
	}
	return kept, answers, count.Load()
}

// awaitTwin waits until somebody waits for the transaction of ctx. SQLite
// cannot be asked who waits; there the twin cannot even begin.
func (b *box) awaitTwin(ctx context.Context) {
	for b.Dialect() == "postgres" && ctx.Err() == nil {
		if b.number(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0 {
			return
		}
	}
}

func TestAConcurrentTwinWaitsAndGetsTheFirstsAnswer(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		kept, answers, runs := twins(t, b, d, nil)
		if runs != 1 || kept != [2]bool{false, true} {
			t.Errorf("%d took effect, from memory: %v", runs, kept)
		}
		same(t, "answers", answers[1], answers[0])
	})
}

func TestATwinTakesOverWhereTheFirstFails(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		broken := errors.New("broken")
		kept, _, runs := twins(t, b, d, broken)
		if runs != 2 || kept[1] {
			t.Errorf("%d ran, from memory: %v", runs, kept)
		}
		if n := b.number(`SELECT count(*) FROM incidents`); n != 1 {
			t.Errorf("%d incidents", n)
		}
	})
}

func TestKeptAnswersAreNotReadableInTheDatabase(t *testing.T) {
	const hush = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		secret := notifier.Answer{Status: 201, Body: []byte(hush)}
		_, _, err := b.Once(b.ctx, onceKey("client-key-4711", "body"), func(context.Context) (notifier.Answer, error) { return secret, nil })
		b.must(err)
		var answer []byte
		b.must(b.db.QueryRow(`SELECT answer FROM answers`).Scan(&answer))
		if len(answer) < len(hush) || bytes.Contains(answer, []byte(hush)) {
			t.Errorf("kept as %q", answer)
		}
		if b.Dialect() == "sqlite" {
			for _, name := range []string{b.dsn, b.dsn + "-wal"} {
				raw, err := os.ReadFile(name)
				b.must(err)
				for _, word := range []string{hush, "whsec", "client-key-4711"} {
					if bytes.Contains(raw, []byte(word)) {
						t.Errorf("%s stands in %s", word, name)
					}
				}
			}
		}
		// Another secret cannot read it, and does not do it again.
		other := storetest.At(t, b.dsn)(storetest.Clock(d.Now), func(o *store.Options) { o.Secret = []byte(strings.Repeat("x", 32)) })
		never := func(context.Context) (notifier.Answer, error) { t.Error("it was done again"); return secret, nil }
		if _, _, err := other.Once(b.ctx, onceKey("client-key-4711", "body"), never); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		// Nor does a row open that was moved to another request.
		hash := sha256.Sum256([]byte("other"))
		_, err = b.db.Exec(`UPDATE answers SET key_hash = $1`, hash[:])
		b.must(err)
		if _, _, err := b.Once(b.ctx, onceKey("other", "body"), never); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
	})
}

func TestOnceNeedsASecretAndAKey(t *testing.T) {
	never := func(context.Context) (notifier.Answer, error) { t.Error("it was done"); return notifier.Answer{}, nil }
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		if _, _, err := open(func(o *store.Options) { o.Secret = nil }).Once(t.Context(), onceKey("k", ""), never); err == nil {
			t.Error("an answer would be kept without a secret")
		}
		var invalid *notifier.Invalid
		if _, _, err := open().Once(t.Context(), onceKey("", ""), never); !errors.As(err, &invalid) {
			t.Errorf("%v", err)
		}
	})
}
