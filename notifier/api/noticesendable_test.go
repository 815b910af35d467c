package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

func TestANoticeThatSomeRecipientsLackDataForGoesOutOnlyWhereThatIsAccepted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		id := b.notice(`{"title":"t","template":"blank","body":"Dear {{Name}}, {{account}}"}`, "email,name,account\nann@example.com,Ann,c1\nbob@example.com,,c2\n")
		send := func(body string) answer {
			return b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/send", body)
		}
		send(`{"expect":2}`).problem(409, "", `1 recipient has no "name" and can be sent nothing: mend the file, or accept 1 missing`)
		send(`{"expect":2,"accept_missing":2}`).problem(409, "", "accept 1 missing")
		send(`{"expect":2,"accept_missing":"some"}`).problem(422, "accept_missing", "whole number, or true")
		for _, file := range []string{"email,account\nann@example.com,\nbob@example.com,c2\n", "email,account\nann@example.com,\n"} {
			other := b.notice(`{"title":"t","template":"blank","body":"Dear {{account}}"}`, file)
			want := fmt.Sprint(strings.Count(file, "@"))
			got := b.as(notifier.RoleSender, http.MethodPost, "/notices/"+other+"/send", `{"expect":`+want+`}`)
			if want == "1" {
				got.problem(422, "audience", `nobody of the audience has "account"`)
			} else {
				got.problem(409, "", `1 recipient has no "account"`)
			}
		}
		send(`{"expect":2,"accept_missing":1}`).is(http.StatusAccepted)
	})
}

func TestATimeThatIsPastIsRefusedAndNowIsNot(t *testing.T) {
	b := newBench(t)
	id := b.notice(restored, "email,subject\nann@example.com,a1\n")
	send := func(at time.Time) answer {
		return b.as(notifier.RoleSender, http.MethodPost, "/notices/"+id+"/send", `{"expect":1,"at":"`+at.Format(time.RFC3339)+`"}`)
	}
	now := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	send(now.Add(-2*time.Minute)).problem(422, "at", "that time is past; leave it out to send now")
	send(now.Add(-30 * time.Second)).is(http.StatusAccepted)
}
