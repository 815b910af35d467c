package console_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

// upload sends a file by the form of a notice's page.
func (w *browser) upload(id, file string, pairs ...string) page {
	w.b.t.Helper()
	return w.sendFile("/console/notices/"+id, "/console/notices/"+id+"/audience", strings.NewReader(file), pairs...)
}

// sendFile sends a form that ends with a file, while that is read.
func (w *browser) sendFile(from, to string, file io.Reader, pairs ...string) page {
	w.b.t.Helper()
	pairs = append([]string{"form", w.token(from)}, pairs...)
	body, in := io.Pipe()
	form := multipart.NewWriter(in)
	go func() {
		var err error
		for i := 0; i+1 < len(pairs) && err == nil; i += 2 {
			err = form.WriteField(pairs[i], pairs[i+1])
		}
		var part io.Writer
		if err == nil {
			part, err = form.CreateFormFile("file", "restored.csv")
		}
		if err == nil {
			_, err = io.Copy(part, file)
		}
		_ = in.CloseWithError(errors.Join(err, form.Close())) // nil ends it
	}()
	return w.raw(http.MethodPost, to, body, "Content-Type", form.FormDataContentType())
}

const restored = "a@example.com,Hello\na@example.com,Again\nb@example.com,Hi\nc@example.com,Yes\nbroken\n"

func TestANoticeGoesFromDraftToBeingSentWithAnotherPersonsWord(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		ann, kari, vera := b.enter(b.hire("ann", notifier.RoleAdmin)), b.enter(b.hire("kari", notifier.RoleApprover)), b.enter(b.hire("vera", notifier.RoleViewer))
		ann.send("/console/notices/new", "/console/notices/new", "title", "", "template", "blank").is(http.StatusUnprocessableEntity, "title")
		at := ann.send("/console/notices/new", "/console/notices/new", "title", "Restore of imap7", "template", "blank", "subject", "Restored: {{subject}}", "body", "All is back.\n\n{{rows}}").is(http.StatusSeeOther).header.Get("Location")
		here := strings.TrimSuffix(at, "?done=draft")
		id := here[strings.LastIndex(here, "/")+1:]
		ann.get(at).is(http.StatusOK, "Kept as a draft", "Nobody yet")
		ann.upload(id, restored, "map", "x").is(http.StatusUnprocessableEntity, "Which column is what&#34;: x")
		vera.get(here).is(http.StatusOK, "Nobody yet")
		ann.upload(id, restored).leads(here + "?done=audience")
		ann.get(here).is(http.StatusOK, "Send it to 3, leaving 1 row out", "the relay rests", "<li>DMARC: has none</li>", "<strong>SPF</strong>, in order: has one record", "Takes about (a guess)", "1 min", "no subject", "It waits then until 1 other person agrees")
		ann.get(here+"/preview?which=median").is(http.StatusOK, "To a@example.com", "Restored: Hello", "2 rows", "srcdoc=")
		ann.send(here, here+"/test", "to", "me@example.com", "which", "smallest").is(http.StatusOK, "250 for me@example.com: Restored: Hello")
		ann.get(here+"/preview?language=de&zone=Europe%2FOslo").is(http.StatusOK, " de Europe/Oslo", "<option selected>de")
		ann.send(here, here+"/test", "to", "later@example.com").is(http.StatusServiceUnavailable, "the relay rests", `href="/console/notices"`)
		ann.send(here, here+"/send", "expect", "3", "accept_rejects", "1", "accept_missing", "0", "halt_above", "no").is(http.StatusUnprocessableEntity, "no share of 100")
		ann.get(here+"/rejects.csv").is(http.StatusOK, "rejects of "+id)
		ann.send(here, here+"/send", "expect", "4", "accept_rejects", "1", "accept_missing", "0").is(http.StatusConflict, "4 recipients were expected")
		ann.send(here, here+"/send", "expect", "3", "accept_rejects", "1", "accept_missing", "0", "per_second", "x").is(http.StatusUnprocessableEntity)
		ann.send(here, here+"/send", "expect", "3", "accept_rejects", "1", "accept_missing", "0").leads(here + "?done=awaiting")
		ann.get(here).is(http.StatusOK, "Nobody else is on shift", "another person must")
		seen := ann.field(here, version)
		ann.send(here, here+"/approve", "version", seen).is(http.StatusConflict, "another person must")
		ann.send(here, here+"/approve", "do", "override").is(http.StatusUnprocessableEntity, "say why")
		vera.get(here).is(http.StatusOK, "It waits for the approval")
		kari.get(here).is(http.StatusOK, "Agree that it is sent to 3")
		kari.send(here, here+"/approve", "do", "override", "reason", "x").is(http.StatusForbidden)
		kari.send(here, here+"/approve", "version", seen).leads(here + "?done=approved")
		ann.get(here).is(http.StatusOK, "How far it has come", "staff:kari", "data-live=")
		now := ann.get("/console").is(http.StatusOK, `<a href="`+here+`">Restore of imap7</a><br><span class="soft">notice, `, "notice; 0 of 3 sent")
		if strings.Contains(now.body, "notice.sent") {
			t.Error("the first page calls a notice by the type of its event")
		}
		events, err := b.store.LatestEvents(t.Context(), "", 1)
		b.must(err)
		ann.get("/console/events/"+events[0].ID).is(http.StatusOK, "Restore of imap7", `<a href="`+here+`">The notice</a>`)
		ann.send(here, here+"/step", "do", "pause").leads(here + "?done=stopped")
		ann.get(here).is(http.StatusOK, "Let it go on")
		ann.send(here, here+"/rate", "per_second", "5").leads(here + "?done=changed")
		ann.send(here, here+"/step", "do", "resume").leads(here + "?done=goes-on")
		ann.send(here, here+"/step", "do", "explode").is(http.StatusUnprocessableEntity)
		ann.send(here, here+"/step", "do", "cancel").leads(here + "?done=cancelled")
		ann.get(here+"/report.csv").is(http.StatusOK, "report of "+id)
		ann.get("/console/notices").is(http.StatusOK, "Restore of imap7", "cancelled")
	})
}

func TestAScheduledNoticeIsMadeADraftAgainOnItsPage(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		ann := b.enter(b.hire("ann", notifier.RoleAdmin))
		at := ann.send("/console/notices/new", "/console/notices/new", "title", "Restore", "template", "blank", "subject", "Restored", "body", "All is back.").is(http.StatusSeeOther).header.Get("Location")
		here := strings.TrimSuffix(at, "?done=draft")
		id := here[strings.LastIndex(here, "/")+1:]
		ann.upload(id, restored).leads(here + "?done=audience")
		by := notifier.WithActor(t.Context(), notifier.Actor{Name: "staff:ann", Role: notifier.RoleAdmin})
		n, err := b.store.OrderNotice(by, id, notifier.NoticeOrder{Expect: 3, AcceptRejects: 1, At: b.Now().Add(time.Hour)}, 1000, notifier.Event{ID: "ev"})
		b.must(err)
		if n.State != notifier.NoticeScheduled {
			t.Fatalf("%+v", n)
		}
		ann.get(here).is(http.StatusOK, "It goes out at", "Make it a draft again", "Cancel it")
		ann.send(here, here+"/step", "do", "pause").leads(here + "?done=stopped")
		if n, err = b.store.Notice(t.Context(), id); err != nil || n.State != notifier.NoticeDraft || n.Recipients != 3 {
			t.Errorf("%+v, %v", n, err)
		}
	})
}

// version is the field that says which notice somebody looks at.
var version = regexp.MustCompile(`name="version" value="([0-9a-f]{16})"`)

func TestAPageLeftOpenApprovesNothingThatItDidNotShow(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		ann, kari := b.enter(b.hire("ann", notifier.RoleAdmin)), b.enter(b.hire("kari", notifier.RoleAdmin))
		at := ann.send("/console/notices/new", "/console/notices/new", "title", "Restore", "template", "blank", "subject", "Restored", "body", "All is back.").is(http.StatusSeeOther).header.Get("Location")
		here := strings.TrimSuffix(at, "?done=draft")
		id := here[strings.LastIndex(here, "/")+1:]
		ann.upload(id, restored).leads(here + "?done=audience")
		order := func() {
			ann.send(here, here+"/send", "expect", "3", "accept_rejects", "1", "accept_missing", "0").leads(here + "?done=awaiting")
		}
		order()
		seen := kari.field(here, version)
		body := "Nothing is back."
		_, err := b.store.ChangeNotice(notifier.WithActor(t.Context(), notifier.Actor{Name: "staff:ann", Role: notifier.RoleAdmin}), id, notifier.NoticeChange{Body: &body})
		b.must(err)
		order()
		for _, pairs := range [][]string{{"version", seen}, {"version", seen, "do", "override", "reason", "night"}, nil} {
			kari.send(here, here+"/approve", pairs...).is(http.StatusConflict, "it was changed since you looked at it")
		}
		n, err := b.store.Notice(t.Context(), id)
		b.must(err)
		if n.State != notifier.NoticeAwaiting || n.Approved != nil {
			t.Errorf("%s, approved %v", n.State, n.Approved)
		}
		kari.send(here, here+"/approve", "version", kari.field(here, version)).leads(here + "?done=approved")
	})
}

func TestAnAudienceIsWhoLivesOnAComponentWithoutThoseOfAnEarlierNoticeAndACanaryIsChosen(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		b.component("imap7", "imap7 mailboxes")
		w := b.enter(b.hire("ann", notifier.RoleAdmin))
		draft := func(title string) (here, id string) {
			here = strings.TrimSuffix(w.send("/console/notices/new", "/console/notices/new", "title", title, "template", "blank", "body", "x").is(http.StatusSeeOther).header.Get("Location"), "?done=draft")
			return here, strings.TrimPrefix(here, "/console/notices/")
		}
		first, earlier := draft("First")
		w.upload(earlier, "a@example.com,Hello\n")
		w.send(first, first+"/send", "expect", "1", "accept_rejects", "0", "accept_missing", "0").leads(first + "?done=ordered")
		here, id := draft("Second")
		w.get(here).is(http.StatusOK, `<option value="`+earlier+`">First</option>`, `<option value="imap7">imap7 mailboxes</option>`)
		w.send(here, here+"/members").is(http.StatusUnprocessableEntity, "choose a component")
		w.send(here, here+"/members", "members", "imap7", "exclude_notice", earlier).leads(here + "?done=members")
		send := func(pairs ...string) page {
			return w.send(here, here+"/send", append([]string{"expect", "1", "accept_rejects", "0", "accept_missing", "0"}, pairs...)...)
		}
		send("canary_share", "many").is(http.StatusUnprocessableEntity, "canary share", "no share of 100", `name="canary_share" value="many" aria-invalid="true"`, "<details open><summary>When, and how fast")
		send("canary_share", "NaN").is(http.StatusUnprocessableEntity, "no share of 100")
		send("canary_wait", "soon").is(http.StatusUnprocessableEntity, "canary wait", `value="soon"`)
		send("canary_share", "2.5 %", "canary_wait", "7").leads(here + "?done=ordered")
		n, err := b.store.Notice(t.Context(), id)
		b.must(err)
		if n.Order.Canary != 2.5 || n.Order.CanaryWait != 7*time.Minute {
			t.Errorf("%+v", n.Order)
		}
	})
}

func TestADraftIsChangedAndThrownAway(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleSender))
	here := strings.TrimSuffix(w.send("/console/notices/new", "/console/notices/new", "title", "One", "template", "blank", "body", "x").is(http.StatusSeeOther).header.Get("Location"), "?done=draft")
	w.send(here+"/edit", here+"/edit", "title", "Two", "template", "blank", "body", "y", "approvals", "1").leads(here + "?done=changed")
	w.send(here+"/edit", here+"/edit", "title", "Two", "template", "blank", "body", "y", "approvals", "0").is(http.StatusUnprocessableEntity, "only be raised")
	w.get(here).is(http.StatusOK, "Two")
	w.upload(here[strings.LastIndex(here, "/")+1:], "a@example.com,Hi\nb@example.com,gone on with\n").leads(here + "?done=audience&behind=2")
	w.get(here+"?done=audience&behind=2").is(http.StatusOK, "The file was read", "behind row 2")
	w.send(here, here+"/remove").leads("/console/notices?done=gone")
	w.get(here).is(http.StatusNotFound)
}

// What a browser is told while it looks is the live part of the page, and it
// ends with the notice.
func TestAFollowedNoticeIsToldAsItGoesOnAndEndsWithIt(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	here := strings.TrimSuffix(w.send("/console/notices/new", "/console/notices/new", "title", "One", "template", "blank", "body", "x").is(http.StatusSeeOther).header.Get("Location"), "?done=draft")
	w.upload(here[strings.LastIndex(here, "/")+1:], "a@example.com,Hi\n").leads(here + "?done=audience")
	w.send(here, here+"/send", "expect", "1", "accept_rejects", "0", "accept_missing", "0").leads(here + "?done=ordered")
	token := w.token(here)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.site.URL+here+"/live", nil)
	b.must(err)
	res, err := w.client.Do(r)
	b.must(err)
	defer func() { _ = res.Body.Close() }()
	if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatalf("%d, %s", res.StatusCode, kind)
	}
	told := bufio.NewScanner(res.Body)
	heard := ""
	for told.Scan() {
		heard += told.Text() + "\n"
		if strings.HasSuffix(heard, "\n\n") && strings.Count(heard, "event: part") == 1 && !strings.Contains(heard, "(asked)") {
			heard += "(asked)\n"
			w.do(http.MethodPost, here+"/step", map[string][]string{"form": {token}, "do": {"cancel"}}).leads(here + "?done=cancelled")
		}
	}
	if !strings.HasPrefix(heard, "event: part\ndata: <div id=\"live\">\n") || strings.Count(heard, "event: part") < 2 || !strings.HasSuffix(heard, "event: end\ndata: -\n\n") {
		t.Errorf("heard\n%s", heard)
	}
}

func TestAPageThatIsFollowedKeepsNobodySignedInAndEndsWithTheSession(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	here := strings.TrimSuffix(w.send("/console/notices/new", "/console/notices/new", "title", "One", "template", "blank", "body", "x").is(http.StatusSeeOther).header.Get("Location"), "?done=draft")
	w.upload(here[strings.LastIndex(here, "/")+1:], "a@example.com,Hi\n").leads(here + "?done=audience")
	w.send(here, here+"/send", "expect", "1", "accept_rejects", "0", "accept_missing", "0").leads(here + "?done=ordered")
	b.Advance(notifier.SessionIdle - time.Minute)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.site.URL+here+"/live", nil)
	b.must(err)
	res, err := w.client.Do(r)
	b.must(err)
	defer func() { _ = res.Body.Close() }()
	told := bufio.NewScanner(res.Body)
	if !told.Scan() || told.Text() != "event: part" {
		t.Fatalf("heard %q", told.Text())
	}
	b.Advance(time.Minute)
	for told.Scan() { // until it ends
	}
	w.get(here + "/live").leads("/console/sign-in?to=" + url.QueryEscape(here+"/live"))
}

func TestAnUploadNeedsAFormOfThisSessionBeforeItsFile(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleSender))
	for says, fields := range map[string][]string{"none": {}, "another's": {"form", "forged"}} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		for i := 0; i+1 < len(fields); i += 2 {
			b.must(form.WriteField(fields[i], fields[i+1]))
		}
		_, err := form.CreateFormFile("file", "x.csv")
		b.must(err)
		b.must(form.WriteField("form", w.token("/console/account"))) // behind the file it is too late
		b.must(form.Close())
		if got := w.raw(http.MethodPost, "/console/notices/nosuch/audience", &body, "Content-Type", form.FormDataContentType()); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", says, got.status)
		}
	}
	w.do(http.MethodPost, "/console/notices/nosuch/audience", map[string][]string{"form": {w.token("/console/account")}}).is(http.StatusBadRequest)
}

func TestAnUpdateWaitsForANoticeAndIsTakenBack(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("ann", notifier.RoleAdmin))
		incident := "/console/incidents/" + b.announce("imap7 is down")
		w.get(incident).is(http.StatusOK, "Write to those affected")
		id := strings.TrimPrefix(incident, "/console/incidents/")
		w.get("/console/notices/new?incident="+id).is(http.StatusOK, `value="`+id+`" selected`)
		here := strings.TrimSuffix(w.send("/console/notices/new", "/console/notices/new", "title", "Restore", "template", "blank", "body", "x", "incident", id).is(http.StatusSeeOther).header.Get("Location"), "?done=draft")
		notice := strings.TrimPrefix(here, "/console/notices/")
		at := incident + "/update"
		w.get(at).is(http.StatusOK, `value="tried `+notice+`"`, "when everybody was tried: Restore")
		form := []string{"status", "resolved", "severity", "minor", "body", "All {{notice.sent}} were told.", "after", "tried " + notice, "known", known(w.get(at))}
		wrong := append([]string{}, form...)
		wrong[5] = "{{notice.mood}}"
		w.send(at, at, append(wrong, "do", "preview")...).is(http.StatusUnprocessableEntity, "notice.mood")
		shown := w.send(at, at, append(form, "do", "preview")...).is(http.StatusOK, "All 0 were told.", "it waits for the notice Restore")
		once, seen := marks(shown)
		w.send(at, at, append(form, "do", "post", "once", once, "seen", seen)...).leads(incident + "?done=waits")
		page := w.get(incident).is(http.StatusOK, "Waits for a notice", "All {{notice.sent}} were told.", "waits until everyone was tried of notice", `<a href="`+here+`">Restore</a> (draft)`)
		if all := b.incidents(); len(all[0].Updates) != 1 || all[0].Status == notifier.Resolved {
			t.Errorf("%+v", all[0])
		}
		w.upload(notice, "a@example.com,Hello\n")
		w.send(here, here+"/send", "expect", "1", "accept_rejects", "0", "accept_missing", "0").leads(here + "?done=ordered")
		b.must(b.store.CancelNotice(t.Context(), notice))
		w.get(incident).is(http.StatusOK, "(cancelled)", "cannot be published any more")
		drop := regexp.MustCompile(incident + `/held/[^/"]+/drop`).FindString(page.body)
		w.send(incident, drop).leads(incident + "?done=dropped")
		w.send(incident, drop).is(http.StatusNotFound)
	})
}
