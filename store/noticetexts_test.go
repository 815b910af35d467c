package store_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"allclear/notifier"
)

// edit edits a template.
func (b *box) edit(name, text string) {
	b.t.Helper()
	edits, _, err := b.TemplateEdits(b.ctx)
	b.must(err)
	was := ""
	for _, e := range edits {
		if e.Name == name {
			was = notifier.HashTemplate(e.Text)
		}
	}
	b.must(b.SaveTemplate(b.ctx, notifier.TemplateEdit{Name: name, Text: text}, was))
}

// other is the embedded texts of which one file is another.
func other(file, text string, chosen bool) notifier.NoticeTexts {
	out := maps.Clone(embedded)
	out[file] = notifier.NoticeText{Hash: notifier.MakeNoticeText(file, text).Hash, Chosen: chosen}
	return out
}

const japanese = `{"notice.greeting": "様", "page.manage": "管理"}`

var embedded = notifier.NoticeTexts{
	"lang/ja.json": notifier.MakeNoticeText("lang/ja.json", japanese), "mail/layout.html": notifier.MakeNoticeText("mail/layout.html", "layout"), "mail/notice.html": notifier.MakeNoticeText("mail/notice.html", "notice"),
}

func TestANoticeOnItsWayHaltsByWhatWasChosenOfItsTextsOnly(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.must(b.SetNoticeTexts(b.ctx, embedded))
		b.ready("n", 11)
		_, err := b.OrderNotice(b.by("staff:ann", notifier.RoleSender), "n", notifier.NoticeOrder{Expect: 11}, 10, notifier.Event{ID: "n"})
		b.must(err)
		_, err = b.ApproveNotice(b.ctx, "n", notifier.Actor{Name: "staff:bob", Role: notifier.RoleApprover}, "", "", 10)
		b.must(err)
		b.tend()
		b.edit("lang/ja.json", `{"notice.greeting": "様",   "page.manage": "設定"}`)
		b.tend()
		b.in("n", notifier.NoticeSending)
		b.must(b.SetNoticeTexts(b.ctx, other("mail/notice.html", "of the next release", false)))
		b.tend()
		b.in("n", notifier.NoticeSending)
		b.must(b.SetNoticeTexts(b.ctx, other("mail/notice.html", "of the folder", true)))
		b.tend()
		b.in("n", notifier.NoticeHalted)
	})
}

func TestAnApprovalIsOfTheTextsThatANoticeIsWrittenBy(t *testing.T) {
	bob, cat := notifier.Actor{Name: "staff:bob", Role: notifier.RoleApprover}, notifier.Actor{Name: "staff:cat", Role: notifier.RoleApprover}
	eachBox(t, func(t *testing.T, b *box) {
		b.must(b.SetNoticeTexts(b.ctx, embedded))
		b.ready("n", 11)
		two := 2
		_, err := b.ChangeNotice(b.by("staff:ann", notifier.RoleSender), "n", notifier.NoticeChange{Approvals: &two})
		b.must(err)
		b.order("n", notifier.NoticeOrder{})
		b.edit("mail/digest.html", "not of notices")
		approve := func(who notifier.Actor, seen string) error {
			_, err := b.ApproveNotice(b.ctx, "n", who, "", seen, 10)
			return err
		}
		for what, change := range map[string]func(){
			"a layout that was edited": func() { b.edit("mail/layout.html", b.Now().String()) },
			"an edit that was taken back": func() {
				b.edit("lang/en.json", "x")
				b.must(b.DropTemplate(b.ctx, "lang/en.json", notifier.HashTemplate("x")))
				b.edit("mail/partials/rows.html", "x")
			},
			"a folder that holds other text": func() { b.must(b.SetNoticeTexts(b.ctx, other("mail/notice.html", b.Now().String(), true))) },
			"an update of the program":       func() { b.must(b.SetNoticeTexts(b.ctx, other("mail/notice.html", b.Now().String(), false))) },
		} {
			b.pass(time.Second)
			waits := b.in("n", notifier.NoticeAwaiting)
			seen := waits.Mark()
			b.must(approve(bob, seen))
			if n := b.in("n", notifier.NoticeAwaiting); len(n.Approved) != 1 || n.Mark() != seen {
				t.Fatalf("%s: %+v", what, n)
			}
			change()
			if n := b.in("n", notifier.NoticeAwaiting); n.Approved != nil || n.Mark() == seen {
				t.Errorf("%s: it is approved by %v", what, n.Approved)
			}
			listed, _, err := b.Notices(b.ctx, "", 10)
			b.must(err)
			if n := b.in("n", notifier.NoticeAwaiting); len(listed) != 1 || listed[0].Approved != nil || listed[0].Texts != n.Texts {
				t.Errorf("%s: the list has %+v", what, listed)
			}
			if err := approve(cat, seen); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("%s: %v", what, err)
			}
		}
		waits := b.in("n", notifier.NoticeAwaiting)
		b.must(approve(cat, waits.Mark()))
		b.must(approve(bob, ""))
		b.in("n", notifier.NoticeSending)
	})
}

func TestWhatWasApprovedDoesNotGoOutByOtherTexts(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.must(b.SetNoticeTexts(b.ctx, embedded))
		at := b.Now().Add(time.Hour)
		for _, id := range []string{"later", "now", "small"} {
			b.ready(id, 11)
			order, above := notifier.NoticeOrder{Expect: 11}, int64(10)
			if id == "small" {
				above = 11
			}
			if id == "later" {
				order.At = at
			}
			_, err := b.OrderNotice(b.by("staff:ann", notifier.RoleSender), id, order, above, notifier.Event{ID: id})
			b.must(err)
			if id != "small" {
				_, err = b.ApproveNotice(b.ctx, id, notifier.Actor{Name: "staff:bob", Role: notifier.RoleApprover}, "", "", 10)
				b.must(err)
			}
		}
		b.in("later", notifier.NoticeScheduled)
		b.edit("mail/notice.html", "x")
		b.tend()
		b.in("small", notifier.NoticeSending)
		if n := b.in("now", notifier.NoticeHalted); len(n.Approved) != 1 || n.Halted == "" {
			t.Errorf("%+v", n)
		}
		if err := b.ResumeNotice(b.ctx, "now"); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("one person lets it go on by texts that nobody agreed to: %v", err)
		}
		_, err := b.ApproveNotice(b.ctx, "now", notifier.Actor{Name: "staff:ann", Role: notifier.RoleApprover}, "", "", 10)
		if !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("whoever ordered it approves it: %v", err)
		}
		_, err = b.ApproveNotice(b.ctx, "now", notifier.Actor{Name: "staff:bob", Role: notifier.RoleApprover}, "", "", 10)
		b.must(err)
		b.in("now", notifier.NoticeHalted)
		b.must(b.ResumeNotice(b.ctx, "now"))
		b.tend()
		b.in("now", notifier.NoticeSending)
		b.edit("mail/notice.html", "y") // it is watched as before
		b.tend()
		b.in("now", notifier.NoticeHalted)
		_, err = b.ApproveNotice(b.ctx, "now", notifier.Actor{Name: "local:ann", Role: notifier.RoleAdmin}, "nobody else is awake", "", 10)
		b.must(err)
		b.must(b.ResumeNotice(b.ctx, "now"))
		b.tend()
		b.in("now", notifier.NoticeSending)
		b.in("later", notifier.NoticeAwaiting)
		_, err = b.ApproveNotice(b.ctx, "later", notifier.Actor{Name: "staff:bob", Role: notifier.RoleApprover}, "", "", 10)
		b.must(err)
		b.in("later", notifier.NoticeScheduled)
		b.pass(2 * time.Hour)
		b.tend()
		b.in("later", notifier.NoticeSending)
		if n := b.number(`SELECT count(*) FROM audit WHERE action = 'notice.await' AND subject = 'later' OR action = 'notice.halt' AND subject = 'now'`); n != 3 {
			t.Errorf("%d audits", n)
		}
	})
}

func TestACanaryThatGoesOnByOtherTextsIsACanaryStill(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.must(b.SetNoticeTexts(b.ctx, embedded))
		b.ready("n", 11)
		_, err := b.OrderNotice(b.by("staff:ann", notifier.RoleSender), "n", notifier.NoticeOrder{Expect: 11, Canary: 50}, 10, notifier.Event{ID: "n"})
		b.must(err)
		approve := func() {
			_, err := b.ApproveNotice(b.ctx, "n", notifier.Actor{Name: "staff:bob", Role: notifier.RoleApprover}, "", "", 10)
			b.must(err)
		}
		approve()
		for what, stop := range map[string]func(){
			"paused": func() { b.must(b.PauseNotice(b.ctx, "n")); b.edit("mail/notice.html", "paused") },
			"halted": func() { b.edit("mail/notice.html", "halted"); b.tend() },
		} {
			b.in("n", notifier.NoticeCanary)
			stop()
			if err := b.ResumeNotice(b.ctx, "n"); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("%s: %v", what, err)
			}
			approve()
			b.must(b.ResumeNotice(b.ctx, "n"))
		}
		if n := b.in("n", notifier.NoticeCanary); n.Halted != "" || n.Order.Needed != 1 {
			t.Errorf("%+v", n)
		}
	})
}
