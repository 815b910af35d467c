package api_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/store/storetest"
)

const twoPeople = "email,subject\nann@example.com,a1\nbob@example.com,b1\nbroken,x\n"

func TestANoticeGoesOutOnlyToAsManyAsWereExpected(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		id := b.notice(restored, twoPeople)
		send := func(body string) answer {
			return b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/send", body)
		}
		send(`{}`).problem(422, "expect", "it has 2")
		send(`{"expect":3}`).problem(409, "", "3 recipients were expected, and it has 2")
		send(`{"expect":2}`).problem(409, "", "0 rejected rows were accepted, and it has 1")
		send(`{"expect":2,"accept_rejects":2}`).problem(409, "", "2 rejected rows were accepted, and it has 1")
		send(`{"expect":2,"accept_rejects":"all"}`).problem(422, "accept_rejects", "whole number, or true")
		send(`{"expect":2,"accept_rejects":1,"canary":-1}`).problem(422, "canary", "")
		send(`{"expect":2,"accept_rejects":1,"canary":200}`).problem(422, "canary", "")
		send(`{"expect":2,"accept_rejects":1,"halt_above":101}`).problem(422, "halt_above", "")
		send(`{"expect":2,"accept_rejects":1,"canary_wait":100000}`).problem(422, "canary_wait", "")
		send(`{"expect":2,"accept_rejects":1,"per_second":-1}`).problem(422, "per_second", "")
		send(`{"expect":2,"accept_rejects":1,"at":"soon"}`).problem(422, "at", "")
		got := send(`{"expect":2,"accept_rejects":true,"per_second":7}`).is(http.StatusAccepted)
		if got.text("state") != "sending" || got.text("event_id") == "" || got.text("ordered_by") != "token:sender-machine" || got.field("per_second") != 7.0 {
			t.Errorf("sent as %s", got.body)
		}
		send(`{"expect":2,"accept_rejects":1}`).problem(409, "", "")
		b.as(notifier.RoleSender, http.MethodPatch, "/notices/"+id, `{"title":"Other"}`).problem(409, "", "")
		b.audience(http.MethodPut, id, "email\ncaro@example.com\n").problem(409, "", "")
		b.as(notifier.RoleSender, http.MethodDelete, "/notices/"+id, "").problem(409, "", "")
		if got := b.as(notifier.RoleSender, http.MethodPatch, "/notices/"+id, `{"per_second":null}`).is(http.StatusOK); got.field("per_second") != 0.0 {
			t.Errorf("throttled to %s", got.body)
		}
		empty := b.notice(restored, "")
		b.as(notifier.RoleSender, http.MethodPost, "/notices/"+empty+"/send", `{"expect":0}`).problem(409, "", "no audience")
		b.as(notifier.RoleSender, http.MethodPost, "/notices/nosuch/send", `{"expect":0}`).problem(404, "", "")
	})
}

func TestALargeNoticeWaitsForASecondPerson(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		id := b.notice(restored, threePeople)
		got := b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/send", `{"expect":3}`).is(http.StatusAccepted)
		if got.text("state") != "awaiting_approval" || got.field("approvals_needed") != 1.0 || got.field("event_id") != nil {
			t.Errorf("sent as %s", got.body)
		}
		b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/approve", "").problem(403, "", "needs the role approver")
		b.as(notifier.RoleApprover, http.MethodPost, "/notices/"+id+"/approve", `{"reason":"night"}`).problem(403, "", "needs the role admin")
		got = b.as(notifier.RoleApprover, http.MethodPost, "/notices/"+id+"/approve", "").is(http.StatusAccepted)
		if got.text("state") != "sending" || got.text("approvals.0.by") != "token:approver-machine" || got.field("approvals.0.reason") != nil {
			t.Errorf("approved: %s", got.body)
		}
	})
}

func TestNobodyApprovesTheirOwnNoticeButAnAdministratorMayGiveAReason(t *testing.T) {
	b := newBench(t)
	id := b.as(notifier.RoleAdmin, http.MethodPost, "/notices", restored).is(http.StatusCreated).text("id")
	b.as(notifier.RoleAdmin, http.MethodPut, "/notices/"+id+"/audience", threePeople, "Content-Type", "text/csv").is(http.StatusAccepted)
	b.as(notifier.RoleAdmin, http.MethodPost, "/notices/"+id+"/send", `{"expect":3}`).is(http.StatusAccepted)
	b.as(notifier.RoleAdmin, http.MethodPost, "/notices/"+id+"/approve", "").problem(409, "", "another person must")
	got := b.as(notifier.RoleAdmin, http.MethodPost, "/notices/"+id+"/approve", `{"reason":"alone on shift"}`).is(http.StatusAccepted)
	if got.text("state") != "sending" || got.text("approvals.0.reason") != "alone on shift" {
		t.Errorf("overridden: %s", got.body)
	}
}

func TestAChangeOfWhatWaitsForApprovalMakesItADraftAgain(t *testing.T) {
	b := newBench(t)
	id := b.notice(strings.Replace(restored, "{", `{"approvals":2,`, 1), threePeople)
	b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/send", `{"expect":3}`).is(http.StatusAccepted)
	if got := b.as(notifier.RoleApprover, http.MethodPost, "/notices/"+id+"/approve", "").is(http.StatusAccepted); got.text("state") != "awaiting_approval" || got.field("estimate.seconds") == nil {
		t.Errorf("approved once: %s", got.body)
	}
	got := b.as(notifier.RoleSender, http.MethodPatch, "/notices/"+id, `{"subject":"Other"}`).is(http.StatusOK)
	if got.text("state") != "draft" || len(got.field("approvals").([]any)) != 0 {
		t.Errorf("changed: %s", got.body)
	}
}

func TestAnApprovalOfAVersionIsRefusedOnceTheNoticeIsAnother(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		id := b.notice(restored, threePeople)
		send := func() string {
			return b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/send", `{"expect":3}`).is(http.StatusAccepted).text("version")
		}
		seen := send()
		if got := b.as(notifier.RoleViewer, http.MethodGet, "/notices/"+id, "").is(http.StatusOK); len(seen) != 16 || got.text("version") != seen {
			t.Errorf("sent as %q, shown as %s", seen, got.body)
		}
		approve := func(version string) answer {
			return b.as(notifier.RoleApprover, http.MethodPost, "/notices/"+id+"/approve", `{"version":"`+version+`"}`)
		}
		b.as(notifier.RoleSender, http.MethodPatch, "/notices/"+id, `{"per_second":3}`).problem(409, "", "waits for approval as it was ordered")
		b.as(notifier.RoleSender, http.MethodPatch, "/notices/"+id, `{"body":"Other {{rows}}"}`).is(http.StatusOK)
		now := send()
		approve(seen).problem(409, "", "it was changed since you looked at it")
		if got := approve(now).is(http.StatusAccepted); got.text("state") != "sending" {
			t.Errorf("approved: %s", got.body)
		}
	})
}

func TestANoticeIsPausedResumedAndCancelled(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		id := b.notice(restored, "email,subject\nann@example.com,a1\nbob@example.com,b1\n")
		b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/pause", "").problem(409, "", "")
		b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/send", `{"expect":2}`).is(http.StatusAccepted)
		for _, step := range [][2]string{{"pause", "paused"}, {"resume", "sending"}, {"cancel", "cancelled"}} {
			if got := b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/"+step[0], "").is(http.StatusAccepted); got.text("state") != step[1] {
				t.Errorf("%s: %s", step[0], got.body)
			}
		}
		b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/resume", "").problem(409, "", "")
		b.as(notifier.RoleSender, http.MethodPost, "/notices/nosuch/pause", "").problem(404, "", "")
	})
}

func TestAReportNamesEverybodyAndWhatBecameOfThem(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		id := b.notice(restored, "email,subject\nann@example.com,a1\n=cmd@example.com,b1\n")
		sent := b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/send", `{"expect":2}`).is(http.StatusAccepted)
		b.deliver(func(i int, _ notifier.Delivery) notifier.Settlement {
			if i == 0 {
				return notifier.Settlement{State: notifier.Sent, Tried: true, Charged: true, Receipt: notifier.Receipt{Relay: "mx:25", Reply: "250 2.0.0 queued", Remote: "Q7"}}
			}
			return notifier.Settlement{State: notifier.Failed, Tried: true, Receipt: notifier.Receipt{Relay: "mx:25", Reply: "-550 no, really"}}
		})
		got := b.as(notifier.RoleSender, http.MethodGet, "/notices/"+id+"/report.csv", "").is(http.StatusOK)
		rows, err := csv.NewReader(strings.NewReader(string(got.body))).ReadAll()
		if err != nil || len(rows) != 3 {
			t.Fatalf("%v: %s", err, got.body)
		}
		if strings.Join(rows[0], ",") != "address,channel,account,outcome,time,attempts,reply,relay,remote_id,message_id,delivery" {
			t.Errorf("header %v", rows[0])
		}
		first := strings.Join(rows[1], "|")
		if !strings.HasPrefix(first, "ann@example.com|email||sent|2026-11-23T16:11:00Z|1|250 2.0.0 queued|mx:25|Q7|<"+sent.text("event_id")+".") {
			t.Errorf("ann: %s", first)
		}
		if rows[2][0] != "'=cmd@example.com" || rows[2][3] != "failed" || rows[2][6] != "'-550 no, really" {
			t.Errorf("the other: %q", rows[2])
		}
		if again := b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/retry-failed", "").is(http.StatusAccepted); again.field("retried") != 1.0 {
			t.Errorf("retried %s", again.body)
		}
		b.as(notifier.RoleViewer, http.MethodGet, "/notices/"+id+"/report.csv", "").problem(403, "", "sender")
	})
}

func TestAnUpdateWaitsUntilEverybodyWasToldAndTellsTheFigures(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		incident := b.incident(`{"title":"imap7 is down"}`)
		id := b.notice(restored, "email,subject\nann@example.com,a1\nbob@example.com,b1\n,lost\n")
		say := func(body string) answer {
			return b.as(notifier.RolePoster, http.MethodPost, "/incidents/"+incident+"/updates", body)
		}
		say(`{"body":"x","after_notice":{"id":"nosuch","when":"tried"}}`).problem(422, "after_notice.id", "")
		say(`{"body":"x","after_notice":{"id":"`+id+`","when":"soon"}}`).problem(422, "after_notice.when", "")
		say(`{"body":"{{notice.mood}}","after_notice":{"id":"`+id+`","when":"tried"}}`).problem(422, "body", "")
		got := say(`{"status":"resolved","body":"{{notice.sent}} were told, {{notice.failed}} could not be, {{notice.without_address}} have no address.","after_notice":{"id":"` + id + `","when":"final"}}`).is(http.StatusCreated)
		if got.field("event_id") != nil || got.text("after_notice.id") != id {
			t.Errorf("answered %s", got.body)
		}
		waits := b.as(notifier.RoleViewer, http.MethodGet, "/incidents/"+incident, "").is(http.StatusOK)
		if waits.text("held.0.id") != got.text("id") || waits.text("held.0.notice_state") != "draft" || len(waits.field("updates").([]any)) != 1 || waits.text("status") != "investigating" {
			t.Errorf("before: %s", waits.body)
		}
		b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/send", `{"expect":2}`).is(http.StatusAccepted)
		b.deliver(func(i int, _ notifier.Delivery) notifier.Settlement {
			return notifier.Settlement{State: map[bool]notifier.DeliveryState{true: notifier.Sent, false: notifier.Failed}[i == 0], Tried: true, Charged: true}
		})
		b.deliver(taken) // what is due behind it
		said := b.as(notifier.RoleViewer, http.MethodGet, "/incidents/"+incident, "").is(http.StatusOK)
		if said.text("status") != "resolved" || said.text("updates.1.id") != got.text("id") || said.text("updates.1.body") != "1 were told, 1 could not be, 1 have no address." || len(said.field("held").([]any)) != 0 {
			t.Errorf("after: %s", said.body)
		}
		again := say(`{"body":"x","after_notice":{"id":"` + b.notice(restored, "") + `","when":"tried"}}`).is(http.StatusCreated).text("id")
		b.as(notifier.RolePoster, http.MethodDelete, "/incidents/"+incident+"/updates/"+again, "").is(http.StatusNoContent)
		b.as(notifier.RolePoster, http.MethodDelete, "/incidents/"+incident+"/updates/"+got.text("id"), "").problem(404, "", "")
	})
}
