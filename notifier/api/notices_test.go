package api_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/store/storetest"
)

// lines reads files of an audience as the tests write them: email and further
// columns, comma between them, no quotes. An address without @ is a reject.
type lines struct{ store whole }

func (l lines) LoadAudience(ctx context.Context, notice string, replace bool, in io.Reader, query, contentType string) (n notifier.Notice, resumed int64, err error) {
	if query == "wrong=1" {
		return n, 0, notifier.Invalidf("wrong", "is not a known parameter")
	}
	if contentType != "text/csv" {
		return n, 0, notifier.Invalidf("Content-Type", "is %s", contentType)
	}
	var (
		text    = bufio.NewScanner(in)
		header  []string
		rows    []notifier.AudienceRow
		rejects []notifier.Reject
		without int64
		sum     = sha256.New()
	)
	for n := 1; text.Scan(); n++ {
		sum.Write(text.Bytes())
		cells := strings.Split(text.Text(), ",")
		switch {
		case n == 1:
			header = cells
		case cells[0] == "":
			without++
		case !strings.Contains(cells[0], "@"):
			bad := notifier.Reject{Line: n, Reason: fmt.Sprintf("email: %q is no address", cells[0]), Text: text.Text()}
			if rejects == nil {
				bad.Header = strings.Join(header, ",") + "\n"
			}
			rejects = append(rejects, bad)
		default:
			row := notifier.AudienceRow{Line: n, Channel: notifier.Email, Address: cells[0]}
			for i := 1; i < len(cells); i++ {
				row.Fields = append(row.Fields, notifier.Field{Name: header[i], Text: cells[i]})
			}
			rows = append(rows, row)
		}
	}
	if err := text.Err(); err != nil {
		return n, 0, err
	}
	upload, err := l.store.BeginAudience(ctx, notice, replace)
	if err == nil {
		err = l.store.AddToAudience(ctx, upload, rows, rejects)
	}
	if err != nil {
		return n, 0, err
	}
	n, err = l.store.FinishAudience(ctx, upload, without, [32]byte(sum.Sum(nil)))
	return n, 0, err
}

// LoadMembers takes an address a line.
func (l lines) LoadMembers(ctx context.Context, key string, in io.Reader, _, _ string) (api.Members, error) {
	var out api.Members
	var good []string
	text := bufio.NewScanner(in)
	for n := 1; text.Scan(); n++ {
		if strings.Contains(text.Text(), "@") {
			good = append(good, text.Text())
			continue
		}
		out.Rejected++
		out.Rejects = append(out.Rejects, notifier.Reject{Line: n, Reason: "is no address"})
	}
	edition, err := l.store.BeginMembers(ctx, key)
	if err == nil {
		err = l.store.AddMembers(ctx, edition, good)
	}
	if err != nil {
		return out, err
	}
	out.Members, err = l.store.FinishMembers(ctx, edition)
	return out, err
}

// tools are what notices need beside the store.
func (b *bench) tools() api.NoticeDesk {
	return api.NoticeDesk{
		Audiences: lines{b.store}, Letters: plainLetters{}, Mailer: b.posted, Above: 2, Needs: func(string) []string { return []string{"subject"} },
		MessageID: func(event string, reader int64) string { return fmt.Sprintf("<%s.%d@example.com>", event, reader) },
		Warnings:  func(context.Context) []string { return []string{"the relay rests"} },
	}
}

// plainLetters writes letters as the tests read them.
type plainLetters struct{}

func (plainLetters) Notice(n notifier.Notice, r notifier.Recipient) (*notifier.Letter, error) {
	if len(r.Rows[0]) == 0 {
		return nil, notifier.Invalidf("audience", "recipient %d has no \"subject\"", r.Place)
	}
	said := fmt.Sprintf("%s %s %s", r.Channel, r.Language, r.Timezone)
	for _, row := range r.Rows {
		said += " " + row[0].Text
	}
	return &notifier.Letter{Key: "k", Subject: n.Subject, Text: said, HTML: "<p>" + said}, nil
}

func (plainLetters) CheckNotice(n notifier.Notice, columns []string) []error {
	if strings.Contains(n.Body, "{{nonsense") {
		return []error{notifier.Invalidf("body", "line 1: cannot be read")}
	}
	if len(columns) > 0 && n.Template == notifier.MailBounced && !slices.Contains(columns, "date") {
		return []error{notifier.Invalidf("audience", "needs the column date")}
	}
	return nil
}

// outgoing keeps the tests that were mailed.
type outgoing struct {
	to     string
	letter notifier.Letter
	refuse error
}

func (o *outgoing) MailNow(_ context.Context, to string, l *notifier.Letter) (notifier.Receipt, error) {
	o.to, o.letter = to, *l
	return notifier.Receipt{Relay: "relay.example.com:25", Reply: "250 queued as Q1", Remote: "Q1"}, o.refuse
}

// notice drafts one and gives it the audience, where there is one.
func (b *bench) notice(body, audience string) string {
	b.t.Helper()
	id := b.as(notifier.RoleSender, http.MethodPost, "/notices", body).is(http.StatusCreated).text("id")
	if audience != "" {
		b.audience(http.MethodPut, id, audience).is(http.StatusAccepted)
	}
	return id
}

func (b *bench) audience(method, id, file string) answer {
	b.t.Helper()
	return b.as(notifier.RoleSender, method, "/notices/"+id+"/audience", file, "Content-Type", "text/csv")
}

const restored = `{"title":"Restore of imap7","template":"restore-completed","subject":"Restored: {{subject}}","body":"Done {{at \"-20m\"}}. {{rows}}"}`

func TestANoticeIsDraftedWithItsTimesFixed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		incident := b.incident(`{"title":"imap7 is down"}`)
		body := strings.Replace(restored, "{", `{"incident_id":"`+incident+`","approvals":2,`, 1)
		got := b.as(notifier.RoleSender, http.MethodPost, "/notices", body).is(http.StatusCreated)
		for path, want := range map[string]any{
			"title": "Restore of imap7", "template": "restore-completed", "state": "draft", "subject": "Restored: {{subject}}",
			"body": `Done {{at "2026-11-23T15:51:00.123456Z"}}. {{rows}}`, "incident_id": incident, "recipients": 0.0, "tried": 0.0,
			"counts.pending": 0.0, "counts.sent": 0.0, "approvals_needed": 2.0, "event_id": nil, "estimate": nil, "created_by": "token:sender-machine",
			"created_at": "2026-11-23T16:11:00.123456Z", "per_second": 0.0, "halted": nil,
		} {
			if v := got.field(path); v != want {
				t.Errorf("%s is %v, want %v", path, v, want)
			}
		}
		id := got.text("id")
		if at := got.header.Get("Location"); at != "/api/v1/notices/"+id {
			t.Errorf("Location %q", at)
		}
		same := b.as(notifier.RoleViewer, http.MethodGet, "/notices/"+id, "").is(http.StatusOK)
		if string(same.body) != string(got.body) {
			t.Errorf("made  %s\nshown %s", got.body, same.body)
		}
		list := b.as(notifier.RoleViewer, http.MethodGet, "/notices", "").is(http.StatusOK)
		if list.text("items.0.id") != id || list.field("next") != nil {
			t.Errorf("listed %s", list.body)
		}
	})
}

func TestABadNoticeIsRefusedByField(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct{ body, field, says string }{
		"no title":         {`{"template":"blank"}`, "title", ""},
		"no template":      {`{"title":"x"}`, "template", "restore-completed"},
		"unknown template": {`{"title":"x","template":"nosuch"}`, "template", "restore-completed"},
		"unknown incident": {`{"title":"x","template":"blank","incident_id":"nosuch"}`, "incident_id", ""},
		"a broken time":    {`{"title":"x","template":"blank","body":"{{at \"soon\"}}"}`, "body", "line 1"},
		"a broken tag":     {`{"title":"x","template":"blank","body":"{{nonsense"}`, "body", "cannot be read"},
		"two subjects":     {`{"title":"x","template":"blank","subject":"a\nb"}`, "subject", ""},
		"unknown field":    {`{"title":"x","template":"blank","audience":"all"}`, "audience", "is not a known field"},
		"less than nobody": {`{"title":"x","template":"blank","approvals":-1}`, "approvals", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			b.as(notifier.RoleSender, http.MethodPost, "/notices", c.body).problem(422, c.field, c.says)
		})
	}
	if got := b.as(notifier.RoleViewer, http.MethodGet, "/notices", ""); len(got.field("items").([]any)) != 0 {
		t.Errorf("something was made: %s", got.body)
	}
}

func TestADraftIsChangedByFieldAndDeleted(t *testing.T) {
	b := newBench(t)
	id := b.notice(restored, "")
	got := b.as(notifier.RoleSender, http.MethodPatch, "/notices/"+id, `{"title":"Other","subject":null,"body":"See {{subject}} at {{at \"16:00\"}}, and 17:00","approvals":1}`).is(http.StatusOK)
	if got.text("title") != "Other" || got.text("subject") != "" || got.text("body") != `See {{subject}} at {{at "2026-11-23T16:00:00Z"}}, and 17:00` || got.field("approvals_needed") != 1.0 {
		t.Errorf("changed to %s", got.body)
	}
	if w := got.field("warnings").([]any); len(w) != 1 || !strings.Contains(w[0].(string), "17:00") {
		t.Errorf("warnings %v", w)
	}
	b.as(notifier.RoleSender, http.MethodPatch, "/notices/"+id, `{"approvals":0}`).problem(422, "approvals", "only be raised")
	b.as(notifier.RoleSender, http.MethodPatch, "/notices/"+id, `{"body":"{{nonsense"}`).problem(422, "body", "cannot be read")
	b.as(notifier.RoleSender, http.MethodPatch, "/notices/"+id, `{"title":null}`).problem(422, "title", "cannot be null")
	b.as(notifier.RoleSender, http.MethodPatch, "/notices/nosuch", `{"title":"x"}`).problem(404, "", "")
	b.as(notifier.RoleSender, http.MethodDelete, "/notices/"+id, "").is(http.StatusNoContent)
	b.as(notifier.RoleSender, http.MethodGet, "/notices/"+id, "").problem(404, "", "")
	b.as(notifier.RoleSender, http.MethodDelete, "/notices/"+id, "").problem(404, "", "")
}

func TestAnAudienceIsReplacedOrJoined(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		id := b.notice(restored, "email,subject\nann@example.com,One\nbob@example.com,Two\nann@example.com,Three\n,nobody\nbroken,Four\n")
		got := b.as(notifier.RoleSender, http.MethodGet, "/notices/"+id, "").is(http.StatusOK)
		for path, want := range map[string]any{
			"recipients": 2.0, "rows": 3.0, "rejected": 1.0, "without_address": 1.0, "rejects.0.line": 6.0, "approvals_needed": 0.0,
			"estimate.seconds": 1.0, "estimate.from": "guess",
		} {
			if v := got.field(path); v != want {
				t.Errorf("%s is %v, want %v", path, v, want)
			}
		}
		mended := b.audience(http.MethodPost, id, "email,subject\ncaro@example.com,Four\nann@example.com,Five\n").is(http.StatusAccepted)
		if mended.field("recipients") != 3.0 || mended.field("rows") != 5.0 || mended.field("approvals_needed") != 1.0 {
			t.Errorf("joined: %s", mended.body)
		}
		other := b.audience(http.MethodPut, id, "email,subject\ndora@example.com,Six\n").is(http.StatusAccepted)
		if other.field("recipients") != 1.0 || other.field("rejected") != 0.0 {
			t.Errorf("replaced: %s", other.body)
		}
		bounced := b.notice(strings.Replace(restored, notifier.RestoreCompleted, notifier.MailBounced, 1), "email,sender,date\nann@example.com,x,2026-11-20\n")
		lacking := b.audience(http.MethodPut, bounced, "email,sender\nann@example.com,x\n").is(http.StatusAccepted)
		if w, _ := lacking.field("warnings").([]any); len(w) != 1 || w[0] != "audience: needs the column date" {
			t.Errorf("a file without what the notice needs: %s", lacking.body)
		}
		b.as(notifier.RoleSender, http.MethodPut, "/notices/"+id+"/audience?wrong=1", "email\n", "Content-Type", "text/csv").problem(422, "wrong", "")
		b.audience(http.MethodPut, "nosuch", "email\nann@example.com\n").problem(404, "", "")
		b.as(notifier.RoleSender, http.MethodPut, "/notices/"+id+"/audience", "email\n", "Content-Type", "text/csv", "Content-Encoding", "gzip").problem(415, "", "unpacked")
		if got := b.as(notifier.RoleSender, http.MethodGet, "/notices/"+id, ""); got.field("recipients") != 1.0 {
			t.Errorf("what was refused changed it: %s", got.body)
		}
	})
}

func TestAViewerSeesFiguresAndNobodysData(t *testing.T) {
	b := newBench(t)
	id := b.notice(restored, "email,subject\nann@example.com,One\nsecret-of-somebody,Two\n")
	got := b.as(notifier.RoleViewer, http.MethodGet, "/notices/"+id, "").is(http.StatusOK)
	if got.field("recipients") != 1.0 || got.field("rejected") != 1.0 || strings.Contains(string(got.body), "secret-of-somebody") {
		t.Errorf("a viewer sees %s", got.body)
	}
	if !strings.Contains(string(b.as(notifier.RoleSender, http.MethodGet, "/notices/"+id, "").body), "secret-of-somebody") {
		t.Error("a sender does not see the reason")
	}
}

func TestRejectsComeBackBehindOneHeader(t *testing.T) {
	b := newBench(t)
	id := b.notice(restored, "email,subject\nbroken,One\nann@example.com,x\nbroken too,Two\n")
	b.audience(http.MethodPost, id, "email,subject\nstill broken,One\n").is(http.StatusAccepted)
	got := b.as(notifier.RoleSender, http.MethodGet, "/notices/"+id+"/rejects.csv", "").is(http.StatusOK)
	if want := "email,subject\nbroken,One\nbroken too,Two\nstill broken,One\n"; string(got.body) != want {
		t.Errorf("rejects %q, want %q", got.body, want)
	}
	if !strings.HasPrefix(string(got.body), "email,") || strings.Count(string(got.body), "email,") != 1 {
		t.Errorf("%s", got.body)
	}
	if at := got.header.Get("Content-Disposition"); !strings.Contains(at, "notice-"+id+"-rejects.csv") {
		t.Errorf("Content-Disposition %q", at)
	}
	none := b.notice(restored, "email\nann@example.com\n")
	if got := b.as(notifier.RoleSender, http.MethodGet, "/notices/"+none+"/rejects.csv", "").is(http.StatusOK); len(got.body) != 0 {
		t.Errorf("no rejects: %q", got.body)
	}
	b.as(notifier.RoleSender, http.MethodGet, "/notices/nosuch/rejects.csv", "").problem(404, "", "")
}

func TestAnAudienceThatBreaksOffLeavesWhatWasThere(t *testing.T) {
	b := newBench(t)
	id := b.notice(restored, "email\nann@example.com\nbob@example.com\n")
	conn, err := net.Dial("tcp", b.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /api/v1/notices/%s/audience HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\nemail\ncaro@example.com\n", id, secretOf(notifier.RoleSender))
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(said), "400 Bad Request") || !strings.Contains(string(said), "what was there before is still there") {
		t.Errorf("answered %q, %v", said, err)
	}
	if got := b.as(notifier.RoleSender, http.MethodGet, "/notices/"+id, ""); got.field("recipients") != 2.0 {
		t.Errorf("left %s", got.body)
	}
}

func TestMembersOfAComponentAreReplacedWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		b.component("imap7")
		got := b.as(notifier.RoleSender, http.MethodPut, "/components/imap7/members", "ann@example.com\nbroken\nbob@example.com\n", "Content-Type", "text/plain").is(http.StatusOK)
		if got.text("key") != "imap7" || got.field("members") != 2.0 || got.field("rejected") != 1.0 || got.field("rejects.0.line") != 2.0 {
			t.Errorf("taken %s", got.body)
		}
		if got := b.as(notifier.RoleSender, http.MethodPut, "/components/imap7/members", "caro@example.com\n", "Content-Type", "text/plain").is(http.StatusOK); got.field("members") != 1.0 {
			t.Errorf("replaced by %s", got.body)
		}
		b.as(notifier.RoleSender, http.MethodPut, "/components/nosuch/members", "a@example.com\n", "Content-Type", "text/plain").problem(404, "", "nosuch")
		b.as(notifier.RolePoster, http.MethodPut, "/components/imap7/members", "a@example.com\n", "Content-Type", "text/plain").problem(403, "", "sender")
	})
}

func TestNoticesComeInPages(t *testing.T) {
	b := newBench(t)
	var made, seen []string
	for i := range 5 {
		made = append(made, b.notice(fmt.Sprintf(`{"title":"n%d","template":"blank","body":"x"}`, i), ""))
	}
	for at := "/notices?limit=2"; at != ""; {
		got := b.as(notifier.RoleViewer, http.MethodGet, at, "").is(http.StatusOK)
		for i := range got.field("items").([]any) {
			seen = append(seen, got.text(fmt.Sprintf("items.%d.id", i)))
		}
		at = ""
		if next, more := got.field("next").(string); more {
			at = "/notices?limit=2&cursor=" + next
		}
	}
	slices.Sort(made)
	slices.Sort(seen)
	if !slices.Equal(made, seen) {
		t.Errorf("made %v, seen %v", made, seen)
	}
}
