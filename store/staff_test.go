package store_test

import (
	"errors"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/store/storetest"
)

// eachStaff runs a test with ann, an admin who has set herself up, on each database.
func eachStaff(t *testing.T, test func(t *testing.T, b *box, ann notifier.Staff)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		_, err := b.AddStaff(b.ctx, notifier.Staff{Name: "ann", Role: notifier.RoleAdmin, LinkUntil: b.time().Add(notifier.SetUpLife)}, [32]byte{1})
		b.must(err)
		b.pass(time.Second)
		ann, err := b.SetUpStaff(b.ctx, [32]byte{1}, notifier.Credentials{Password: "phc", Secret: []byte("factor"), Step: 100, Recovery: [][]byte{{7}, {8}}})
		b.must(err)
		test(t, b, ann)
	})
}

// signIn signs ann in with a code of a step, and returns what her browser would hold.
func (b *box) signIn(who notifier.Staff, n byte, step int64) [32]byte {
	b.t.Helper()
	_, err := b.BeginSession(b.ctx, notifier.Session{Staff: who, Network: "192.0.2.0/24", Agent: "tests"}, [32]byte{n}, "phc", notifier.Proof{Step: step})
	b.must(err)
	return [32]byte{n}
}

func (b *box) signedIn(hash [32]byte) bool {
	b.t.Helper()
	_, err := b.Session(b.ctx, hash)
	if err != nil && !errors.Is(err, notifier.ErrNotFound) {
		b.t.Fatal(err)
	}
	return err == nil
}

func TestALinkToSetUpIsGoodOnceAndForADay(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		who := notifier.Staff{Name: "kari", Role: notifier.RolePoster, LinkUntil: b.time().Add(notifier.SetUpLife)}
		_, err := b.AddStaff(b.ctx, who, [32]byte{1})
		b.must(err)
		var refusal *notifier.Refusal
		if _, err := b.AddStaff(b.ctx, who, [32]byte{2}); !errors.As(err, &refusal) || !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("a second kari: %v", err)
		}
		for _, name := range []string{"", "Kari", "two words", "a/b", "ü"} {
			var bad *notifier.Invalid
			if _, err := b.AddStaff(b.ctx, notifier.Staff{Name: name, Role: notifier.RoleAdmin}, [32]byte{3}); !errors.As(err, &bad) || bad.Field != "name" {
				t.Errorf("%q: %v", name, err)
			}
		}
		if _, _, err := b.StaffCredentials(b.ctx, "kari"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("credentials before they are set: %v", err)
		}
		b.pass(notifier.SetUpLife)
		if _, err := b.StaffByLink(b.ctx, [32]byte{1}); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("after its day: %v", err)
		}
		_, err = b.ResetStaff(b.ctx, "kari", [32]byte{4}, b.time().Add(notifier.SetUpLife))
		b.must(err)
		found, err := b.StaffByLink(b.ctx, [32]byte{4})
		b.must(err)
		if found.Name != "kari" {
			t.Errorf("found %+v", found)
		}
		c := notifier.Credentials{Password: "phc", Secret: []byte("factor"), Step: 5, Recovery: [][]byte{{9}}}
		_, err = b.SetUpStaff(b.ctx, [32]byte{4}, c)
		b.must(err)
		if _, err := b.SetUpStaff(b.ctx, [32]byte{4}, c); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("a second time: %v", err)
		}
		_, got, err := b.StaffCredentials(b.ctx, "kari")
		b.must(err)
		same(t, "credentials", got, c)
		if n := b.number(`SELECT count(*) FROM staff WHERE secret = CAST('factor' AS %s)`, map[string]string{"sqlite": "blob", "postgres": "bytea"}[b.Dialect()]); n != 0 {
			t.Error("the second factor is kept in the clear")
		}
	})
}

func TestWhoSetsThemselvesUpIsInOrHasTheLinkStill(t *testing.T) {
	eachStaff(t, func(t *testing.T, b *box, ann notifier.Staff) {
		taken := b.signIn(ann, 1, 101)
		_, err := b.AddStaff(b.ctx, notifier.Staff{Name: "kari", Role: notifier.RolePoster, LinkUntil: b.time().Add(time.Hour)}, [32]byte{4})
		b.must(err)
		c := notifier.Credentials{Password: "phc", Secret: []byte("factor"), Step: 5, Recovery: [][]byte{{9}}}
		if _, err := b.SetUpAndEnter(b.ctx, [32]byte{4}, c, notifier.Session{}, taken); err == nil {
			t.Fatal("two sessions of one secret")
		}
		if _, err := b.StaffByLink(b.ctx, [32]byte{4}); err != nil {
			t.Errorf("the link after a session that could not begin: %v", err)
		}
		hash := [32]byte{44}
		x, err := b.SetUpAndEnter(b.ctx, [32]byte{4}, c, notifier.Session{Network: "192.0.2.0/24"}, hash)
		b.must(err)
		if x.Staff.Name != "kari" || x.Network != "192.0.2.0/24" || !b.signedIn(hash) {
			t.Errorf("session %+v", x)
		}
		if _, err := b.SetUpAndEnter(b.ctx, [32]byte{4}, c, notifier.Session{}, [32]byte{45}); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("a second time: %v", err)
		}
	})
}

func TestWhetherSecondFactorsOpenIsKnownWithoutSomebodyWhoTries(t *testing.T) {
	eachStaff(t, func(t *testing.T, b *box, ann notifier.Staff) {
		b.must(b.FactorsOpen(b.ctx))
		other := storetest.At(t, b.dsn)(storetest.Clock(b.time), func(o *store.Options) { o.Secret = []byte("another secret, of thirty-two bytes") })
		if err := other.FactorsOpen(b.ctx); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("with another secret: %v", err)
		}
		b.must(b.RemoveStaff(b.ctx, "ann"))
		b.must(other.FactorsOpen(b.ctx))
	})
}

func TestACodeIsTakenOnceAndNoOlderOneAfterIt(t *testing.T) {
	eachStaff(t, func(t *testing.T, b *box, ann notifier.Staff) {
		begin := func(p notifier.Proof, password string) error {
			_, err := b.BeginSession(b.ctx, notifier.Session{Staff: ann}, [32]byte{byte(b.number(`SELECT count(*) FROM sessions`)), 9}, password, p)
			return err
		}
		for _, c := range []struct {
			says  string
			proof notifier.Proof
			pass  string
			want  error
		}{
			{"the code that set her up", notifier.Proof{Step: 100}, "phc", notifier.ErrConflict},
			{"the next one", notifier.Proof{Step: 101}, "phc", nil},
			{"the same again", notifier.Proof{Step: 101}, "phc", notifier.ErrConflict},
			{"an older one", notifier.Proof{Step: 99}, "phc", notifier.ErrConflict},
			{"a recovery code", notifier.Proof{Recovery: []byte{7}}, "phc", nil},
			{"the same recovery code", notifier.Proof{Recovery: []byte{7}}, "phc", notifier.ErrConflict},
			{"one she never had", notifier.Proof{Recovery: []byte{6}}, "phc", notifier.ErrConflict},
			{"a password that was changed meanwhile", notifier.Proof{Step: 102}, "old", notifier.ErrNotFound},
		} {
			if err := begin(c.proof, c.pass); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.says, err, c.want)
			}
		}
	})
}

func TestASessionEndsWhenItIsNotUsedAndAfterAWeek(t *testing.T) {
	eachStaff(t, func(t *testing.T, b *box, ann notifier.Staff) {
		idle := b.signIn(ann, 1, 101)
		b.pass(notifier.SessionIdle - time.Second)
		if !b.signedIn(idle) {
			t.Error("it ended early")
		}
		b.pass(notifier.SessionIdle - time.Second)
		if !b.signedIn(idle) {
			t.Error("its use was not noted")
		}
		b.pass(notifier.SessionIdle)
		if b.signedIn(idle) {
			t.Error("it is good without being used")
		}
		watched := b.signIn(ann, 4, 104)
		for range 8 {
			_, err := b.SessionStill(b.ctx, watched)
			b.must(err)
			b.pass(time.Hour)
		}
		if _, err := b.SessionStill(b.ctx, watched); !errors.Is(err, notifier.ErrNotFound) || b.signedIn(watched) {
			t.Errorf("a page that keeps itself fresh kept her signed in: %v", err)
		}
		b.exec(`UPDATE staff SET step = 101`)
		used := b.signIn(ann, 2, 102)
		for b.pass(7 * time.Hour); b.time().Before(time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC)) && b.signedIn(used); b.pass(7 * time.Hour) {
		}
		began := b.number(`SELECT count(*) FROM sessions`)
		if b.signedIn(used) {
			t.Error("it is good after a week")
		}
		b.signIn(ann, 3, 103)
		if n := b.number(`SELECT count(*) FROM sessions`); began != 1 || n != 1 {
			t.Errorf("%d sessions are kept, then %d", began, n)
		}
	})
}

func TestWhatLetSomebodyInEndsTheirSessionsWhenItChanges(t *testing.T) {
	for says, end := range map[string]func(b *box, ann notifier.Staff) error{
		"another role": func(b *box, _ notifier.Staff) error {
			_, err := b.ChangeStaffRole(b.ctx, "ann", notifier.RoleViewer)
			return err
		},
		"a reset": func(b *box, _ notifier.Staff) error {
			_, err := b.ResetStaff(b.ctx, "ann", [32]byte{5}, b.time().Add(time.Hour))
			return err
		},
		"a removal": func(b *box, _ notifier.Staff) error { return b.RemoveStaff(b.ctx, "ann") },
		"another password": func(b *box, ann notifier.Staff) error {
			return b.ChangeOwnPassword(b.ctx, ann.ID, "none", "new", notifier.Proof{Step: 200})
		},
	} {
		t.Run(says, func(t *testing.T) {
			eachStaff(t, func(t *testing.T, b *box, ann notifier.Staff) {
				hash := b.signIn(ann, 1, 101)
				b.must(end(b, ann))
				if b.signedIn(hash) {
					t.Error("she is still signed in")
				}
			})
		})
	}
	eachStaff(t, func(t *testing.T, b *box, ann notifier.Staff) {
		one, two := b.signIn(ann, 1, 101), b.signIn(ann, 2, 102)
		kept, err := b.Session(b.ctx, one)
		b.must(err)
		b.must(b.ChangeOwnPassword(b.ctx, ann.ID, kept.ID, "new", notifier.Proof{Step: 200}))
		if !b.signedIn(one) || b.signedIn(two) {
			t.Error("a new password is to end all sessions but the one it was set in")
		}
		if err := b.EndSession(b.ctx, "somebody else", kept.ID); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("another's session: %v", err)
		}
		b.must(b.EndSession(b.ctx, ann.ID, kept.ID))
		if b.signedIn(one) {
			t.Error("it was ended")
		}
	})
}

func TestTheAuditIsReadNewestFirstAndFiltered(t *testing.T) {
	eachStaff(t, func(t *testing.T, b *box, ann notifier.Staff) {
		ctx := notifier.WithActor(b.ctx, notifier.Actor{Name: "staff:ann", Role: notifier.RoleAdmin, Network: "192.0.2.0/24"})
		for _, action := range []string{"queue.pause", "queue.resume", "queueing"} {
			b.pass(time.Second)
			b.must(b.Audit(ctx, action, "all", action))
		}
		read := func(q notifier.AuditQuery) (actions []string, next string) {
			q.Limit = max(q.Limit, 2)
			found, next, err := b.AuditLog(b.ctx, q)
			b.must(err)
			for _, e := range found {
				actions = append(actions, e.Action)
			}
			return actions, next
		}
		first, next := read(notifier.AuditQuery{})
		same(t, "the first page", first, []string{"queueing", "queue.resume"})
		second, next := read(notifier.AuditQuery{Cursor: next, Limit: 3})
		same(t, "the second page", second, []string{"queue.pause", "staff.set_up", "staff.add"})
		if next != "" {
			t.Errorf("a third page %q", next)
		}
		family, _ := read(notifier.AuditQuery{Action: "queue."})
		same(t, "a family", family, []string{"queue.resume", "queue.pause"})
		one, _ := read(notifier.AuditQuery{Action: "queueing", Actor: "staff:ann", Subject: "all", From: b.time(), Until: b.time().Add(time.Microsecond)})
		same(t, "one", one, []string{"queueing"})
		none, _ := read(notifier.AuditQuery{Action: "queueing", Until: b.time()})
		same(t, "none", none, []string(nil))
		all, _, err := b.AuditLog(b.ctx, notifier.AuditQuery{Action: "queueing", Limit: 1})
		b.must(err)
		if e := all[0]; e.Network != "192.0.2.0/24" || e.Actor != "staff:ann" || !e.At.Equal(b.time()) || e.Detail != "queueing" {
			t.Errorf("%+v", e)
		}
	})
}

func TestStaffReadOnWhileTheDatabaseTakesNoWrites(t *testing.T) {
	eachStaff(t, func(t *testing.T, b *box, ann notifier.Staff) {
		hash := b.signIn(ann, 1, 101)
		full := `ALTER TABLE sessions ADD CHECK (seen_at = created_at)`
		if b.Dialect() == "sqlite" {
			full = `CREATE TRIGGER "full" BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'full'); END`
		}
		b.exec("%s", full)
		b.pass(2 * time.Minute)
		x, err := b.Session(b.ctx, hash)
		if err != nil || x.Staff.Name != ann.Name {
			t.Errorf("%+v, %v", x, err)
		}
	})
}
