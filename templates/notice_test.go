package templates

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"allclear/notifier"
)

// everybody is a source of recipients.
type everybody struct {
	mu      sync.Mutex
	who     map[int64]notifier.Recipient
	trouble error
}

func (e *everybody) Recipient(_ context.Context, notice string, place int64) (notifier.Recipient, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.trouble != nil {
		return notifier.Recipient{}, e.trouble
	}
	r, ok := e.who[place]
	if !ok {
		return r, fmt.Errorf("notice %s, place %d: %w", notice, place, notifier.ErrNotFound)
	}
	return r, nil
}

// noticeRenderer renders a notice for these recipients.
func noticeRenderer(t testing.TB, n notifier.Notice, who ...notifier.Recipient) (*Renderer, *everybody) {
	t.Helper()
	people := &everybody{who: map[int64]notifier.Recipient{}}
	for _, r := range who {
		people.who[r.Place] = r
	}
	story := notifier.Story{Notice: n, Event: notifier.Event{
		Number: 9, ID: "ev9notice", Type: notifier.NoticeSent, Lane: notifier.LaneBulk, NoticeID: n.ID, AcceptedAt: sampleNow(),
	}}
	from := &shelf{stories: map[int64]notifier.Story{9: story}}
	s := newSet(t, func(o *Options) {
		o.Stories, o.Links, o.Recipients, o.Phones = from, tokens{markSize}, people, phones{shortSize}
	})
	return s.Renderer(), people
}

func noticeDelivery(r notifier.Recipient) notifier.Delivery {
	return notifier.Delivery{
		ID: notifier.MakeDeliveryID(9, notifier.RecipientReader(r.Place)), Lane: notifier.LaneBulk, Channel: r.Channel, Address: r.Address, AcceptedAt: sampleNow(),
	}
}

func TestEveryNoticeReadsAsTheGoldenFilesSay(t *testing.T) {
	s := newSet(t)
	zones := map[string]string{"en": "Europe/Oslo", "de": "Europe/Berlin", "es": "America/Bogota", "fr": "UTC", "ja": "Asia/Tokyo", "ar": "Africa/Cairo"}
	for _, lang := range s.Languages() {
		for _, name := range notifier.NoticeTemplates {
			l, err := s.RenderSample(name, lang, zones[lang])
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "notice-"+name+"."+lang+".txt", "Subject: "+l.Subject+"\n\n"+l.Text)
			golden(t, "notice-"+name+"."+lang+".html", l.HTML)
		}
	}
}

func TestARecipientIsSentTheirOwnRows(t *testing.T) {
	n, r := sampleNotice(notifier.RestoreCompleted)
	r.Language, r.Timezone = "de", "Europe/Berlin"
	renderer, _ := noticeRenderer(t, n, r)
	m := render(t, renderer, noticeDelivery(r))
	l := m.Letter
	if l.Key != "" || len(l.Blanks) != 0 || len(m.Fill) != 0 || l.ListUnsubscribe != "" || l.Lane != notifier.LaneBulk || l.EventID != "ev9notice" || l.ThreadID != n.IncidentID {
		t.Errorf("%+v", l)
	}
	if m.To != r.Address || m.Channel != notifier.Email || m.Delivery.Reader() != notifier.RecipientReader(17) {
		t.Errorf("%+v", m)
	}
	if l.Subject != "Wiederherstellung abgeschlossen: imap7, 23 November" {
		t.Errorf("subject %q", l.Subject)
	}
	contains(t, l.Text, "3 Nachrichten sind wieder", "Betreff: Minutes of Thursday", "Datum: 23. Nov. 2026, 09:12 UTC (10:12 CET)", "size: 18,4", "Ihr Konto ingrid betroffen", "https://status.example.com/incidents/7kq2m9")
	contains(t, l.HTML, "Re: &lt;invoice&gt; &amp; receipt", "1.204")
	lacks(t, l.HTML, "unsubscribe", "\ue002", "%EE%80%82")
}

func TestATextThatLooksLikeATimeOrANumberIsPrintedAsItWasWritten(t *testing.T) {
	s := newSet(t)
	n, r := sampleNotice(notifier.RestoreCompleted)
	r.Language = "de"
	r.Rows = r.Rows[:1]
	at := sampleAt(9, 12)
	r.Rows[0] = []notifier.Field{{Name: "subject", Text: "2026-11-20", Value: at}, r.Rows[0][1], {Name: "folder", Text: "2026", Value: 2026.0}, {Name: "ticket", Text: "10023456"}, figure("count", "1204")}
	n.Body = "In {{folder}}: {{ticket}}, {{count}}.\n\n{{rows}}"
	l, err := s.Notice(n, r)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, l.Text, "In 2026: 10023456, 1.204.", "Betreff: 2026-11-20", "Ordner: 2026")
	lacks(t, l.Text+l.HTML, "2.026", "10.023.456")
}

func TestEveryColumnThatTheLanguagesNameHoldsTextButTheDate(t *testing.T) {
	for _, c := range wordedColumns() {
		if notifier.TextColumn(c) == (c == "date") {
			t.Errorf("%s: %v", c, notifier.TextColumn(c))
		}
	}
}

func TestARecipientWhoIsNotThereOrLacksAFieldFailsForGoodAndTroubleOfTheStoreDoesNot(t *testing.T) {
	n, r := sampleNotice(notifier.RestoreCompleted)
	other := r
	other.Place, other.Address = 18, "b@example.com"
	other.Rows = [][]notifier.Field{r.Rows[0], r.Rows[1][:2]}
	renderer, people := noticeRenderer(t, n, r, other)
	fails := func(d notifier.Delivery, permanent bool, fault notifier.Fault, want string) {
		t.Helper()
		_, err := renderer.Render(context.Background(), d)
		var se *notifier.SendError
		if !errors.As(err, &se) || se.Permanent != permanent || se.Fault != fault || se.Stage != "render" || !strings.Contains(err.Error(), want) {
			t.Errorf("%v", err)
		}
		if err != nil && (strings.Contains(err.Error(), "ingrid") || strings.Contains(err.Error(), "@")) {
			t.Errorf("it names a person, and is written to the log: %v", err)
		}
	}
	fails(noticeDelivery(other), true, notifier.FaultRecipient, `recipient 18 has no "folder" in row 2`)
	nobody := noticeDelivery(r)
	nobody.ID = notifier.MakeDeliveryID(9, notifier.RecipientReader(99))
	fails(nobody, true, notifier.FaultRecipient, "find recipient 99")
	elsewhere := noticeDelivery(r)
	elsewhere.Address = "someone@example.net"
	fails(elsewhere, true, notifier.FaultRecipient, "is not whom the delivery is for")
	hook := r
	hook.Place, hook.Channel, hook.Address = 19, notifier.Webhook, "https://example.com/hook"
	people.who[19] = hook
	fails(noticeDelivery(hook), true, notifier.FaultRecipient, "by mail and SMS only")
	people.trouble = errors.New("database is locked")
	fails(noticeDelivery(r), false, notifier.FaultRelay, "database is locked")
}

func TestWhatIsPreparedOnceIsNotPreparedAgainForTheNextRecipient(t *testing.T) {
	n, r := sampleNotice(notifier.AccountAffected)
	second := r
	second.Place, second.Address, second.Account = 18, "b@example.com", "berit"
	renderer, _ := noticeRenderer(t, n, r, second)
	a, b := render(t, renderer, noticeDelivery(r)), render(t, renderer, noticeDelivery(second))
	if renderer.notices.order.Len() != 1 {
		t.Errorf("%d prepared notices", renderer.notices.order.Len())
	}
	contains(t, a.Letter.Text, "account=ingrid", "Mail to *ingrid*")
	contains(t, b.Letter.Text, "account=berit", "Mail to *berit*")
	lacks(t, b.Letter.HTML+b.Letter.Text+b.Letter.Subject, "ingrid")
}

func TestATextThatCannotBeReadFailsForGoodAndIsNotTriedForEver(t *testing.T) {
	n, r := sampleNotice(notifier.AccountAffected)
	n.Template, n.Body = notifier.BlankNotice, ""
	renderer, _ := noticeRenderer(t, n, r)
	_, err := renderer.Render(t.Context(), noticeDelivery(r))
	var se *notifier.SendError
	if !errors.As(err, &se) || !se.Permanent || !strings.Contains(err.Error(), "body: is empty") {
		t.Errorf("%v", err)
	}
}
