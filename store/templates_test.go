package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

func TestAnEditedTextIsTheSameForAllAndMovesThePulse(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ctx := notifier.WithActor(b.ctx, notifier.Actor{Name: "ann"})
		pulse := func() int64 {
			p, err := b.Pulse(b.ctx)
			b.must(err)
			return p.Templates
		}
		if all, n, err := b.TemplateEdits(b.ctx); err != nil || len(all) != 0 || n != pulse() {
			t.Fatalf("%v, %d, %v", all, n, err)
		}
		before := pulse()
		b.must(b.SaveTemplate(ctx, notifier.TemplateEdit{Name: "mail/post.html", Text: "<p>{{.Title}} é</p>"}, ""))
		b.pass(time.Second)
		b.must(b.SaveTemplate(ctx, notifier.TemplateEdit{Name: "lang/de.json", Text: "{}"}, ""))
		all, n, err := b.TemplateEdits(b.ctx)
		b.must(err)
		if len(all) != 2 || all[0].Name != "lang/de.json" || all[1].Text != "<p>{{.Title}} é</p>" || all[1].By != "ann" || !all[0].At.Equal(b.time()) || n != before+2 || pulse() != n {
			t.Errorf("%+v, %d", all, n)
		}
		one := notifier.HashTemplate(all[1].Text)
		b.pass(time.Second)
		b.must(b.SaveTemplate(ctx, notifier.TemplateEdit{Name: "mail/post.html", Text: "two"}, one))
		b.pass(time.Second)
		b.must(b.DropTemplate(ctx, "mail/post.html", notifier.HashTemplate("two")))
		if all, n, err = b.TemplateEdits(b.ctx); err != nil || len(all) != 1 || n != before+4 {
			t.Errorf("%+v, %d, %v", all, n, err)
		}
		log, _, err := b.AuditLog(b.ctx, notifier.AuditQuery{Action: "template.", Limit: 10})
		b.must(err)
		var said []string
		for _, e := range slices.Backward(log) {
			said = append(said, e.Actor+" "+e.Action+" "+e.Subject+": "+e.Detail)
		}
		two := notifier.HashTemplate("two")
		if got := strings.Join(said, "\n"); got != "ann template.save mail/post.html: edit "+one+", before it none\nann template.save lang/de.json: edit "+notifier.HashTemplate("{}")+", before it none\n"+
			"ann template.save mail/post.html: edit "+two+", before it "+one+"\nann template.drop mail/post.html: edit none, before it "+two {
			t.Errorf("the audit says\n%s", got)
		}
	})
}

func TestNobodysEditIsWrittenOverUnseen(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		save := func(text, was string) error {
			return b.SaveTemplate(b.ctx, notifier.TemplateEdit{Name: "mail/post.html", Text: text}, was)
		}
		b.must(save("one", ""))
		for what, err := range map[string]error{
			"a second first edit": save("two", ""), "an edit of another text": save("two", notifier.HashTemplate("none")),
			"taking another back":      b.DropTemplate(b.ctx, "mail/post.html", notifier.HashTemplate("none")),
			"taking what is gone back": b.DropTemplate(b.ctx, "mail/test.html", notifier.HashTemplate("none")),
		} {
			if !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := b.DropTemplate(b.ctx, "mail/test.html", ""); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
		for _, e := range []notifier.TemplateEdit{{Name: "mail/post.html"}, {Text: "x"}} {
			if err := b.SaveTemplate(b.ctx, e, ""); err == nil {
				t.Errorf("%+v was taken", e)
			}
		}
		all, n, err := b.TemplateEdits(b.ctx)
		if err != nil || len(all) != 1 || all[0].Text != "one" || n != 1 {
			t.Errorf("%+v, %d, %v", all, n, err)
		}
	})
}
