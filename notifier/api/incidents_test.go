package api_test

import (
	"net/http"
	"strings"
	"testing"

	"allclear/notifier"
)

func TestAnOpenedIncidentIsAnsweredWithItsAddressAndEvent(t *testing.T) {
	b := newBench(t)
	b.component("imap7")
	got := b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"imap7 does not answer","severity":"major",
		"components":["imap7"],"body":"Since {{at \"-20m\"}}, seen at 15:51.","impact":{"delay_min_minutes":5,"delay_max_minutes":10}}`).is(http.StatusCreated)
	id := got.text("id")
	if url := got.text("url"); url != "https://status.example.com/incidents/"+id {
		t.Errorf("url %q", url)
	}
	if at := got.header.Get("Location"); at != "/api/v1/incidents/"+id {
		t.Errorf("Location %q", at)
	}
	for path, want := range map[string]any{
		"kind": "incident", "severity": "major", "status": "investigating", "state": "published", "components.0": "imap7",
		"opened_at": "2026-11-23T16:11:00.123456Z", "resolved_at": nil, "starts_at": nil, "impact.delay_max_minutes": 10.0,
		"updates.0.body": `Since {{at "2026-11-23T15:51:00.123456Z"}}, seen at 15:51.`, "updates.0.event_id": got.text("event_id"),
	} {
		if v := got.field(path); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
	if w := got.text("warnings.0"); !strings.Contains(w, "15:51 has no time zone") {
		t.Errorf("warning %q", w)
	}
	event := b.as(notifier.RoleViewer, http.MethodGet, "/events/"+got.text("event_id"), "").is(http.StatusOK)
	if event.text("type") != "incident.created" || event.text("state") != "expanding" || event.field("first_sent_at") != nil {
		t.Errorf("event %s", event.body)
	}
}

func TestAQuietIncidentHasNoEvent(t *testing.T) {
	b := newBench(t)
	for _, body := range []string{`{"title":"x","notify":false}`, `{"title":"x","state":"draft"}`} {
		if got := b.as(notifier.RolePoster, http.MethodPost, "/incidents", body).is(http.StatusCreated); got.field("event_id") != nil {
			t.Errorf("%s caused event %v", body, got.field("event_id"))
		}
	}
}

func TestAnIncidentLivesFromItsOpeningToItsAllClear(t *testing.T) {
	b := newBench(t)
	id := b.incident(`{"title":"Mail is late","severity":"minor"}`)
	first := b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+id+"/updates", `{"status":"identified","body":"A disk failed.","severity":"major"}`).is(http.StatusCreated)
	if first.text("incident_id") != id || first.text("event_id") == "" || first.text("severity") != "major" {
		t.Errorf("update %s", first.body)
	}
	if at := first.header.Get("Location"); at != "/api/v1/incidents/"+id {
		t.Errorf("Location %q", at)
	}
	quiet := b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+id+"/updates", `{"body":"Still at it.","notify":false}`).is(http.StatusCreated)
	if quiet.field("event_id") != nil {
		t.Errorf("a quiet update caused event %v", quiet.field("event_id"))
	}
	last := b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+id+"/updates", `{"status":"resolved","body":"All clear.","components":null}`).is(http.StatusCreated)

	got := b.as(notifier.RoleViewer, http.MethodGet, "/incidents/"+id, "").is(http.StatusOK)
	if got.text("status") != "resolved" || got.text("resolved_at") == "" || got.text("event_id") != last.text("event_id") {
		t.Errorf("incident %s", got.body)
	}
	if got.text("updates.1.event_id") != first.text("event_id") || got.field("updates.2.event_id") != nil || got.text("updates.3.event_id") != last.text("event_id") {
		t.Errorf("the updates do not name their events: %s", got.body)
	}
}

func TestACorrectionMailsNobodyAndNullTakesAway(t *testing.T) {
	b := newBench(t)
	b.component("web")
	id := b.incident(`{"title":"Web moves","kind":"maintenance","components":["web"],"body":"Soon.","starts_at":"2026-12-01T02:00:00+01:00","ends_at":"2026-12-01T03:00:00Z"}`)
	got := b.as(notifier.RolePoster, http.MethodPatch, "/incidents/"+id, `{"title":"Web moves house","ends_at":null,"components":null,"severity":"minor"}`).is(http.StatusOK)
	if got.text("title") != "Web moves house" || got.field("ends_at") != nil || got.text("starts_at") != "2026-12-01T01:00:00Z" ||
		len(got.field("components").([]any)) != 0 || got.field("event_id") != nil || got.text("severity") != "minor" {
		t.Errorf("corrected to %s", got.body)
	}
	uid := got.text("updates.0.id")
	fixed := b.as(notifier.RolePoster, http.MethodPatch, "/incidents/"+id+"/updates/"+uid, `{"body":"At 02:00.","at":"2026-11-22T00:00:00Z"}`).is(http.StatusOK)
	if fixed.text("body") != "At 02:00." || fixed.text("at") != "2026-11-22T00:00:00Z" || !strings.Contains(fixed.text("warnings.0"), "02:00") {
		t.Errorf("corrected to %s", fixed.body)
	}
	b.as(notifier.RolePoster, http.MethodPatch, "/incidents/"+id, `{"starts_at":null}`).problem(422, "starts_at", "needs a start")
	b.as(notifier.RolePoster, http.MethodPatch, "/incidents/"+id, `{"title":null}`).problem(422, "title", "cannot be null")
	b.as(notifier.RolePoster, http.MethodPatch, "/incidents/"+id, `{"notify":true}`).problem(422, "notify", "nothing is corrected")
	b.as(notifier.RolePoster, http.MethodPatch, "/incidents/"+id+"/updates/"+uid, `{"notify":true}`).problem(422, "notify", "nothing is corrected")
	told := b.as(notifier.RolePoster, http.MethodPatch, "/incidents/"+id+"/updates/"+uid, `{"body":"At two.","notify":true}`).is(http.StatusOK)
	if told.text("event_id") == "" {
		t.Errorf("nobody is told of %s", told.body)
	}
	b.as(notifier.RolePoster, http.MethodPatch, "/incidents/"+id+"/updates/nosuch", `{"body":"x"}`).problem(404, "", "")
}

func TestADraftGoesOutOnceAndAMistakeIsWithdrawn(t *testing.T) {
	b := newBench(t)
	id := b.incident(`{"title":"Only a test","state":"draft"}`)
	got := b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+id+"/publish", "").is(http.StatusOK)
	if got.text("state") != "published" || got.text("event_id") == "" {
		t.Errorf("published as %s", got.body)
	}
	b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+id+"/publish", `{"notify":false}`).problem(409, "", "only a draft can be published")
	got = b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+id+"/retract", `{"body":"Sorry.","notify":true}`).is(http.StatusOK)
	if got.text("state") != "retracted" || got.text("event_id") == "" {
		t.Errorf("retracted as %s", got.body)
	}
	b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+id+"/retract", "").problem(409, "", "retracted already")
	b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+id+"/updates", `{"body":"x"}`).problem(409, "", "was retracted")

	silent := b.incident(`{"title":"Another"}`)
	if got := b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+silent+"/retract", "").is(http.StatusOK); got.field("event_id") != nil {
		t.Errorf("a mistake was mailed unasked: %s", got.body)
	}
}

func TestIncidentsComeInPagesNewestFirst(t *testing.T) {
	b := newBench(t)
	for _, title := range []string{"one", "two", "three"} {
		b.incident(`{"title":"` + title + `"}`)
	}
	b.incident(`{"title":"post","kind":"post","body":"Hello."}`)
	b.incident(`{"title":"draft","state":"draft"}`)
	var titles []string
	cursor := ""
	for pages := 0; pages < 5; pages++ {
		got := b.as(notifier.RoleViewer, http.MethodGet, "/incidents?kind=incident&state=published&open=true&limit=2&cursor="+cursor, "").is(http.StatusOK)
		for _, i := range got.field("items").([]any) {
			titles = append(titles, i.(map[string]any)["title"].(string))
		}
		next, more := got.field("next").(string)
		if cursor = next; !more {
			break
		}
	}
	if strings.Join(titles, " ") != "three two one" {
		t.Errorf("listed %v", titles)
	}
}

func TestBadIncidentsAreRefusedByFieldAndNothingIsWritten(t *testing.T) {
	b := newBench(t)
	b.component("imap7")
	for name, c := range map[string]struct {
		body   string
		status int
		field  string
		says   string
	}{
		"no body at all":          {"", 400, "", "the body is empty"},
		"malformed JSON":          {"{\n \"title\": \"x\",\n}", 400, "", "line 3"},
		"cut JSON":                {`{"title":"x"`, 400, "", "line 1"},
		"not an object":           {`["title"]`, 400, "", "must be a JSON object"},
		"something behind it":     {`{"title":"x"} {}`, 400, "", "after top-level value"},
		"broken UTF-8":            {"{\"title\":\"\xff\"}", 400, "", "not valid UTF-8"},
		"NUL":                     {`{"title":"a\u0000b"}`, 422, "title", "NUL"},
		"half a surrogate":        {`{"title":"a\ud800b"}`, 422, "title", "broken UTF-8"},
		"unknown field":           {`{"title":"x","colour":"red"}`, 422, "colour", "is not a known field; known are title, kind"},
		"unknown field deeper":    {`{"title":"x","impact":{"pain":1}}`, 422, "impact.pain", "is not a known field"},
		"field in other case":     {`{"Title":"x"}`, 422, "Title", "is not a known field"},
		"empty title":             {`{"title":"  "}`, 422, "title", "must not be empty"},
		"no title":                {`{"body":"x"}`, 422, "title", "must not be empty"},
		"line break in title":     {`{"title":"a\r\nBcc: x@example.com"}`, 422, "title", "control character"},
		"long title":              {`{"title":"` + strings.Repeat("x", 201) + `"}`, 422, "title", "at most 200"},
		"unknown component":       {`{"title":"x","components":["imap7","nosuch"]}`, 422, "components[1]", "nosuch"},
		"bad component key":       {`{"title":"x","components":["A B"]}`, 422, "components[0]", "not a component key"},
		"component named twice":   {`{"title":"x","components":["imap7","imap7"]}`, 422, "components[1]", "twice"},
		"wrong type":              {`{"title":5}`, 422, "title", "a number where a string is expected"},
		"wrong type deeper":       {`{"title":"x","impact":{"error_rate":"much"}}`, 422, "impact.error_rate", "a string where a number is expected"},
		"list where text":         {`{"title":"x","components":"imap7"}`, 422, "components", "a string where a list is expected"},
		"unknown kind":            {`{"title":"x","kind":"party"}`, 422, "kind", "incident, maintenance, post"},
		"unknown severity":        {`{"title":"x","severity":"huge"}`, 422, "severity", "none, minor, major, critical"},
		"status of another kind":  {`{"title":"x","status":"scheduled"}`, 422, "status", "investigating"},
		"unknown state":           {`{"title":"x","state":"retracted"}`, 422, "state", "published, draft"},
		"no time":                 {`{"title":"x","at":"yesterday"}`, 422, "at", "2026-11-23T16:11:00Z"},
		"time before time":        {`{"title":"x","at":"0001-01-01T00:00:00Z"}`, 422, "at", "is no time"},
		"far future":              {`{"title":"x","at":"2027-01-01T00:00:00Z"}`, 422, "at", "more than 10 minutes ahead"},
		"maintenance, no start":   {`{"title":"x","kind":"maintenance"}`, 422, "starts_at", "needs a start"},
		"end before start":        {`{"title":"x","kind":"maintenance","starts_at":"2026-12-01T00:00:00Z","ends_at":"2026-11-30T00:00:00Z"}`, 422, "ends_at", "after starts_at"},
		"rate over one":           {`{"title":"x","impact":{"error_rate":1.5}}`, 422, "impact.error_rate", "between 0 and 1"},
		"a bad clock in the body": {`{"title":"x","body":"line\n{{at \"25:99\"}}"}`, 422, "body", "line 2"},
		"a bad zone in the body":  {`{"title":"x","body":"{{at \"16:11 Mars/Base\"}}"}`, 422, "body", "no time zone"},
		"after_notice of later":   {`{"title":"x","after_notice":{"id":"n"}}`, 422, "after_notice", "is not a known field"},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			b.as(notifier.RolePoster, http.MethodPost, "/incidents", c.body).problem(c.status, c.field, c.says)
		})
	}
	if got := b.as(notifier.RoleViewer, http.MethodGet, "/incidents", "").is(http.StatusOK); len(got.field("items").([]any)) != 0 {
		t.Errorf("something was written: %s", got.body)
	}
}

func TestMalformedJSONNamesTheByte(t *testing.T) {
	b := newBench(t)
	got := b.as(notifier.RolePoster, http.MethodPost, "/incidents", "{\n\"title\": oops}").problem(400, "", "line 2 (byte 11)")
	if got.field("line") != 2.0 || got.field("offset") != 11.0 {
		t.Errorf("problem %s", got.body)
	}
}

func TestTheLastOfTwoEqualFieldsCounts(t *testing.T) {
	b := newBench(t)
	if got := b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"first","title":"second"}`).is(http.StatusCreated); got.text("title") != "second" {
		t.Errorf("title %s", got.body)
	}
}

func TestABodyOverOneMebibyteIsRefused(t *testing.T) {
	b := newBench(t)
	b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"x","body":"`+strings.Repeat("x", 2<<20)+`"}`).problem(413, "", "1048576 bytes")
}

func TestABodyOfAnotherTypeIsRefused(t *testing.T) {
	b := newBench(t)
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "nonsense;;", ""} {
		b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"x"}`, "Content-Type", media).problem(415, "", "application/json in UTF-8")
	}
	b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"x"}`, "Content-Encoding", "gzip").problem(415, "", "unpacked")
	b.as(notifier.RolePoster, http.MethodPost, "/incidents", `{"title":"x"}`, "Content-Type", "application/json; charset=UTF-8").is(http.StatusCreated)
}

func TestAnIdThatCannotBeIsNotFound(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/incidents/nosuch", "/incidents/%00", "/incidents/%ff", "/events/nosuch", "/subscribers/5", "/subscribers/s99", "/subscribers/sx"} {
		b.as(notifier.RoleAdmin, http.MethodGet, path, "").problem(404, "", "")
	}
	b.as(notifier.RoleAdmin, http.MethodPost, "/deliveries/nosuch/retry", "").problem(404, "", "")
	b.as(notifier.RoleAdmin, http.MethodPost, "/events/nosuch/retry-failed", "").problem(404, "", "")
	b.as(notifier.RoleAdmin, http.MethodPatch, "/components/nosuch", `{}`).problem(404, "", "")
}
