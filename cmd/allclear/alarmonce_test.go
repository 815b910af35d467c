package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email"
	"allclear/store"
	"allclear/store/storetest"
)

// lookoutOn looks at a database on which nothing works, so that what is put there stays.
func lookoutOn(t *testing.T, dsn string, clock *movingClock) (*lookout, *store.Store) {
	t.Helper()
	db := storetest.At(t, dsn)(storetest.Clock(clock.now))
	return &lookout{
		db: db, base: "https://status.example.com", relays: func() []email.RelayStatus { return nil }, short: &shortOfTexts{},
		down: map[string]time.Time{}, blind: map[string]notifier.Trouble{}, dkim: &dkimWatch{}, words: &wording{},
	}, db
}

// finds wants exactly these troubles, by what has them.
func (l *lookout) finds(t *testing.T, want ...string) []notifier.Trouble {
	t.Helper()
	found, err := l.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var about []string
	for _, x := range found {
		about = append(about, x.About)
	}
	if slices.Sort(about); !slices.Equal(about, want) {
		t.Errorf("found %q, want %q", about, want)
	}
	return found
}

func TestAnEventThatIsNotHandedOutIsATroubleAfterFiveMinutes(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		var clock movingClock
		l, db := lookoutOn(t, dsn, &clock)
		for _, title := range []string{"Mail is late", "Web is slow"} {
			p, err := notifier.Open(notifier.Announcement{Title: title, Severity: notifier.SeverityMinor, Body: "We look."}, desk(clock.now(), nil))
			if err == nil {
				_, err = db.OpenIncident(t.Context(), p)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		clock.forward(queuePatience - time.Second)
		l.finds(t)
		clock.forward(2 * time.Second)
		l.finds(t) // a clock that was put forward does that, too
		clock.forward(relayPatience)
		found := l.finds(t, "fanout")
		if !strings.Contains(found[0].Title, "2 events, for more than 5 minutes") || !strings.HasPrefix(found[0].URL, "https://status.example.com/console/events/") {
			t.Errorf("%+v", found)
		}
		for range 4 {
			if _, err := db.ExpandSlice(t.Context(), 100); err != nil {
				t.Fatal(err)
			}
		}
		l.finds(t)
	})
}

func TestARowThatCannotBeReadHidesNoOtherTrouble(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		var clock movingClock
		l, _ := lookoutOn(t, dsn, &clock)
		storetest.Exec(t, dsn, `INSERT INTO notices (id, title, template, state, halted, event_number, begun_at, created_at, created_by, approved)
			VALUES ('not1', 'Your mail was restored', 'blank', 'halted', '9 of 100 failed', 99, 1, 1, 'staff:ann', '[{')`)
		for range 3 {
			found := l.finds(t, "look:overrides", "notice:not1")
			if i := slices.IndexFunc(found, func(x notifier.Trouble) bool { return x.Key == "look:overrides" }); found[i].Once || found[i].Ended == "" {
				t.Errorf("%+v", found[i])
			}
			clock.forward(20 * time.Second)
		}
		storetest.Exec(t, dsn, `UPDATE notices SET approved = '[]'`)
		clock.forward(time.Minute)
		l.finds(t, "notice:not1")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.look(gone); err == nil {
			t.Error("a database that is not asked any more finds nothing")
		}
	})
}

func TestEverybodyHearsOfWhoIsLetInOrMayMore(t *testing.T) {
	var clock movingClock
	dsn := storetest.DSN(t, "sqlite")
	l, db := lookoutOn(t, dsn, &clock)
	l.finds(t)
	ctx := notifier.WithActor(t.Context(), notifier.Actor{Name: "staff:ann", Role: notifier.RoleAdmin})
	who, err := db.AddStaff(ctx, notifier.Staff{Name: "ann.two", Role: notifier.RoleViewer, LinkUntil: clock.now().Add(time.Hour)}, [32]byte{1})
	if err == nil {
		_, err = db.ChangeStaffRole(ctx, "ann.two", notifier.RoleApprover)
	}
	if err == nil {
		_, err = db.ResetStaff(ctx, "ann.two", [32]byte{2}, clock.now().Add(time.Hour))
	}
	if err != nil {
		t.Fatal(err)
	}
	clock.forward(time.Second)
	storetest.Exec(t, dsn, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)
		INSERT INTO audit (id, at, actor, action, subject) SELECT printf('%%016x-%%d', %[1]d, i), %[1]d, 'staff:ann', 'staff.password', 'x' FROM n`, clock.now().UnixMicro())) // hides nothing
	clock.forward(seldom)
	var titles []string
	for _, x := range l.finds(t, "staff:"+who.ID, "staff:"+who.ID, "staff:"+who.ID) {
		titles = append(titles, x.Title)
		if !x.Once || x.Text == "" {
			t.Errorf("%+v", x)
		}
	}
	want := []string{"staff:ann made a new link for ann.two to set up a sign-in", "staff:ann gave ann.two the role approver", "staff:ann added ann.two to the staff, with the role viewer"}
	if !slices.Equal(titles, want) {
		t.Errorf("%q", titles)
	}
	clock.forward(foundAgo + time.Minute)
	l.finds(t)
}

func TestEverybodyHearsOfATemplateThatIsEditedOrTakenBack(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		var clock movingClock
		l, db := lookoutOn(t, dsn, &clock)
		l.finds(t)
		ctx := notifier.WithActor(t.Context(), notifier.Actor{Name: "staff:ann", Role: notifier.RoleAdmin})
		err := db.SaveTemplate(ctx, notifier.TemplateEdit{Name: "mail/notice.html", Text: "other words"}, "")
		if err == nil {
			err = db.DropTemplate(ctx, "mail/notice.html", notifier.HashTemplate("other words"))
		}
		if err != nil {
			t.Fatal(err)
		}
		clock.forward(seldom)
		var titles []string
		for _, x := range l.finds(t, "reworded:mail/notice.html", "reworded:mail/notice.html") {
			titles = append(titles, x.Title)
			if !x.Once || x.Text == "" || x.URL == "" {
				t.Errorf("%+v", x)
			}
		}
		want := []string{"staff:ann edited the template mail/notice.html", "staff:ann took back the edit of the template mail/notice.html"}
		if slices.Sort(titles); !slices.Equal(titles, want) {
			t.Errorf("said %q, want %q", titles, want)
		}
	})
}
