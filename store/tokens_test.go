package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"time"

	"allclear/notifier"
)

func TestATokenIsFoundByItsHashUntilItIsRevoked(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		hash := sha256.Sum256([]byte("secret"))
		token := notifier.Token{ID: "t1", Name: "monitor", Role: notifier.RolePoster, CreatedAt: d.Now()}
		b.must(b.CreateToken(b.ctx, token, hash))
		got, err := b.TokenByHash(b.ctx, hash)
		b.must(err)
		same(t, "token", got, token)
		if _, err := b.TokenByHash(b.ctx, sha256.Sum256([]byte("other"))); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
		d.Advance(time.Second)
		b.must(b.RevokeToken(b.ctx, "t1"))
		revoked := d.Now()
		d.Advance(time.Second)
		b.must(b.RevokeToken(b.ctx, "t1"))
		if _, err := b.TokenByHash(b.ctx, hash); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("a revoked token is good: %v", err)
		}
		all, err := b.Tokens(b.ctx)
		b.must(err)
		token.RevokedAt = revoked
		same(t, "tokens", all, []notifier.Token{token})
		if err := b.RevokeToken(b.ctx, "t2"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestATokensNameIsTakenForEver(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		b.must(b.CreateToken(b.ctx, notifier.Token{Name: "monitor", Role: notifier.RolePoster}, [32]byte{1}))
		all, err := b.Tokens(b.ctx)
		b.must(err)
		if all[0].ID == "" || !all[0].CreatedAt.Equal(d.Now()) {
			t.Errorf("%+v", all)
		}
		b.must(b.RevokeToken(b.ctx, all[0].ID))
		var refusal *notifier.Refusal
		if err := b.CreateToken(b.ctx, notifier.Token{Name: "monitor", Role: notifier.RoleAdmin}, [32]byte{2}); !errors.Is(err, notifier.ErrConflict) || !errors.As(err, &refusal) {
			t.Errorf("%v", err)
		}
	})
}

func TestWhatIsWrittenIsAuditedWithItsActorInTheSameTransaction(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		d.Advance(time.Microsecond)
		ctx := notifier.WithActor(b.ctx, notifier.Actor{Name: "token:monitor", Role: notifier.RolePoster})
		p, err := b.OpenIncident(ctx, d.open(t, notifier.Announcement{Title: "x"}))
		b.must(err)
		d.Advance(time.Microsecond)
		b.must(b.Audit(b.ctx, "subscriber.export", "", "all"))
		failed := errors.New("no")
		err = b.Atomic(ctx, func(ctx context.Context) error { return errors.Join(b.Audit(ctx, "never", "", ""), failed) })
		if !errors.Is(err, failed) {
			t.Error(err)
		}
		rows, err := b.db.Query(`SELECT id, actor, action, subject FROM audit ORDER BY at, id`)
		b.must(err)
		defer rows.Close()
		var ids, lines []string
		for rows.Next() {
			var id, actor, action, subject string
			b.must(rows.Scan(&id, &actor, &action, &subject))
			ids, lines = append(ids, id), append(lines, actor+" "+action+" "+subject)
		}
		b.must(rows.Err())
		same(t, "the last lines", lines[len(lines)-2:], []string{"token:monitor incident.open " + p.Incident.ID, "system subscriber.export "})
		if !slices.IsSorted(ids[len(ids)-2:]) {
			t.Errorf("ids are not in the order of time: %v", ids)
		}
	})
}
