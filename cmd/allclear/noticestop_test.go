package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"allclear/notifier/email/emailtest"
)

// plainCrowd is a file of n recipients, a row each.
func plainCrowd(n int) string {
	var b strings.Builder
	b.WriteString("email,name\n")
	for i := range n {
		fmt.Fprintf(&b, "a%d@example.com,Reader %d\n", i, i)
	}
	return b.String()
}

// waits is a relay that takes nothing of a notice beyond so many mails until it
// is let go on.
type waits struct {
	seat  chan struct{} // a mail may be taken
	done  chan struct{} // all may
	begun atomic.Int64  // mails on the wire, or behind it
}

func newWaits(mails int) *waits {
	w := &waits{seat: make(chan struct{}, mails), done: make(chan struct{})}
	for range mails {
		w.seat <- struct{}{}
	}
	return w
}

func (w *waits) onRcpt(_, to string) error {
	if strings.HasPrefix(to, "follower") {
		return nil
	}
	w.begun.Add(1)
	select {
	case <-w.seat:
	case <-w.done:
	}
	return nil
}

func TestANoticeThatIsPausedOrCancelledStandsStillAndNobodyIsToldTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const n = 120
		w := newWaits(30)
		relay := emailtest.NewServer(t, emailtest.Options{OnRcpt: w.onRcpt})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		make := func(title string) string {
			id := s.call("POST", "/notices", object{"title": title, "template": "account-affected", "body": "Dear {{name}}."}, http.StatusCreated).text("id")
			s.audience(id, plainCrowd(n), http.StatusAccepted)
			s.call("POST", "/notices/"+id+"/send", object{"expect": n, "canary": 0}, http.StatusAccepted)
			return id
		}
		count := func(id, state string) float64 {
			counts, _ := s.call("GET", "/notices/"+id, nil, http.StatusOK)["counts"].(map[string]any)
			f, _ := counts[state].(float64)
			return f
		}
		id := make("Paused")
		eventually(t, "some were sent theirs", func() bool { return count(id, "sent") >= 20 })
		if got := s.call("POST", "/notices/"+id+"/pause", nil, http.StatusAccepted); got.text("state") != "paused" {
			t.Fatalf("paused: %v", got)
		}
		close(w.done) // what is on the wire ends, and nothing else begins
		eventually(t, "nothing is on the wire", func() bool { return int64(len(relay.Messages())) == w.begun.Load() })
		// What workers had in their hands may begin within a second (I5), and no more after that.
		eventually(t, "no mail begins while an incident is told", func() bool {
			before := w.begun.Load()
			_, event := s.announce("Meanwhile", nil)
			s.done(event)
			return w.begun.Load() == before
		})
		if w.begun.Load() >= n {
			t.Fatal("the pause held nobody back")
		}
		s.call("POST", "/notices/"+id+"/resume", nil, http.StatusAccepted)
		// What a worker had in its hands may wait for the end of its lease.
		within(t, 3*patienceOfTests, "it is done", func() bool {
			return s.call("GET", "/notices/"+id, nil, http.StatusOK).text("state") == "done"
		})
		mails := byReader(t, relay.Messages())
		if len(mails) != n {
			t.Errorf("%d were told, want %d", len(mails), n)
		}
		for to, got := range mails {
			if len(got) != 1 {
				t.Errorf("%s got %d mails", to, len(got))
			}
		}
		other := make("Cancelled")
		s.call("POST", "/notices/"+other+"/cancel", nil, http.StatusAccepted)
		eventually(t, "what had not gone out is cancelled", func() bool { return count(other, "cancelled")+count(other, "sent") == n })
		if got := s.call("GET", "/notices/"+other, nil, http.StatusOK); got.text("state") != "cancelled" {
			t.Errorf("cancelled: %v", got)
		}
	})
}
