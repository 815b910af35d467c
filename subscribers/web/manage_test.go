package web_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

const formType = "application/x-www-form-urlencoded"

func (h *house) manageLink(n subscribers.Number) string {
	return "/manage/" + h.links.Token(subscribers.ForManage, n, h.clock().Add(subscribers.ManageLife))
}

func (h *house) ownerLink(n subscribers.Number) string {
	return "/manage/" + h.links.TokenAbout(subscribers.ForOwner, n, h.clock().Add(subscribers.ManageLife), h.who(n).Contact)
}

// send presses a button: pairs of field and value.
func (h *house) send(path string, fields ...string) shown {
	h.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return h.ask(http.MethodPost, path, form.Encode(), "Content-Type", formType)
}

func (h *house) who(n subscribers.Number) subscribers.Subscriber {
	h.t.Helper()
	s, err := h.store.whole.Subscriber(h.t.Context(), n)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *house) part(key, name string) {
	h.t.Helper()
	if err := h.store.AddComponent(h.t.Context(), notifier.Component{Key: key, Name: name, State: notifier.Operational, CreatedAt: h.clock()}); err != nil {
		h.t.Fatal(err)
	}
}

// waits lists the addresses and types of mails that wait for single readers.
func (h *house) waits() (out []string) {
	h.t.Helper()
	for {
		slice, err := h.store.ExpandSlice(h.t.Context(), 100)
		if err != nil {
			h.t.Fatal(err)
		}
		if slice.Idle {
			break
		}
	}
	all, _, err := h.store.Deliveries(h.t.Context(), notifier.DeliveryQuery{Limit: 200})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, d := range all {
		story, err := h.store.Story(h.t.Context(), d.ID.Event())
		if err != nil {
			h.t.Fatal(err)
		}
		if story.Event.Type.Personal() {
			out = append(out, d.Address+" "+string(story.Event.Type))
		}
	}
	return out
}

func TestASubscriberChangesEverythingOnOnePage(t *testing.T) {
	h := newHouse(t)
	h.part("imap7", "IMAP seven")
	h.part("web", "The web")
	n := h.reader("ann@example.com", subscribers.Active)
	link := h.manageLink(n)
	h.ask(http.MethodGet, link, "").says(http.StatusOK, "ann@example.com", "Your subscription", "IMAP seven", "Mails come as chosen", `value="all" checked`).silent(`value="imap7" checked`)
	h.send(link, "do", "save", "scope", "some", "components", "imap7", "components", "gone", "kinds", "incident", "kinds", "post",
		"severity", "major", "cadence", "milestones", "timezone", " Europe/Oslo ", "language", "de").
		says(http.StatusOK, "Ihre Auswahl ist gespeichert", `<html lang="de"`, `value="some" checked`, `value="imap7" checked`, `value="milestones" checked`, `value="Europe/Oslo"`)
	s := h.who(n)
	if fmt.Sprintln(s.Filter.Components, s.Filter.Kinds, s.Filter.Severity, s.Cadence, s.Timezone, s.Language) != "[imap7] [incident post] major milestones Europe/Oslo de\n" || s.State != subscribers.Active {
		t.Errorf("became %+v", s)
	}
	h.send(link, "do", "save", "scope", "all", "components", "imap7", "kinds", "incident", "kinds", "post", "kinds", "maintenance", "severity", "none", "cadence", "instant", "timezone", "", "language", "").
		says(http.StatusOK, "Your choices are saved")
	if s := h.who(n); s.Filter.Components != nil || s.Filter.Kinds != nil || s.Timezone != "" || s.Language != "" {
		t.Errorf("became %+v", s)
	}
}

func TestASubscriberChoosesWhenDigestsCome(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	save := func(more ...string) shown {
		return h.send(h.manageLink(n), append([]string{"do", "save", "scope", "all", "kinds", "incident", "severity", "none", "timezone", "Europe/Oslo", "language", ""}, more...)...)
	}
	save("cadence", "weekly", "hour", "0", "weekday", "sunday", "critical", "true", "all_quiet", "true").
		says(http.StatusOK, `value="weekly" checked`, `<option value="0" selected>`, `<option value="sunday" selected>`, `name="critical" value="true" checked`, `name="all_quiet" value="true" checked`)
	hour, err := subscribers.HourOf(0)
	if s := h.who(n); err != nil || s.Schedule() != (subscribers.Schedule{Cadence: subscribers.Weekly, Hour: hour, Weekday: "sunday", Timezone: "Europe/Oslo"}) || !s.Critical || !s.AllQuiet {
		t.Errorf("became %+v", s)
	}
	save("cadence", "daily", "hour", "", "weekday", "").says(http.StatusOK, `value="daily" checked`, `<option value="" selected>`).silent(`name="critical" value="true" checked`)
	if s := h.who(n); s.Hour != 0 || s.Weekday != "" || s.Critical || s.AllQuiet {
		t.Errorf("became %+v", s)
	}
}

func TestADigestCanBeChosenOnTheForm(t *testing.T) {
	h := newHouse(t)
	h.signUp(url.Values{"address": {"ann@example.com"}, "cadence": {"monthly"}, "hour": {"7"}, "weekday": {"friday"}, "critical": {"true"}, "all_quiet": {"true"}, "timezone": {"Asia/Kathmandu"}}).says(http.StatusOK)
	h.answer()
	if s := h.find("ann@example.com"); s.Cadence != subscribers.Monthly || s.Hour.String() != "7" || s.Weekday != "friday" || !s.Critical || !s.AllQuiet {
		t.Errorf("became %+v", s)
	}
	h.signUp(url.Values{"address": {"bob@example.com"}, "cadence": {"weekly"}, "hour": {"25"}, "weekday": {"x"}, "critical": {"perhaps"}, "all_quiet": {"on"}}).
		says(http.StatusUnprocessableEntity, `href="#subscribe-hour"`, `href="#subscribe-weekday"`, `href="#subscribe-critical"`, `href="#subscribe-all_quiet"`)
}

func TestThePageLeadsToLeavingToo(t *testing.T) {
	h := newHouse(t)
	reader, owner := h.reader("ann@example.com", subscribers.Active), h.group("list@example.com", "owner@example.com")
	for n, page := range map[subscribers.Number]string{reader: h.manageLink(reader), owner: h.ownerLink(owner)} {
		_, rest, _ := strings.Cut(h.ask(http.MethodGet, page, "").text, `href="/unsubscribe/`)
		token, _, _ := strings.Cut(rest, `"`)
		h.send("/unsubscribe/"+token).says(http.StatusOK, " unsubscribed</h1>")
		if got := h.who(n).State; got != subscribers.Unsubscribed {
			t.Errorf("%s is %s", n, got)
		}
		h.ask(http.MethodGet, page, "").silent(`href="/unsubscribe/`)
	}
}

func TestWhatCannotBeSavedIsNamedByItsFieldAndNothingIs(t *testing.T) {
	h := newHouse(t)
	h.part("web", "The web")
	n := h.reader("ann@example.com", subscribers.Active)
	link, before := h.manageLink(n), h.who(n)
	good := map[string]string{"do": "save", "scope": "all", "kinds": "incident", "severity": "none", "cadence": "instant", "hour": "", "weekday": "", "timezone": "", "language": ""}
	for name, c := range map[string]struct{ field, value, problem string }{
		"no part":             {"scope", "some", "field-components"},
		"no kind":             {"kinds", "gossip", "field-kinds"},
		"a severity":          {"severity", "huge", "field-severity"},
		"a cadence":           {"cadence", "hourly", "field-cadence"},
		"an hour":             {"hour", "24", "field-hour"},
		"a day of the week":   {"weekday", "someday", "field-weekday"},
		"a zone":              {"timezone", "Mars/<b>Base", "field-timezone"},
		"a zone of this host": {"timezone", "Local", "field-timezone"},
		"a language":          {"language", "klingon!", "field-language"},
		"one without texts":   {"language", "xx", "field-language"},
	} {
		var fields []string
		for k, v := range good {
			if k == c.field {
				v = c.value
			}
			fields = append(fields, k, v)
		}
		got := h.send(link, fields...).says(http.StatusUnprocessableEntity, "Something could not be saved", `<a href="#`+c.problem+`"`, `id="`+c.problem+`"`).silent("<b>Base")
		if c.field == "timezone" && !strings.Contains(got.text, `value="`+html.EscapeString(c.value)) {
			t.Errorf("%s: what was entered is lost", name)
		}
	}
	if after := h.who(n); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("became %+v", after)
	}
}

func TestAllThatCannotBeSavedIsToldAtOnceAndShownAsItWasEntered(t *testing.T) {
	h := newHouse(t)
	h.part("web", "The web")
	n := h.reader("ann@example.com", subscribers.Active)
	h.send(h.manageLink(n), "do", "save", "scope", "some", "severity", "huge", "cadence", "hourly", "timezone", "Mars/Base", "language", "xx").
		says(http.StatusUnprocessableEntity, `href="#field-components"`, `href="#field-kinds"`, `href="#field-severity"`, `href="#field-cadence"`, `href="#field-timezone"`, `href="#field-language"`, `value="Mars/Base"`, `value="some" checked`).
		silent(`value="incident" checked`, `value="maintenance" checked`, `value="post" checked`)
}

func TestAPauseLastsUntilItsDayBeginsWhereTheReaderLives(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	link := h.manageLink(n)
	h.send(link, "do", "save", "scope", "all", "kinds", "incident", "severity", "none", "cadence", "instant", "timezone", "Asia/Kathmandu").says(http.StatusOK)
	h.send(link, "do", "pause", "until", "2026-12-01").says(http.StatusOK, "Mails are paused", "18:15 UTC", "Resume mails")
	if s := h.who(n); s.State != subscribers.Paused || !s.PausedUntil.Equal(time.Date(2026, 11, 30, 18, 15, 0, 0, time.UTC)) {
		t.Errorf("became %+v", s)
	}
	for _, day := range []string{"2026-11-23", "2026-11-24", "2025-12-01", "2029-01-01", "soon", "2026-13-01", "2026-12-01T00:00:00Z"} {
		want := http.StatusUnprocessableEntity
		if day == "2026-11-24" { // tomorrow
			want = http.StatusOK
		}
		h.send(link, "do", "pause", "until", day).says(want)
	}
	h.send(link, "do", "pause", "until", "").says(http.StatusOK, "until you resume them")
	if s := h.who(n); s.State != subscribers.Paused || !s.PausedUntil.IsZero() {
		t.Errorf("became %+v", s)
	}
	h.send(link, "do", "resume").says(http.StatusOK, "Mails come again")
	h.send(link, "do", "resume").says(http.StatusOK, "Mails come again") // pressed twice, it is done
	if h.state(n) != subscribers.Active {
		t.Errorf("became %s", h.state(n))
	}
}

func TestAReaderSeesWhatWasSentAndWhatBecameOfIt(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	h.ask(http.MethodGet, h.manageLink(n), "").says(http.StatusOK, "Nothing was sent yet")
	i := h.post(notifier.Announcement{Title: "Mail is <late>"})
	h.waits()
	h.ask(http.MethodGet, h.manageLink(n), "").says(http.StatusOK, "<caption", `<th scope="col">`, `<th scope="row"`, "Mail is &lt;late&gt;", "/incidents/"+i.ID, "On its way")
}

func TestADownloadHoldsEverythingAndIsNotKeptOnTheWay(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	h.post(notifier.Announcement{Title: "Mail is late"})
	h.waits()
	got := h.ask(http.MethodGet, h.manageLink(n)+"/data.json", "").says(http.StatusOK)
	if got.header.Get("Content-Type") != "application/json; charset=utf-8" || !strings.Contains(got.header.Get("Content-Disposition"), "attachment") || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", got.header)
	}
	var data struct {
		Subscriber struct {
			Address, State string
			Components     []string
		}
		Deliveries []struct{ Title, State string }
	}
	if err := json.Unmarshal([]byte(got.text), &data); err != nil {
		t.Fatal(err)
	}
	if data.Subscriber.Address != "ann@example.com" || data.Subscriber.State != "active" || len(data.Deliveries) != 1 || data.Deliveries[0].Title != "Mail is late" {
		t.Errorf("%s", got.text)
	}
	h.send(h.manageLink(n)+"/data.json", "do", "save").says(http.StatusMethodNotAllowed)
}

func TestErasingTakesAPageOfItsOwnAndOneButton(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	link := h.manageLink(n)
	got := h.ask(http.MethodGet, link+"/erase", "").says(http.StatusOK, "Erase everything about this address?")
	if got.says(http.StatusOK, `<button class="danger">Erase everything</button>`, `<a href="`+link+`">Keep everything</a>`); strings.Count(got.text, "<button") != 1 {
		t.Errorf("%d buttons", strings.Count(got.text, "<button"))
	}
	h.ask(http.MethodGet, link, "").says(http.StatusOK, `<a class="button danger" href="`+link+`/erase">`)
	h.send(link+"/erase").says(http.StatusOK, "Everything is erased")
	if _, err := h.store.whole.Subscriber(t.Context(), n); !errors.Is(err, notifier.ErrNotFound) {
		t.Errorf("%v", err)
	}
	undo, move := h.links.Token(subscribers.ForUndo, n, time.Time{}), h.links.Token(subscribers.ForMoveFrom, n, time.Time{})
	for _, path := range []string{link, link + "/erase", h.confirmLink(n), "/undo/" + undo, "/move/" + move} {
		h.ask(http.MethodGet, path, "").says(http.StatusGone, "Nothing is kept under this link any more").silent("too old", "limited time")
		h.send(path).says(http.StatusGone, "Nothing is kept under this link any more")
	}
	h.ask(http.MethodGet, link+"/data.json", "").says(http.StatusGone, "Nothing is kept")
	h.ask(http.MethodPost, h.leaveLink(n), "").says(http.StatusOK, "You are unsubscribed").silent("Undo")
}

func TestNothingButItsOwnTokenOpensAPage(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	good := h.links.Token(subscribers.ForManage, n, time.Time{})
	others := []string{"x", good[:43], good + "A", strings.Repeat("A", 44), subscribers.NewLinks([]byte("another service's secret, 32 byte")).Token(subscribers.ForManage, n, time.Time{})}
	for _, p := range []subscribers.Purpose{subscribers.ForConfirm, subscribers.ForUnsubscribe, subscribers.ForMoveFrom, subscribers.ForMoveTo, subscribers.ForUndo, subscribers.ForOwner} {
		others = append(others, h.links.Token(p, n, time.Time{})) // its owner's, too: it reads alone
	}
	for i := range good {
		flipped := []byte(good)
		if flipped[i]++; flipped[i] > 'z' {
			flipped[i] = 'A'
		}
		if s := string(flipped); !strings.ContainsAny(s, "{[\\]^`:;<=>?@./") {
			others = append(others, s)
		}
	}
	for _, token := range others {
		for _, path := range []string{"/manage/" + token, "/manage/" + token + "/erase", "/manage/" + token + "/data.json"} {
			if got := h.ask(http.MethodGet, path, ""); got.status != http.StatusNotFound {
				t.Errorf("GET %s: %d", path, got.status)
			}
		}
		for _, path := range []string{"/manage/" + token, "/manage/" + token + "/erase"} {
			if got := h.send(path, "do", "pause"); got.status != http.StatusNotFound {
				t.Errorf("POST %s: %d", path, got.status)
			}
		}
	}
	for _, p := range []subscribers.Purpose{subscribers.ForConfirm, subscribers.ForUnsubscribe, subscribers.ForManage, subscribers.ForMoveFrom, subscribers.ForMoveTo, subscribers.ForOwner} {
		h.send("/undo/" + h.links.Token(p, n, time.Time{})).says(http.StatusNotFound)
	}
	if h.state(n) != subscribers.Active {
		t.Errorf("became %s", h.state(n))
	}
}

func TestAFormFromElsewhereOrThatIsNoneChangesNothing(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	link := h.manageLink(n)
	for _, path := range []string{link, link + "/erase", "/link", "/undo/" + h.links.Token(subscribers.ForUndo, n, time.Time{}), "/move/" + h.links.Token(subscribers.ForMoveFrom, n, time.Time{})} {
		h.ask(http.MethodPost, path, "do=pause&address=a@example.com", "Content-Type", formType, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example").says(http.StatusForbidden, "This came from another site")
		h.ask(http.MethodPost, path, "do=pause&x="+strings.Repeat("x", 100<<10), "Content-Type", formType).says(http.StatusRequestEntityTooLarge, "too much at once")
		h.ask(http.MethodPost, path, "do=%ff", "Content-Type", formType).says(http.StatusBadRequest, "This could not be read")
		h.ask(http.MethodPost, path, "do=%zz", "Content-Type", formType).says(http.StatusBadRequest)
		h.ask(http.MethodPost, path, "--x", "Content-Type", "multipart/form-data; boundary=x").says(http.StatusBadRequest)
		h.ask(http.MethodDelete, path, "").says(http.StatusMethodNotAllowed, "not used that way")
	}
	h.send(link, "do", "everything").says(http.StatusBadRequest)
	h.send(link).says(http.StatusBadRequest)
	if h.state(n) != subscribers.Active || len(h.lost.all) != 0 {
		t.Errorf("became %s, asked %v", h.state(n), h.lost.all)
	}
}

func TestWhatASubscriptionIsDecidesWhatCanBeDoneWithIt(t *testing.T) {
	h := newHouse(t)
	for state, c := range map[subscribers.State]struct {
		says string
		can  map[string]int
	}{
		subscribers.Pending:      {"not confirmed yet", map[string]int{"pause": 422, "resume": 422, "move": 422, "save": 422}},
		subscribers.Paused:       {"Mails are paused", map[string]int{"move": 200, "pause": 200, "save": 200, "resume": 200}},
		subscribers.Quarantined:  {"came back", map[string]int{"pause": 422, "resume": 422, "save": 200, "move": 200}},
		subscribers.Unsubscribed: {"has left", map[string]int{"pause": 422, "resume": 422, "move": 422, "save": 422}},
	} {
		n := h.reader(string(state)+"@example.com", state)
		h.ask(http.MethodGet, h.manageLink(n), "").says(http.StatusOK, c.says)
		for _, do := range []string{"move", "pause", "save", "resume"} {
			h.send(h.manageLink(n), "do", do, "address", "new"+string(state)+"@example.com", "scope", "all", "kinds", "post", "severity", "none", "cadence", "instant").says(c.can[do])
		}
		if got := h.state(n); got != state && (state != subscribers.Paused || got != subscribers.Active) {
			t.Errorf("%s became %s", state, got)
		}
	}
}
