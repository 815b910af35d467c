package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/api"
)

const threePeople = "email,subject\nann@example.com,a1\nbob@example.com,b1\nbob@example.com,b2\ncaro@example.com,c1\ncaro@example.com,c2\ncaro@example.com,c3\n"

func TestAPreviewShowsOneRecipientsCopy(t *testing.T) {
	b := newBench(t)
	id := b.notice(restored, threePeople)
	for body, want := range map[string]string{
		"": "ann@example.com a1", `{"which":"smallest"}`: "ann@example.com a1", `{"which":"median"}`: "bob@example.com b1 b2",
		`{"which":"largest"}`: "caro@example.com c1 c2 c3", `{"address":"bob@EXAMPLE.com"}`: "bob@example.com b1 b2",
	} {
		got := b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/preview", body).is(http.StatusOK)
		address, rows, _ := strings.Cut(want, " ")
		if got.text("recipient.address") != address || got.text("text") != "email   "+rows || got.text("sms") != "sms   "+rows || got.text("html") != "<p>email   "+rows {
			t.Errorf("%s showed %s", body, got.body)
		}
	}
	as := b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/preview", `{"language":"de","timezone":"Europe/Oslo"}`).is(http.StatusOK)
	if as.text("text") != "email de Europe/Oslo a1" || as.text("recipient.language") != "de" {
		t.Errorf("as somebody else: %s", as.body)
	}
	for body, field := range map[string]string{
		`{"which":"best"}`: "which", `{"which":"median","address":"ann@example.com"}`: "which", `{"timezone":"Mars/Base"}`: "timezone", `{"language":"!"}`: "language",
		`{"channel":"email"}`: "channel", `{"address":"ann"}`: "address", `{"who":"ann"}`: "who",
	} {
		b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/preview", body).problem(422, field, "")
	}
	b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/preview", `{"address":"dora@example.com"}`).problem(404, "", "dora@example.com is not among its recipients")
	b.as(notifier.RoleViewer, http.MethodPost, "/notices/"+id+"/preview", "").problem(403, "", "needs the role sender")
	none := b.notice(restored, "")
	b.as(notifier.RoleSender, http.MethodPost, "/notices/"+none+"/preview", "").problem(409, "", "no audience yet")
	bare := b.notice(restored, "email\nann@example.com\n")
	b.as(notifier.RoleSender, http.MethodPost, "/notices/"+bare+"/preview", "").problem(422, "audience", "recipient 1 has no")
}

func TestATestIsMailedAtOnceAndSaysThatItIsOne(t *testing.T) {
	b := newBench(t)
	id := b.notice(restored, threePeople)
	got := b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/test", `{"to":"Me@Example.com","which":"largest"}`).is(http.StatusOK)
	if got.text("reply") != "250 queued as Q1" || got.text("remote_id") != "Q1" || got.text("to") != "Me@example.com" {
		t.Errorf("answered %s", got.body)
	}
	l := b.posted.letter
	if b.posted.to != "Me@example.com" || l.Subject != "[TEST] Restored: {{subject}}" || l.Text != "email   c1 c2 c3" || l.EventID == "" || l.Key != "" {
		t.Errorf("mailed %+v to %s", l, b.posted.to)
	}
	b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/test", `{}`).problem(422, "to", "")
	b.as(notifier.RoleSender, http.MethodPost, "/notices/nosuch/test", `{"to":"me@example.com"}`).problem(404, "", "")
	b.posted.refuse = notifier.Refuse(notifier.ErrUnavailable, "not sent: the relay refused the mail")
	b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/test", `{"to":"me@example.com"}`).problem(503, "", "the relay refused the mail")
}

func TestATestIsNotedWithWhoseCopyWentWhereAndGoesToNobodyWhoIsSuppressed(t *testing.T) {
	b := newBench(t)
	id := b.notice(restored, threePeople)
	test := func(role notifier.Role, to string) answer {
		return b.as(role, http.MethodPost, "/notices/"+id+"/test", `{"to":"`+to+`","which":"largest"}`)
	}
	test(notifier.RoleSender, "team@example.net").is(http.StatusOK)
	log, _, err := b.store.AuditLog(t.Context(), notifier.AuditQuery{Action: "notice.test", Limit: 10})
	if err != nil || len(log) != 1 || log[0].Subject != id || log[0].Detail != "the copy of recipient 3 to @example.net" || !strings.HasPrefix(log[0].Actor, "token:") {
		t.Fatalf("noted %+v, %v", log, err)
	}
	// Who is erased is named nowhere: a subscriber stands there by their number.
	b.as(notifier.RoleAdmin, http.MethodPost, "/subscribers", `{"address":"team@example.net","state":"active"}`).is(http.StatusCreated)
	test(notifier.RoleSender, "team@example.net").is(http.StatusOK)
	log, _, err = b.store.AuditLog(t.Context(), notifier.AuditQuery{Action: "notice.test", Limit: 10})
	if err != nil || len(log) != 2 || !slices.ContainsFunc(log, func(e notifier.AuditEntry) bool { return e.Detail == "the copy of recipient 3 to s1" }) {
		t.Errorf("noted %+v, %v", log, err)
	}
	b.posted.to = ""
	b.as(notifier.RoleAdmin, http.MethodPost, "/suppressions", `{"address":"gone@example.net"}`)
	test(notifier.RoleSender, "gone@EXAMPLE.net").problem(409, "", "gone@example.net is suppressed (manual)")
	test(notifier.RolePoster, "team@example.net").problem(403, "", "needs the role sender")
	if b.posted.to != "" {
		t.Errorf("mailed all the same to %s", b.posted.to)
	}
}

func TestAPreflightTellsWhatToLookAt(t *testing.T) {
	b := newBench(t)
	b.as(notifier.RoleAdmin, http.MethodPost, "/suppressions", `{"address":"ann@example.com"}`)
	id := b.notice(strings.Replace(restored, notifier.RestoreCompleted, notifier.MailBounced, 1), threePeople+"dora@example.com,\nbroken,x\n,nobody\n")
	b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/send", `{"expect":4,"accept_rejects":true}`).problem(422, "audience", "needs the column date")
	got := b.as(notifier.RoleSender, http.MethodGet, "/notices/"+id+"/preflight", "").is(http.StatusOK)
	for path, want := range map[string]any{
		"recipients": 4.0, "rows": 7.0, "rejected": 1.0, "without_address": 1.0, "suppressed": 1.0, "channels.0.name": "email", "channels.0.recipients": 4.0,
		"languages.0.name": "", "domains.0.name": "example.com", "domains.0.recipients": 4.0, "columns.0.name": "subject", "columns.0.missing": 1.0,
		"approvals_needed": 1.0, "estimate.seconds": 1.0,
	} {
		if v := got.field(path); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
	var said []string
	for _, w := range got.field("warnings").([]any) {
		said = append(said, w.(string))
	}
	if want := []string{
		"audience: needs the column date", "1 row of the file could not be used; rejects.csv has it", "1 row names no address: nobody hears of it",
		"1 recipient is suppressed and gets nothing", "it needs the approval of 1 other person", `1 recipient has no "subject" and can be sent nothing`, "the relay rests",
	}; !slices.Equal(said, want) {
		t.Errorf("warnings %q, want %q", said, want)
	}
}

func TestARateIsBelievedOfEnoughMailsAndWithoutWhatTheCanaryWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		sent          int64
		p50, p99      time.Duration // since it was accepted
		atLeast, most float64
	}{
		"three people":                        {3, time.Second, 2 * time.Second, 0, 0},
		"less than 500":                       {499, 5 * time.Second, 10 * time.Second, 0, 0},
		"5,000 in 4 s":                        {5000, 2 * time.Second, 4 * time.Second, 1200, 1250},
		"5,000 in 40 s behind a canary":       {5000, 80 * time.Second, 100 * time.Second, 120, 125},
		"4 s behind a canary halted for long": {5000, 395 * time.Second, 397 * time.Second, 0, 0},
		"all at once":                         {5000, time.Second, time.Second, 0, 0},
	} {
		p := notifier.Progress{Event: notifier.Event{AcceptedAt: clock()}, Counts: map[notifier.DeliveryState]int64{notifier.Sent: c.sent - 1, notifier.Bounced: 1}, P50SentAt: clock().Add(c.p50), P99SentAt: clock().Add(c.p99)}
		if got := api.Pace(p); got < c.atLeast || got > c.most {
			t.Errorf("%s: %g a second", name, got)
		}
	}
}
