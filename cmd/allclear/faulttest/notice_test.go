package faulttest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/ledgertest"
	"allclear/store/storetest"
)

// affected is a file of n people with 1 to 5 rows each, mixed; every row holds
// a word that only its recipient may see.
func affected(n int) (file string, people []ledgertest.Reader) {
	var b strings.Builder
	b.WriteString("email,subject,date,folder\n")
	for i := range n {
		people = append(people, ledgertest.Reader{Address: fmt.Sprintf("heron%05d@example.com", i), Words: []string{fmt.Sprintf("canary%05d%s", i, word(6))}})
	}
	for round := range 5 {
		for i, p := range people {
			if round <= i%5 {
				fmt.Fprintf(&b, "%s,About %s today,2026-11-20,Inbox\n", p.Address, p.Words[0])
			}
		}
	}
	return b.String(), people
}

// upload gives a notice its audience.
func (s *site) upload(notice, file string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.url+"/api/v1/notices/"+notice+"/audience", strings.NewReader(file))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "text/csv")
	res, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		s.t.Fatalf("audience: %s", res.Status)
	}
}

// must asks the API for what must be done.
func (s *site) must(method, path string, body object, want int) object {
	s.t.Helper()
	status, said, err := s.call(method, path, body)
	if err != nil || status != want {
		s.t.Fatalf("%s %s: %d, want %d: %v, %v", method, path, status, want, said, err)
	}
	return said
}

func TestKilledThreeTimesInTheMiddleOfANoticeEverybodyGetsTheirOwnAndTheUpdateTellsIt(t *testing.T) {
	t.Parallel()
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			const n = 900
			file, people := affected(n)
			s := newSite(t, storetest.DSN(t, dialect), 0)
			s.ledger = ledgertest.Open(t, people)
			s.slowly(20 * time.Millisecond)
			p := s.serve()
			incident := s.must(http.MethodPost, "/incidents", object{"title": "imap7 is down", "body": "It is down.", "notify": false}, http.StatusCreated).text("id")
			mark := s.mark()
			s.ledger.Says(mark, mark)
			notice := s.must(http.MethodPost, "/notices", object{"title": "Restore", "template": "restore-completed", "body": "This is " + mark + ".", "incident_id": incident}, http.StatusCreated).text("id")
			s.upload(notice, file)
			s.must(http.MethodPost, "/incidents/"+incident+"/updates", object{
				"body": "{{notice.sent}} were told, {{notice.failed}} could not be.", "after_notice": object{"id": notice, "when": "final"},
			}, http.StatusCreated)
			event := s.must(http.MethodPost, "/notices/"+notice+"/send", object{"expect": n, "canary": 5}, http.StatusAccepted).text("event_id")
			s.ledger.Accepted(mark, event)
			s.events = append(s.events, event)
			for _, part := range []int{n / 50, n / 3, 2 * n / 3} { // the canary, then the crowd
				s.ledger.Wait(part)
				s.killed(p)
				t.Logf("killed after %d mails", s.ledger.Count())
				p = s.serve()
			}
			eventually(t, "the notice is done", func() bool {
				status, said, err := s.call(http.MethodGet, "/notices/"+notice, nil)
				return err == nil && status == http.StatusOK && said.text("state") == string(notifier.NoticeDone)
			})
			s.done()
			eventually(t, "the update that waited is published", func() bool {
				_, said, err := s.call(http.MethodGet, "/incidents/"+incident, nil)
				updates, _ := said["updates"].([]any)
				if err != nil || len(updates) != 2 {
					return false
				}
				last, _ := updates[1].(map[string]any)
				return object(last).text("body") == fmt.Sprintf("%d were told, 0 could not be.", n)
			})
			s.check()
		})
	}
}
