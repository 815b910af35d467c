package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestEverythingAboutAnEndpointIsChangedOnItsPage(t *testing.T) {
	d := newDoors(t)
	d.part("imap7", "IMAP seven")
	who, page := d.proven("https://hooks.slack.com/services/T/B/x")
	d.send(page, "do", "save", "components", "imap7", "types", "post.published", "severity", "critical", "format", "", "timezone", "Asia/Kathmandu", "language", "de").
		says(http.StatusOK, `<html lang="de"`, "Ihre Auswahl ist gespeichert", `value="imap7" checked`, `value="post.published" checked`, `value="slack" selected`)
	got := d.who(who.Number)
	if fmt.Sprint(got.Filter) != "{[imap7] critical []  [post.published] false}" || got.Format != notifier.FormatSlack || got.Timezone != "Asia/Kathmandu" || got.Language != "de" || got.Address != who.Address || got.Contact != who.Contact {
		t.Errorf("became %+v", got)
	}
	fields := []string{"do", "save", "severity", "none", "language", "en"}
	for _, x := range notifier.Announcements {
		fields = append(fields, "types", string(x))
	}
	d.send(page, fields...).says(http.StatusOK, "Your choices are saved")
	if got := d.who(who.Number); len(got.Filter.Types) != 0 || len(got.Filter.Components) != 0 {
		t.Errorf("all of them became %+v", got.Filter)
	}
	for _, c := range [][2]string{{"types", "nosuch"}, {"components", "nosuch"}, {"severity", "x"}, {"format", "xml"}, {"timezone", "Mars/Base"}, {"language", "xx"}} {
		d.send(page, "do", "save", "contact", "eve@example.com", "language", "en", c[0], c[1]).says(http.StatusUnprocessableEntity, "Something could not be done", `href="#field-`+c[0]+`"`)
	}
	if got := d.who(who.Number); got.Contact != who.Contact || got.Language != "en" {
		t.Errorf("became %+v", got)
	}
}

func TestAnotherFormatIsSavedOnlyWhereTheEndpointTakesATestInIt(t *testing.T) {
	d := newDoors(t)
	who, page := d.proven("https://example.com/hook")
	d.formats, d.answers = nil, []notifier.Attempt{{Status: http.StatusBadRequest, Answer: "no blocks here"}}
	d.send(page, "do", "save", "format", "slack", "severity", "major", "language", "en").
		says(http.StatusUnprocessableEntity, "did not take a test in this format", "no blocks here", `href="#field-format"`)
	if got := d.who(who.Number); got.Format != notifier.FormatStandard || got.Filter.Severity != notifier.SeverityNone {
		t.Errorf("became %+v", got)
	}
	d.send(page, "do", "save", "format", "slack", "language", "en").says(http.StatusOK, "Your choices are saved")
	d.send(page, "do", "save", "format", "slack", "severity", "major", "language", "en").says(http.StatusOK, "Your choices are saved")
	if got := d.who(who.Number); got.Format != notifier.FormatSlack || got.Filter.Severity != notifier.SeverityMajor {
		t.Errorf("became %+v", got)
	}
	if fmt.Sprint(d.formats) != "[slack slack]" { // what stays as it is need not be tried
		t.Errorf("tests went out as %v", d.formats)
	}
}

func TestAnEndpointIsPausedUntilADayAndResumed(t *testing.T) {
	d := newDoors(t)
	who, page := d.proven("https://example.com/hook")
	d.send(page, "do", "pause", "until", "2026-11-30").says(http.StatusOK, "The endpoint is paused", "paused until Sun 29 Nov 2026, 23:00 UTC (Mon 30 Nov, 00:00 CET)")
	if got := d.who(who.Number); got.State != subscribers.Paused || !got.PausedUntil.Equal(time.Date(2026, 11, 29, 23, 0, 0, 0, time.UTC)) {
		t.Errorf("became %+v", got)
	}
	for range 2 {
		d.send(page, "do", "resume").says(http.StatusOK, "The endpoint is called again")
	}
	d.send(page, "do", "pause", "until", "yesterday").says(http.StatusUnprocessableEntity, "Choose a day from tomorrow on", `aria-describedby="wrong-until"`)
	if d.state(who.Number) != subscribers.Active {
		t.Errorf("it is %s", d.state(who.Number))
	}
}

// missed makes a delivery of an incident to an endpoint that was not sent yet.
func (d *doorHouse) missed(who subscribers.Subscriber) notifier.DeliveryID {
	d.t.Helper()
	d.post(notifier.Announcement{Title: "Mail is late"})
	for {
		slice, err := d.store.ExpandSlice(d.t.Context(), 100)
		if err != nil {
			d.t.Fatal(err)
		}
		if slice.Idle {
			break
		}
	}
	all, _, err := d.store.Deliveries(d.t.Context(), notifier.DeliveryQuery{Address: who.Address, Limit: 10})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, x := range all { // the contact's mails stand under the endpoint, too
		if x.Channel == notifier.Webhook {
			return x.ID
		}
	}
	d.t.Fatalf("nothing was made for %s: %+v", who.Address, all)
	return 0
}

func TestOneMessageIsSentAgainAndNobodyElses(t *testing.T) {
	d := newDoors(t)
	who, page := d.proven("https://example.com/hook")
	id := d.missed(who)
	d.send(page, "do", "replay", "delivery", id.String()).says(http.StatusOK, "It is sent again")
	for _, other := range []string{"", "x", "1-999", notifier.MakeDeliveryID(id.Event(), id.Reader()+1).String(), notifier.MakeDeliveryID(9999, int64(who.Number)).String()} {
		d.send(page, "do", "replay", "delivery", other).says(http.StatusUnprocessableEntity, "not kept any more")
	}
	d.send(page, "do", "pause").says(http.StatusOK)
	d.send(page, "do", "replay", "delivery", id.String()).says(http.StatusUnprocessableEntity, "not possible as the endpoint stands")
}

func TestWhatWasMissedIsSentAgainByTheOwnersClock(t *testing.T) {
	d := newDoors(t)
	_, page := d.proven("https://example.com/hook") // 17:11 UTC, 18:11 in Oslo
	d.ask(http.MethodGet, page, "").says(http.StatusOK, "By the clock of Europe/Oslo. It is now Mon 23 Nov 2026, 17:11 UTC (18:11 CET).")
	d.send(page, "do", "pause").says(http.StatusOK)
	d.post(notifier.Announcement{Title: "Mail is late"})
	for {
		slice, err := d.store.ExpandSlice(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		if slice.Idle {
			break
		}
	}
	d.send(page, "do", "resume").says(http.StatusOK)
	for _, bad := range []string{"", "now", "2026-11-23T18:12", "2026-08-01T00:00", "2026-02-30T00:00"} {
		d.send(page, "do", "recover", "since", bad).says(http.StatusUnprocessableEntity, "Choose a time in the past", `aria-describedby="hint-since wrong-since"`)
	}
	d.send(page, "do", "recover", "since", "2026-11-23T18:00").says(http.StatusOK, "One message is sent again")
	d.send(page, "do", "recover", "since", "2026-11-23T18:00").says(http.StatusOK, "Nothing is left to be sent again")
}

func TestWhatWasPostedIsShownInPages(t *testing.T) {
	d := newDoors(t)
	who, page := d.proven("https://example.com/hook")
	for i := range 30 {
		d.pass(time.Minute)
		if _, err := d.kept.NoteTest(t.Context(), who.Number, notifier.Attempt{Type: notifier.EndpointTest, At: d.clock(), Status: 200 + i}); err != nil {
			t.Fatal(err)
		}
	}
	first := d.ask(http.MethodGet, page, "").says(http.StatusOK, ">229<", ">210<", "<caption", `scope="col"`, `scope="row"`, "Older").silent(">209<", "Back to the newest")
	_, next, ok := strings.Cut(first.text, `href="`+page+"?attempts=")
	next, _, _ = strings.Cut(next, `#attempts"`)
	if !ok {
		t.Fatalf("no link to older ones: %s", first.text)
	}
	d.ask(http.MethodGet, page+"?attempts="+next, "").says(http.StatusOK, ">209<", "Back to the newest").silent(">210<")
	d.ask(http.MethodGet, page+"?attempts=made-up%00", "").says(http.StatusOK, ">229<")
}

func TestAnEndpointThatStaffSwitchedOnIsLookedAfterAsAnyOther(t *testing.T) {
	d := newDoors(t)
	s := subscribers.Subscriber{Channel: notifier.Webhook, Address: "https://example.com/hook", Contact: "ops@example.com", State: subscribers.Active, CreatedAt: d.clock()}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	who, err := d.store.AddSubscriber(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	page := d.page(who)
	got := d.ask(http.MethodGet, page, "").says(http.StatusOK, "It is called as chosen below", "Send a test", "Make a new secret").silent("Show the secret")
	d.send(page, "do", "secret").says(http.StatusUnprocessableEntity, "answer a test first").silent("whsec_")
	d.send(page, "do", "rotate", "mark", got.hidden().Get("mark")).says(http.StatusOK, "There is a new secret", "whsec_")
	d.send(page, "do", "test").says(http.StatusOK, "The endpoint took the test")
}

func TestAnEndpointIsRemovedAndBroughtBack(t *testing.T) {
	d := newDoors(t)
	who, page := d.proven("https://example.com/hook")
	leave := "/unsubscribe/" + d.links.TokenAbout(subscribers.ForUnsubscribe, who.Number, time.Time{}, who.Contact)
	d.ask(http.MethodGet, page, "").says(http.StatusOK, leave, "Remove this endpoint")
	d.ask(http.MethodGet, leave, "").says(http.StatusOK, "Remove this endpoint?")
	left := d.send(leave).says(http.StatusOK, "The endpoint is removed", "Undo")
	d.send(leave).says(http.StatusOK, "The endpoint is removed")
	if d.state(who.Number) != subscribers.Unsubscribed {
		t.Errorf("it is %s", d.state(who.Number))
	}
	d.ask(http.MethodGet, page, "").says(http.StatusOK, "has been removed").silent("Send a test", leave)
	for _, do := range []string{"test", "rotate", "token", "save", "pause", "resume", "replay", "recover"} {
		d.send(page, "do", do, "severity", "none").says(http.StatusUnprocessableEntity).silent("whsec_", "whtk_")
	}
	_, undo, _ := strings.Cut(left.text, `action="/undo/`)
	undo, _, _ = strings.Cut(undo, `"`)
	d.send("/undo/"+undo).says(http.StatusOK, "Welcome back")
	if d.state(who.Number) != subscribers.Active {
		t.Errorf("it is %s", d.state(who.Number))
	}
	d.ask(http.MethodGet, page+"/data.json", "").says(http.StatusOK, "https://example.com/hook", `"format": "standard"`, `"types": []`, `"quiet": ""`).silent("whsec_")
	d.send(page+"/erase").says(http.StatusOK, "Everything is erased")
	d.ask(http.MethodGet, page, "").says(http.StatusGone)
	d.ask(http.MethodPost, d.contactLink(who), "").says(http.StatusGone)
}
