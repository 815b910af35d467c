package api_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"allclear/notifier"
)

func TestANewSubscriberIsAskedToConfirm(t *testing.T) {
	b := newBench(t)
	b.component("web")
	got := b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"Ann@Example.com","components":["web"],"severity":"major","kinds":["incident"],"cadence":"milestones","timezone":"Europe/Oslo","language":"nb"}`).is(http.StatusCreated)
	for path, want := range map[string]any{
		"channel": "email", "address": "Ann@example.com", "state": "pending", "components.0": "web", "severity": "major", "kinds.0": "incident",
		"cadence": "milestones", "timezone": "Europe/Oslo", "language": "nb", "confirmed_at": nil, "created_at": "2026-11-23T16:11:00.123456Z",
	} {
		if v := got.field(path); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
	story, err := b.store.Story(t.Context(), 1)
	if err != nil || story.Event.Type != notifier.SubscriberConfirm || story.Event.Reader == 0 {
		t.Errorf("event %+v, %v", story.Event, err)
	}
	b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"Ann@example.com"}`).problem(409, "", "")
	b.as(notifier.RoleSender, http.MethodGet, "/subscribers/"+got.text("id"), "").is(http.StatusOK)
}

func TestThatOnlyWhatTouchesThemIsWantedIsSetAndTakenBack(t *testing.T) {
	b := newBench(t)
	made := b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"ann@example.com","mine":true}`).is(http.StatusCreated)
	path := "/subscribers/" + made.text("id")
	for _, step := range []struct {
		patch string
		want  bool
	}{{`{"severity":"major"}`, true}, {`{"mine":false}`, false}, {`{"mine":true}`, true}, {`{"mine":null}`, false}} {
		if got := b.as(notifier.RoleSender, http.MethodPatch, path, step.patch).is(http.StatusOK).field("mine"); got != step.want {
			t.Errorf("after %s: %v", step.patch, got)
		}
	}
	if made.field("mine") != true {
		t.Errorf("made %s", made.body)
	}
	b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"https://example.com/h","contact":"c@example.com","mine":true}`).problem(422, "mine", "only for email")
	b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"+4740612345","mine":true}`).problem(422, "mine", "only for email")
}

func TestWhenDigestsComeIsSetAndTakenBack(t *testing.T) {
	b := newBench(t)
	made := b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"ann@example.com","cadence":"weekly","hour":0,"weekday":"sunday","critical":true,"all_quiet":true}`).is(http.StatusCreated)
	path := "/subscribers/" + made.text("id")
	want := func(what string, got any, is any) {
		t.Helper()
		if got != is {
			t.Errorf("%s is %v, want %v", what, got, is)
		}
	}
	want("cadence", made.field("cadence"), "weekly")
	want("hour", made.field("hour"), 0.0)
	want("weekday", made.field("weekday"), "sunday")
	want("critical", made.field("critical"), true)
	want("all_quiet", made.field("all_quiet"), true)
	is := b.as(notifier.RoleSender, http.MethodPatch, path, `{"cadence":"daily","hour":23,"weekday":null,"critical":null,"all_quiet":null}`).is(http.StatusOK)
	want("hour", is.field("hour"), 23.0)
	want("weekday", is.field("weekday"), nil)
	want("critical", is.field("critical"), false)
	want("all_quiet", is.field("all_quiet"), false)
	is = b.as(notifier.RoleSender, http.MethodPatch, path, `{"hour":null}`).is(http.StatusOK)
	want("hour", is.field("hour"), nil)
	for body, field := range map[string]string{`{"hour":24}`: "hour", `{"hour":-1}`: "hour", `{"weekday":"mon"}`: "weekday", `{"cadence":"hourly"}`: "cadence"} {
		b.as(notifier.RoleSender, http.MethodPatch, path, body).problem(422, field, "")
	}
	b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"channel":"webhook","address":"https://example.com/h","contact":"c@example.com","cadence":"daily"}`).problem(422, "cadence", "by email only")
}

func TestOnlyAnAdministratorAnswersForSomebody(t *testing.T) {
	b := newBench(t)
	b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"ann@example.com","state":"active"}`).problem(403, "", "needs the role admin")
	got := b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"ann@example.com","state":"active"}`).is(http.StatusCreated)
	if got.text("state") != "active" || got.text("confirmed_at") == "" {
		t.Errorf("made %s", got.body)
	}
	if _, err := b.store.Story(t.Context(), 1); err == nil {
		t.Error("an active subscriber was asked to confirm")
	}
	pending := b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"bob@example.com"}`).is(http.StatusCreated).text("id")
	for _, state := range []string{"active", "paused"} {
		b.as(notifier.RoleSender, http.MethodPatch, "/subscribers/"+pending, `{"state":"`+state+`"}`).problem(403, "", "needs the role admin")
	}
	if got := b.as(notifier.RoleAdmin, http.MethodPatch, "/subscribers/"+pending, `{"state":"active"}`).is(http.StatusOK); got.text("confirmed_at") == "" {
		t.Errorf("made %s", got.body)
	}
}

func TestBadSubscribersAreRefusedByField(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct{ body, field, says string }{
		"no address":           {`{}`, "address", "must not be empty"},
		"CR and LF":            {`{"address":"ann@example.com\r\nRCPT TO:<x@y.z>"}`, "address", "control character"},
		"LF at the end":        {`{"address":"ann@example.com\n"}`, "address", "line break"},
		"angle brackets":       {`{"address":"<ann@example.com>"}`, "address", "not allowed"},
		"SMTP parameters":      {`{"address":"ann@example.com> NOTIFY=NEVER"}`, "address", "not allowed"},
		"300 characters":       {`{"address":"` + strings.Repeat("a", 288) + `@example.com"}`, "address", "at most 254"},
		"non-ASCII local part": {`{"address":"änn@example.com"}`, "address", "SMTPUTF8"},
		"bad zone":             {`{"address":"ann@example.com","timezone":"Mars/Base"}`, "timezone", "no time zone"},
		"bad language":         {`{"address":"ann@example.com","language":"!"}`, "language", "no language"},
		"bad channel":          {`{"address":"ann@example.com","channel":"pigeon"}`, "channel", "email, webhook, sms"},
		"digest by text":       {`{"address":"+4740000001","channel":"sms","cadence":"weekly"}`, "cadence", "instant or milestones"},
		"unknown cadence":      {`{"address":"ann@example.com","cadence":"hourly"}`, "cadence", "instant"},
		"unknown kind":         {`{"address":"ann@example.com","kinds":["incident","gossip"]}`, "kinds[1]", "incident"},
		"unknown component":    {`{"address":"ann@example.com","components":["nosuch"]}`, "components[0]", "nosuch"},
		"unknown severity":     {`{"address":"ann@example.com","severity":"huge"}`, "severity", "none"},
		"made as left":         {`{"address":"ann@example.com","state":"unsubscribed"}`, "state", "pending or active"},
		"no hour of the day":   {`{"address":"ann@example.com","hour":24}`, "hour", "write 0 to 23"},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", c.body).problem(422, c.field, c.says)
		})
	}
	if got := b.as(notifier.RoleAdmin, http.MethodGet, "/subscribers", ""); len(got.field("items").([]any)) != 0 {
		t.Errorf("somebody was added: %s", got.body)
	}
}

func TestASubscriberIsChangedByFieldAndLetGo(t *testing.T) {
	b := newBench(t)
	id := b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"ann@example.com","state":"active","timezone":"Europe/Oslo","severity":"major"}`).is(http.StatusCreated).text("id")
	got := b.as(notifier.RoleSender, http.MethodPatch, "/subscribers/"+id, `{"timezone":null,"severity":null,"kinds":["post"],"cadence":"milestones","state":"paused"}`).is(http.StatusOK)
	if got.field("timezone") != nil || got.text("severity") != "none" || got.text("kinds.0") != "post" || got.text("cadence") != "milestones" || got.text("state") != "paused" {
		t.Errorf("changed to %s", got.body)
	}
	b.as(notifier.RoleSender, http.MethodPatch, "/subscribers/"+id, `{"address":"bob@example.com"}`).problem(422, "address", "is not a known field")
	b.as(notifier.RoleSender, http.MethodPatch, "/subscribers/"+id, `{"timezone":"Mars/Base"}`).problem(422, "timezone", "")
	b.as(notifier.RoleAdmin, http.MethodPatch, "/subscribers/"+id, `{"state":"pending"}`).problem(422, "state", "pending again")
	for range 2 { // once more changes nothing
		b.as(notifier.RoleAdmin, http.MethodDelete, "/subscribers/"+id, "").is(http.StatusNoContent)
	}
	got = b.as(notifier.RoleSender, http.MethodGet, "/subscribers/"+id, "").is(http.StatusOK)
	if got.text("state") != "unsubscribed" || got.text("unsubscribed_at") == "" {
		t.Errorf("left as %s", got.body)
	}
	b.as(notifier.RoleSender, http.MethodPatch, "/subscribers/"+id, `{"state":"paused"}`).problem(403, "", "admin")
	if got := b.as(notifier.RoleAdmin, http.MethodPatch, "/subscribers/"+id, `{"state":"active","again":true}`).is(http.StatusOK); got.field("unsubscribed_at") != nil {
		t.Errorf("came back as %s", got.body)
	}
}

func TestWhoLeftComesBackOnlyWhereItIsSaidThatTheyAskedTo(t *testing.T) {
	b := newBench(t)
	id := b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"ann@example.com","state":"active"}`).is(http.StatusCreated).text("id")
	b.as(notifier.RoleAdmin, http.MethodDelete, "/subscribers/"+id, "").is(http.StatusNoContent)
	for _, state := range []string{"active", "paused", "quarantined"} {
		b.as(notifier.RoleAdmin, http.MethodPatch, "/subscribers/"+id, `{"state":"`+state+`"}`).problem(409, "", "left on 2026-11-23 16:11 UTC; send again: true")
	}
	b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"ann@example.com","state":"active"}`).problem(409, "", "left on 2026-11-23 16:11 UTC; send again: true")
	// To be asked whether they want to come back is another matter, until they do.
	b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"ann@example.com"}`).is(http.StatusCreated)
	b.as(notifier.RoleAdmin, http.MethodPatch, "/subscribers/"+id, `{"state":"active"}`).problem(409, "", "left on")
	b.as(notifier.RoleAdmin, http.MethodDelete, "/subscribers/"+id, "").is(http.StatusNoContent)
	b.as(notifier.RoleSender, http.MethodPost, "/subscribers", `{"address":"ann@example.com","state":"active","again":true}`).problem(403, "", "admin")
	if got := b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"ann@example.com","state":"active","again":true}`).is(http.StatusCreated); got.text("id") != id || got.field("unsubscribed_at") != nil {
		t.Errorf("came back as %s", got.body)
	}
	b.as(notifier.RoleAdmin, http.MethodPost, "/suppressions", `{"address":"ann@example.com","reason":"complaint"}`).is(http.StatusCreated)
	b.as(notifier.RoleAdmin, http.MethodDelete, "/subscribers/"+id, "").is(http.StatusNoContent)
	b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"ann@example.com","state":"active","again":true}`).problem(409, "", "suppressed")
	b.as(notifier.RoleAdmin, http.MethodPatch, "/subscribers/"+id, `{"state":"active","again":true}`).problem(409, "", "suppressed")
}

// importing sends a file as an administrator.
func (b *bench) importing(query, file string) answer {
	b.t.Helper()
	return b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers/import"+query, file, "Content-Type", "text/csv")
}

func TestAnImportReportsEveryRow(t *testing.T) {
	b := newBench(t)
	b.component("web")
	b.as(notifier.RoleAdmin, http.MethodPost, "/suppressions", `{"address":"barred@example.com"}`).is(http.StatusCreated)
	file := "address,components,state\n" +
		"ann@example.com,web,active\n" +
		"<bob@example.com>,,active\n" +
		"carl@example.com,nosuch,active\n" +
		"barred@example.com,,active\n" +
		"ann@example.com,,active\n" +
		"\"dora@example.com,,active\n" +
		"emil@example.com,,\n"
	dry := b.importing("?dry_run=true", file).is(http.StatusOK)
	if got := b.as(notifier.RoleAdmin, http.MethodGet, "/subscribers", ""); len(got.field("items").([]any)) != 0 {
		t.Fatalf("a dry run added %s", got.body)
	}
	got := b.importing("", file).is(http.StatusOK)
	for path, want := range map[string]any{
		"rows": 7.0, "added": 2.0, "changed": 0.0, "unchanged": 1.0, "suppressed": 1.0, "wrong": 3.0,
		"errors.0.line": 3.0, "errors.0.field": "address",
		"errors.1.line": 4.0, "errors.1.field": "components", "errors.2.line": 7.0, "errors.2.field": "address",
	} {
		if v := got.field(path); v != want {
			t.Errorf("%s is %v, want %v in %s", path, v, want, got.body)
		}
	}
	if dry.field("wrong") != got.field("wrong") || dry.field("suppressed") != got.field("suppressed") {
		t.Errorf("the dry run foretold %s, and it became %s", dry.body, got.body)
	}
	pending := b.as(notifier.RoleAdmin, http.MethodGet, "/subscribers?state=pending", "")
	if pending.text("items.0.address") != "emil@example.com" {
		t.Errorf("pending: %s", pending.body)
	}
	if story, err := b.store.Story(t.Context(), 1); err != nil || story.Event.Type != notifier.SubscriberConfirm {
		t.Errorf("who came in as pending was not asked: %+v, %v", story.Event, err)
	}
	again := b.importing("", file).is(http.StatusOK)
	if again.field("added") != 0.0 || again.field("unchanged") != 3.0 {
		t.Errorf("the second time: %s", again.body)
	}
	over := b.importing("?overwrite=true", "email;components\nann@example.com;web\n").is(http.StatusOK)
	if over.field("changed") != 1.0 {
		t.Errorf("overwritten: %s", over.body)
	}
}

func TestAFileThatIsNoFileIsRefused(t *testing.T) {
	b := newBench(t)
	b.importing("", "colour,address\nred,ann@example.com\n").problem(422, "header", `"colour" is not a known column`)
	b.importing("", "channel\nemail\n").problem(422, "header", "no column address")
	b.importing("", "").problem(422, "header", "the file is empty")
	b.importing("?dry_run=perhaps", "address\n").problem(422, "dry_run", "true or false")
	b.importing("?dryrun=true", "address\n").problem(422, "dryrun", "is not a known parameter")
	b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers/import", "address\nann@example.com\n", "Content-Type", "application/json").problem(415, "", "text/csv")
	if got := b.as(notifier.RoleAdmin, http.MethodGet, "/subscribers", ""); len(got.field("items").([]any)) != 0 {
		t.Errorf("somebody was added: %s", got.body)
	}
}

func TestAnUploadThatBreaksOffBringsNobodyIn(t *testing.T) {
	b := newBench(t)
	conn, err := net.Dial("tcp", b.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := "address,state\nann@example.com,active\nbob@exam"
	fmt.Fprintf(conn, "POST /api/v1/subscribers/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: text/csv\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		secretOf(notifier.RoleAdmin), len(body)+20, body)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil { // until the server is through with it
		t.Fatal(err)
	}
	if got := b.as(notifier.RoleAdmin, http.MethodGet, "/subscribers", "").is(http.StatusOK); len(got.field("items").([]any)) != 0 {
		t.Errorf("came in: %s", got.body)
	}
}

func TestAnExportComesBackAsItWas(t *testing.T) {
	b := newBench(t)
	b.component("web")
	b.importing("", "address,components,state,timezone\nann@example.com,web,active,Europe/Oslo\n=1+2@example.com,,paused,\n").is(http.StatusOK)
	got := b.as(notifier.RoleAdmin, http.MethodGet, "/subscribers/export.csv", "").is(http.StatusOK)
	want := "channel,address,components,severity,kinds,cadence,timezone,language,state,group,contact,incident,format,types,quiet,hour,weekday,critical,all_quiet,mine,second_channel,second_address\n" +
		"email,ann@example.com,web,none,,instant,Europe/Oslo,,active,,,,,,,,,,,,,\n" +
		"email,'=1+2@example.com,,none,,instant,,,paused,,,,,,,,,,,,,\n"
	if string(got.body) != want {
		t.Errorf("exported\n%s\nwant\n%s", got.body, want)
	}
	if d := got.header.Get("Content-Disposition"); d != `attachment; filename="subscribers.csv"` {
		t.Errorf("Content-Disposition %q", d)
	}
	if again := b.importing("", string(got.body)).is(http.StatusOK); again.field("unchanged") != 2.0 {
		t.Errorf("brought in again: %s", again.body)
	}
	if one := b.as(notifier.RoleAdmin, http.MethodGet, "/subscribers/export.csv?state=paused", ""); strings.Count(string(one.body), "\n") != 2 {
		t.Errorf("exported %s", one.body)
	}
	b.as(notifier.RoleAdmin, http.MethodGet, "/subscribers/export.csv?state=asleep", "").problem(422, "state", "pending")
}

func TestALargeImportAndExportPassThrough(t *testing.T) {
	b := newBench(t)
	var file strings.Builder
	file.WriteString("address,state\n")
	for i := range 2600 {
		fmt.Fprintf(&file, "reader%d@example.com,active\n", i)
	}
	if got := b.importing("", file.String()).is(http.StatusOK); got.field("added") != 2600.0 {
		t.Fatalf("imported %s", got.body)
	}
	got := b.as(notifier.RoleAdmin, http.MethodGet, "/subscribers/export.csv", "").is(http.StatusOK)
	if n := strings.Count(string(got.body), "\n"); n != 2601 {
		t.Errorf("exported %d lines", n)
	}
}

func TestASuppressedAddressIsNeverRevived(t *testing.T) {
	b := newBench(t)
	got := b.as(notifier.RoleAdmin, http.MethodPost, "/suppressions", `{"address":"Ann@EXAMPLE.com","reason":"complaint","note":"called"}`).is(http.StatusCreated)
	if got.text("address") != "Ann@example.com" || got.text("reason") != "complaint" {
		t.Errorf("made %s", got.body)
	}
	b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"Ann@example.com","state":"active"}`).problem(409, "", "suppressed")
	if got := b.as(notifier.RoleSender, http.MethodGet, "/suppressions?limit=1", "").is(http.StatusOK); got.text("items.0.note") != "called" || got.field("next") != nil {
		t.Errorf("listed %s", got.body)
	}
	b.as(notifier.RoleAdmin, http.MethodDelete, "/suppressions", `{"address":"ann@example.org"}`).problem(404, "", "")
	b.as(notifier.RoleAdmin, http.MethodDelete, "/suppressions", `{"address":"Ann@example.com"}`).is(http.StatusNoContent)
	b.as(notifier.RoleAdmin, http.MethodDelete, "/suppressions?address=Ann@example.com", "").problem(404, "", "")
	b.as(notifier.RoleAdmin, http.MethodDelete, "/suppressions", "").problem(400, "", "the body is empty")
	for body, field := range map[string]string{
		`{"address":"ann"}`: "address", `{"address":"a@b.example","reason":"erased"}`: "reason",
		`{"address":"a@b.example","note":"two\nlines"}`: "note", `{"address":"a@b.example","channel":"fax"}`: "channel",
	} {
		b.as(notifier.RoleAdmin, http.MethodPost, "/suppressions", body).problem(422, field, "")
	}
}

func TestTheQueueIsHeldBackByPart(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ body, scope, key string }{
		{`{"channel":"email"}`, "channel", "email"}, {`{"lane":"bulk"}`, "lane", "bulk"}, {`{"relay":"relay-1:587"}`, "relay", "relay-1:587"},
		{`{"domain":"Example.COM"}`, "domain", "example.com"}, {`{}`, "all", ""}, {``, "all", ""},
	} {
		got := b.as(notifier.RoleAdmin, http.MethodPost, "/queue/pause", c.body).is(http.StatusOK)
		if got.text("pauses.0.scope") != c.scope || got.text("pauses.0.key") != c.key || got.text("pauses.0.by") != "token:admin-machine" {
			t.Errorf("%s made %s", c.body, got.body)
		}
		if got := b.as(notifier.RoleAdmin, http.MethodPost, "/queue/resume", c.body).is(http.StatusOK); len(got.field("pauses").([]any)) != 0 {
			t.Errorf("resumed to %s", got.body)
		}
	}
	for body, field := range map[string]string{
		`{"channel":"fax"}`: "channel", `{"lane":"slow"}`: "lane", `{"domain":"no domain"}`: "domain", `{"relay":"a\nb"}`: "relay",
		`{"lane":"bulk","relay":"x"}`: "relay", `{"scope":"all"}`: "scope",
	} {
		b.as(notifier.RoleAdmin, http.MethodPost, "/queue/pause", body).problem(422, field, "")
	}
}

func TestAComponentIsKeptUnderItsKey(t *testing.T) {
	b := newBench(t)
	got := b.as(notifier.RolePoster, http.MethodPost, "/components", `{"key":"imap7","name":"IMAP 7","group":"Mail"}`).is(http.StatusCreated)
	if got.text("state") != "operational" || got.header.Get("Location") != "/api/v1/components/imap7" {
		t.Errorf("made %s %v", got.body, got.header)
	}
	b.as(notifier.RolePoster, http.MethodPost, "/components", `{"key":"imap7"}`).problem(409, "", "imap7")
	b.as(notifier.RolePoster, http.MethodPost, "/components", `{"key":"IMAP 7"}`).problem(422, "key", "a-z")
	b.as(notifier.RolePoster, http.MethodPost, "/components", `{"key":"web","state":"fine"}`).problem(422, "state", "operational")
	got = b.as(notifier.RolePoster, http.MethodPatch, "/components/imap7", `{"state":"major_outage"}`).is(http.StatusOK)
	if got.text("name") != "IMAP 7" || got.text("state") != "major_outage" {
		t.Errorf("changed to %s", got.body)
	}
	b.as(notifier.RolePoster, http.MethodPatch, "/components/imap7", `{"key":"imap8"}`).problem(422, "key", "is not a known field")
	if got := b.as(notifier.RoleViewer, http.MethodGet, "/components", ""); got.text("items.0.key") != "imap7" || got.field("next") != nil {
		t.Errorf("listed %s", got.body)
	}
	b.incident(`{"title":"x","components":["imap7"]}`)
	b.as(notifier.RolePoster, http.MethodDelete, "/components/imap7", "").problem(409, "", "")
	b.component("web")
	b.as(notifier.RolePoster, http.MethodDelete, "/components/web", "").is(http.StatusNoContent)
	b.as(notifier.RolePoster, http.MethodDelete, "/components/web", "").problem(404, "", "")
}
