package templates

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"allclear/notifier"
)

// told renders a story for a reader who was last sent told and missed since.
func told(t testing.TB, s *Set, tale notifier.Story, since, last int64) *notifier.Letter {
	t.Helper()
	v, ok := viewFor(tale.Event.Type)
	if !ok {
		t.Fatalf("no view for %s", tale.Event.Type)
	}
	l, err := s.letter(tale, circumstances{view: v, since: since, told: last, times: s.Times("", "")}, fingerprint(tale))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			t.Errorf("%q is missing in:\n%s", w, text)
		}
	}
}

func lacks(t *testing.T, text string, unwanted ...string) {
	t.Helper()
	for _, w := range unwanted {
		if strings.Contains(text, w) {
			t.Errorf("%q should not be in:\n%s", w, text)
		}
	}
}

func TestAnAllClearSaysHowLongItWentOnAndWhatItMeant(t *testing.T) {
	l := told(t, newSet(t), story("incident-resolved"), 7, 6)
	if l.Subject != "Resolved: imap7 does not answer" {
		t.Errorf("subject %q", l.Subject)
	}
	contains(t, l.Text, "for 2 h 14 min", "Mail was delayed by 5 to 10 minutes for 1 h 50 min.", "https://status.example.com/incidents/7kq2m9#u3")
	contains(t, l.HTML, "for 2 h 14 min", "Mail was delayed by 5 to 10 minutes for 1 h 50 min.")
	lacks(t, l.Text, "Major", "updates")
}

func TestAReaderWhoMissedUpdatesIsToldAllOfThemNewestFirst(t *testing.T) {
	l := told(t, newSet(t), story("incident-updated"), 5, 4)
	contains(t, l.Text, "3 updates since we last wrote to you", "17:28 UTC", "16:35 UTC", "16:11 UTC")
	a, b, c := strings.Index(l.Text, "Every mailbox"), strings.Index(l.Text, "A disk shelf"), strings.Index(l.Text, "cannot read")
	if a < 0 || b < a || c < b {
		t.Errorf("not newest first: %d %d %d", a, b, c)
	}
	fresh := told(t, newSet(t), story("incident-updated"), 5, 0)
	contains(t, fresh.Text, "3 updates so far")
	lacks(t, fresh.Text, "since we last wrote")
	one := told(t, newSet(t), story("incident-updated"), 7, 6)
	lacks(t, one.Text, "updates", "A disk shelf")
}

func TestAQuietUpdateComesAlongWithTheNextOneThatIsSent(t *testing.T) {
	tale := story("incident-updated")
	tale.Incident.Updates[1].Event = 0
	l := told(t, newSet(t), tale, 7, 5)
	contains(t, l.Text, "2 updates since we last wrote to you", "A disk shelf")
}

func TestASuperfluousSinceIsTakenForTheEventItself(t *testing.T) {
	s := newSet(t)
	for _, since := range []int64{0, 7, 8, -1} {
		lacks(t, told(t, s, story("incident-updated"), since, 6).Text, "A disk shelf")
	}
}

func TestACorrectionShowsTheUpdateItCorrects(t *testing.T) {
	tale := story("incident-corrected")
	tale.Event.UpdateID = "u1"
	tale.Incident.Updates[1].Event = 6 // told before
	l := told(t, newSet(t), tale, 7, 6)
	contains(t, l.Text, "cannot read their")
	contains(t, l.Subject, "Corrected: ")
}

func TestAnEventWithoutAnyUpdateIsStillAMail(t *testing.T) {
	for _, v := range views() {
		if v.on == "" {
			continue
		}
		tale := sampleStory(v)
		tale.Incident.Updates = nil
		l := told(t, newSet(t), tale, 7, 0)
		if !v.on.Personal() {
			contains(t, l.Text, tale.Incident.Title)
		}
	}
}

func TestThreadsAndLinksAreTheReaders(t *testing.T) {
	l := told(t, newSet(t), story("incident-updated"), 6, 5)
	if l.ThreadID != "7kq2m9" || l.EventID != "ev7sample" || l.PreviousID != "ev5sample" {
		t.Errorf("thread %q, event %q, previous %q", l.ThreadID, l.EventID, l.PreviousID)
	}
	if len(l.Blanks) != 2 || len(l.Blanks[0].Mark) != markSize || len(l.Blanks[1].Mark) != markSize {
		t.Fatalf("blanks %v", l.Blanks)
	}
	leave := "https://status.example.com/unsubscribe/" + l.Blanks[0].Mark
	if l.ListUnsubscribe != leave {
		t.Errorf("List-Unsubscribe %q", l.ListUnsubscribe)
	}
	contains(t, l.Text, "\n"+leave+"\n")
	contains(t, l.HTML, `href="`+leave+`"`)
	manage := "https://status.example.com/manage/" + l.Blanks[1].Mark
	contains(t, l.Text, "\n"+manage+"\n")
	contains(t, l.HTML, `href="`+manage+`"`)
	if told(t, newSet(t), story("incident-updated"), 6, 0).PreviousID != "" {
		t.Error("a reader who was told nothing has a previous mail")
	}
}

func TestAConfirmationHoldsOneLinkAndNothingThatAStrangerChose(t *testing.T) {
	l := told(t, newSet(t), story("confirm"), 7, 0)
	if l.ListUnsubscribe != "" || l.ThreadID != "" || len(l.Blanks) != 1 {
		t.Errorf("%+v", l)
	}
	contains(t, l.Text, "https://status.example.com/confirm/"+l.Blanks[0].Mark)
	lacks(t, l.HTML, "unsubscribe")
	if n := strings.Count(l.HTML, "href="); n != 2 { // the brand's own and the button
		t.Errorf("%d links", n)
	}
}

func TestWhatOneReaderAskedForHoldsItsLinkAndNothingThatAStrangerChose(t *testing.T) {
	for view, path := range map[string]string{"move-from": "/move/", "move-to": "/move/"} {
		l := told(t, newSet(t), story(view), 7, 0)
		if l.ListUnsubscribe != "" || l.ThreadID != "" || len(l.Blanks) != 1 {
			t.Errorf("%s: %+v", view, l)
		}
		contains(t, l.Text, "https://status.example.com"+path+l.Blanks[0].Mark)
		if n := strings.Count(l.HTML, "href="); n != 2 { // the brand's own and the button
			t.Errorf("%s: %d links", view, n)
		}
	}
	l := told(t, newSet(t), story("owner"), 7, 0)
	contains(t, l.Text, "https://status.example.com/manage/"+l.Blanks[0].Mark, "https://status.example.com/unsubscribe/"+l.Blanks[0].Mark)
	if l.ListUnsubscribe != "" {
		t.Error("a mail program's own button would end a group's subscription")
	}
}

// It follows from a subscription, as the others do not: whoever gets it may want to leave.
func TestTheMailWithTheLinkToASubscriptionLeadsToLeavingToo(t *testing.T) {
	l := told(t, newSet(t), story("link"), 7, 0)
	if len(l.Blanks) != 2 || l.ThreadID != "" || l.ListUnsubscribe != "https://status.example.com/unsubscribe/"+l.Blanks[1].Mark {
		t.Fatalf("%+v", l)
	}
	contains(t, l.Text, "https://status.example.com/manage/"+l.Blanks[0].Mark+"\n", "Stop these mails:\n"+l.ListUnsubscribe+"\n")
	contains(t, l.HTML, `href="`+l.ListUnsubscribe+`"`)
	lacks(t, l.Text, "because this address follows") // it may have left, and asks how things are
	if n := strings.Count(l.HTML, "href="); n != 3 { // the brand's own, the button, leaving
		t.Errorf("%d links", n)
	}
}

func TestAConfirmationSaysHowLongItIsGoodForAndWhatItIsAbout(t *testing.T) {
	s := newSet(t)
	contains(t, told(t, s, story("confirm"), 7, 0).Text, "The link works for 7 days.")
	lacks(t, told(t, s, story("confirm"), 7, 0).Text, "one thing only")
	only := story("confirm")
	only.Incident.ID, only.Incident.Title = "7kq2m9", "imap7 does not answer"
	l := told(t, s, only, 7, 0)
	contains(t, strings.Join(strings.Fields(l.Text), " "), "one thing only: imap7 does not answer. When it is over, these mails end by themselves.")
	if l.ThreadID != "" || l.ListUnsubscribe != "" || len(l.Blanks) != 1 {
		t.Errorf("%+v", l)
	}
}

func TestALinkForASecondAddressSaysWhoseItIs(t *testing.T) {
	s := newSet(t)
	lacks(t, told(t, s, story("link"), 7, 0).Text, "second address")
	tale := story("link")
	tale.First = "a…@own.example"
	l := told(t, s, tale, 7, 0)
	contains(t, strings.Join(strings.Fields(l.Text), " "), "the second address of the subscription of a…@own.example", "Open the page of this address")
	lacks(t, l.Text, "everything that we keep")
}

func TestATestMailIsForOneReader(t *testing.T) {
	l, err := newSet(t).Test("de", "Europe/Oslo")
	if err != nil || l.Key != "" || len(l.Blanks) != 0 || l.ListUnsubscribe != "" {
		t.Fatalf("%+v, %v", l, err)
	}
	contains(t, l.Text, "Mo., 23. Nov. 2026, 18:30 UTC (19:30 CET)")
}

func TestNobodyCanWriteAMarkIntoAText(t *testing.T) {
	s := newSet(t)
	tale := story("incident-opened")
	first := told(t, s, tale, 7, 0)
	tale.Incident.Updates[0].Body = "My link is " + first.Blanks[0].Mark
	second := told(t, s, tale, 7, 0)
	if second.Blanks[0].Mark == first.Blanks[0].Mark || second.Key == first.Key {
		t.Error("the text holds the letter's own mark")
	}
}

func TestImpactIsSaidInSentences(t *testing.T) {
	s := newSet(t)
	f := func(v float64) *float64 { return &v }
	for _, c := range []struct {
		i      notifier.Impact
		over   bool
		lasted string
		want   string
	}{
		{notifier.Impact{}, false, "", ""},
		{notifier.Impact{DelayMinMinutes: f(5), DelayMaxMinutes: f(10)}, false, "", "Mail is delayed by 5 to 10 minutes."},
		{notifier.Impact{DelayMinMinutes: f(5), DelayMaxMinutes: f(10)}, true, "", "Mail was delayed by 5 to 10 minutes."},
		{notifier.Impact{DelayMinMinutes: f(5), DelayMaxMinutes: f(5)}, true, "", "Mail was delayed by 5 minutes."},
		{notifier.Impact{DelayMinMinutes: f(0), DelayMaxMinutes: f(1)}, true, "", "Mail was delayed by up to 1 minute."},
		{notifier.Impact{DelayMaxMinutes: f(2.5)}, false, "", "Mail is delayed by up to 2.5 minutes."},
		{notifier.Impact{DelayMinMinutes: f(30)}, false, "", "Mail is delayed by at least 30 minutes."},
		{notifier.Impact{DelayMinMinutes: f(45), DelayMaxMinutes: f(150)}, true, "", "Mail was delayed by 45 minutes to 2 h 30 min."},
		{notifier.Impact{AffectedShare: f(0.12), ErrorRate: f(0.005)}, true, "", "12% of users were affected. 0.5% of requests failed."},
		{notifier.Impact{PerSecond: f(1200)}, false, "", "The rate is 1,200 a second."},
		{notifier.Impact{DelayMinMinutes: f(0), DelayMaxMinutes: f(10)}, true, "1 h 5 min", "Mail was delayed by up to 10 minutes for 1 h 5 min."},
		{notifier.Impact{DelayMinMinutes: f(0), DelayMaxMinutes: f(0), ErrorRate: f(0), AffectedShare: f(0), PerSecond: f(0)}, false, "", ""},
		{notifier.Impact{DelayMaxMinutes: f(0)}, true, "1 h", ""},
		{notifier.Impact{DelayMinMinutes: f(0)}, false, "", ""},
		{notifier.Impact{DelayMaxMinutes: f(0.04), ErrorRate: f(0.0004), AffectedShare: f(0.0034)}, false, "", "Mail is delayed by up to 0.04 minutes. 0.34% of users are affected. 0.04% of requests fail."},
		{notifier.Impact{ErrorRate: f(0.5)}, true, "1 h 5 min", "50% of requests failed."},
	} {
		if got := strings.Join(s.Times("en", "").impact(c.i, c.over, c.lasted), " "); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// A mail tells the figures as they stand, as the page does, whatever its own
// update said of them.
func TestAMailTellsTheFiguresThatAnUpdateLeftAsTheyWere(t *testing.T) {
	s, tale := newSet(t), story("incident-updated")
	share := 0.1
	tale.Incident.Impact.AffectedShare = &share
	tale.Incident.Updates[0].Impact.AffectedShare = &share
	tale.Incident.Updates[2].Impact = notifier.Impact{}
	l := told(t, s, tale, 7, 6)
	contains(t, l.Text, "Mail is delayed by 5 to 10 minutes.", "10% of users are affected.")
	contains(t, l.HTML, "Mail is delayed by 5 to 10 minutes.", "10% of users are affected.")
	lacks(t, told(t, s, story("incident-opened"), 7, 6).Text, "delayed") // by a later update
}

func TestNoMailIsSoLargeThatProvidersCutIt(t *testing.T) {
	s := newSet(t)
	many := story("incident-resolved")
	var updates []notifier.Update
	for i := range 60 {
		u := many.Incident.Updates[0]
		u.ID, u.Event, u.At = fmt.Sprint("m", i), int64(i+1), u.At.Add(time.Duration(i)*time.Minute)
		u.Body = strings.Repeat("Some words of an update. ", 200)
		updates = append(updates, u)
	}
	many.Incident.Updates, many.Event.Number = updates, 60
	one := story("post")
	one.Incident.Updates[0].Body = strings.Repeat("`a` ", 5000)
	for name, l := range map[string]*notifier.Letter{"many": told(t, s, many, 1, 0), "one": told(t, s, one, 7, 0)} {
		if len(l.HTML) >= 102*1024 {
			t.Errorf("%s: %d bytes", name, len(l.HTML))
		}
		contains(t, l.Text, "on the page")
	}
	text := told(t, s, many, 1, 0).Text
	contains(t, text, "60 updates so far", "older updates are left out here")
	if !strings.Contains(text, "#m59") {
		t.Error("the newest update is not linked")
	}
}

func TestEveryMailIsFitForMailPrograms(t *testing.T) {
	s := newSet(t)
	for _, v := range views() {
		for _, lang := range languageCodes(t) {
			l, err := s.RenderSample(v.name, lang, "Asia/Kathmandu")
			if err != nil {
				t.Fatal(err)
			}
			contains(t, l.HTML, `<html lang="`+lang+`" dir="`+messagesOf(t, lang)["language.dir"]+`">`, "@media (prefers-color-scheme: dark)", `name="viewport"`)
			lacks(t, l.HTML, "<img", "<script", "<link", "held", "$accent", "ZgotmplZ", "data-premailer", "<no value>")
			z := html.NewTokenizer(strings.NewReader(l.HTML))
			for z.Next() != html.ErrorToken {
				tok := z.Token()
				if tok.Type == html.StartTagToken && tok.Data == "table" && !strings.Contains(tok.String(), `role="presentation"`) {
					t.Errorf("%s: %s is no layout table", v.name, tok)
				}
			}
			for _, line := range strings.Split(l.Text, "\n") {
				if columns(line) > textWidth && strings.Contains(line, " ") {
					t.Errorf("%s: a line of %d columns: %s", v.name, columns(line), line)
				}
			}
		}
	}
}

func TestMaintenanceSaysWhenItIsAndHowLongItTook(t *testing.T) {
	s := newSet(t, func(o *Options) { o.Zone = mustZone(t, "Europe/Oslo") })
	contains(t, told(t, s, story("maintenance-scheduled"), 7, 0).Text,
		"Start: Tue 24 Nov 2026, 02:00 UTC (03:00 CET)", "End: Tue 24 Nov 2026, 04:00 UTC (05:00 CET) · 2 h")
	contains(t, told(t, s, story("maintenance-extended"), 7, 6).Text, "longer than planned", "End: Tue 24 Nov 2026, 05:00 UTC")
	contains(t, told(t, s, story("maintenance-completed"), 7, 6).Text, "It took 2 h 2 min.")
	open := story("maintenance-scheduled")
	open.Incident.EndsAt, open.Incident.Updates[0].EndsAt = time.Time{}, time.Time{}
	lacks(t, told(t, s, open, 7, 0).Text, "End:", "0001")
}

func TestAReaderWhoWasToldThatItIsOverIsToldInWordsThatItIsNot(t *testing.T) {
	s, words := newSet(t), "We said that this was over; it is not."
	again := func(change func(*notifier.Story)) notifier.Story {
		tale := story("incident-updated")
		reopen(&tale)
		change(&tale)
		return tale
	}
	plain := func(*notifier.Story) {}
	l := told(t, s, again(plain), 7, 6)
	if l.Subject != "Open again: imap7 does not answer" {
		t.Errorf("subject %q", l.Subject)
	}
	contains(t, l.Text, words, "Open again · Investigating")
	for about, c := range map[string]struct {
		tale        notifier.Story
		since, last int64
	}{
		"never told":    {again(plain), 5, 0},
		"not told that": {again(plain), 6, 5},
		"kept quiet":    {again(func(s *notifier.Story) { s.Incident.Updates[1].Event = 0 }), 7, 5},
		"over again":    {again(func(s *notifier.Story) { s.Incident.Updates[2].Status = notifier.Resolved }), 7, 6},
		"told of the reopening": {again(func(s *notifier.Story) {
			s.Incident.Updates[0].Status, s.Incident.Updates[1].Status = notifier.Resolved, notifier.Identified
		}), 7, 6},
		"not over before": {story("incident-updated"), 7, 6},
	} {
		l := told(t, s, c.tale, c.since, c.last)
		if strings.Contains(l.Text, words) || strings.Contains(l.Subject, "again") {
			t.Errorf("%s: %s\n%s", about, l.Subject, l.Text)
		}
	}
	missed := again(func(s *notifier.Story) {
		s.Incident.Updates[0].Status, s.Incident.Updates[1].Status = notifier.Resolved, notifier.Investigating
	})
	contains(t, told(t, s, missed, 6, 5).Text, words, "2 updates since")
}

func TestUpdatesWithoutWordsAreNotSaidTwice(t *testing.T) {
	s := newSet(t)
	tale := story("maintenance-completed")
	silence(&tale, 1, 2)
	text := told(t, s, tale, 6, 5).Text
	if n := strings.Count(text, "Maintenance completed"); n != 1 {
		t.Errorf("said %d times:\n%s", n, text)
	}
	contains(t, text, "1 update since we last wrote to you\n", "\nMaintenance under way 02:02 UTC\n\nAffected: imap7")
	// All of them the same and without words: the mail's own state says it.
	same := story("incident-updated")
	silence(&same, 1, 2)
	same.Incident.Updates[1].Status = same.Incident.Updates[2].Status
	text = told(t, s, same, 6, 5).Text
	lacks(t, text, "update since", "updates since")
	contains(t, text, "As of: Mon 23 Nov 2026, 17:28 UTC")
	// Several heads in a row stand apart as others do.
	bare := story("incident-updated")
	silence(&bare, 0, 1)
	contains(t, told(t, s, bare, 5, 4).Text, "\n\nIdentified 16:35 UTC\n\nInvestigating 16:11 UTC\n\nAffected:")
}

func TestAWithdrawalAmongSeveralUpdatesIsCalledOne(t *testing.T) {
	text := told(t, newSet(t), story("incident-retracted"), 6, 5).Text
	contains(t, text, "2 updates since", "\nWithdrawn 18:25 UTC\n", "\nIdentified 16:35 UTC\n")
}
