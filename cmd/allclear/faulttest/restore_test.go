package faulttest

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/ledgertest"
	"allclear/store/storetest"
)

// A restore in earnest takes minutes, and a gigabyte of disk:
//
//	ALLCLEAR_TEST_RESTORE=100000   to how many; go test ./cmd/allclear/faulttest -run RestoreOfMany/by_API/sqlite -v -timeout 2h
//
// Without it some hundred are told.
const restoreVariable = "ALLCLEAR_TEST_RESTORE"

// fewRestored is for how many a restore is tried out.
const fewRestored = 300

// restore is a night: an incident, the notice to those it happened to, and the
// update that waits for it.
type restore struct {
	*site
	crowd
	way      way
	file     string
	p        *process
	approver string // another person's token
	incident string
	notice   string
	news     string // the mark of the notice
	told     string // the mark of the update
	began    time.Time
	peak     int64 // the most memory that serve ever had, in bytes
}

// way is by what door staff do it.
type way interface {
	// write writes the notice, gives it its file, looks at a copy, and answers its id.
	write(r *restore) (notice string)
	// hold writes the update that waits for the notice.
	hold(r *restore)
	// send orders it, and has a second person agree.
	send(r *restore)
	// over sees that everybody's is final.
	over(r *restore)
	// kills: may the service be killed meanwhile?
	kills() bool
}

func TestARestoreOfManyIsToldToEachWithTheirOwnRowsAndThePublicHearsOfIt(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]func() way{"by command line": byCommand, "by API": byAPI, "by browser": byBrowser} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, dialect := range storetest.Dialects() {
				t.Run(dialect, func(t *testing.T) {
					t.Parallel()
					restored(t, storetest.DSN(t, dialect), way())
				})
			}
		})
	}
}

// many is how many are told, and whether that is in earnest.
func many(t *testing.T) (n int, earnest bool) {
	t.Helper()
	v := os.Getenv(restoreVariable)
	if v == "" {
		return fewRestored, false
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 10 {
		t.Fatalf("%s: %q is not how many are told, from 10 on", restoreVariable, v)
	}
	return n, true
}

func restored(t *testing.T, dsn string, way way) {
	t.Helper()
	n, earnest := many(t)
	s := newSite(t, dsn, 0)
	r := &restore{site: s, crowd: newCrowd(n), way: way}
	r.file = r.crowd.write(t)
	follower := s.follow(1)
	s.ledger = ledgertest.Open(t, append(r.readers(), follower...))
	s.ledger.Inspect(r.wrong)
	if way.kills() && !earnest {
		s.slowly(20 * time.Millisecond)
	}
	var open atomic.Bool // the greylisted mailbox
	s.ledger.Commands(func(_ int, command string) string {
		switch to, ok := strings.CutPrefix(command, "RCPT TO:"); {
		case ok && strings.HasPrefix(to, "<"+r.address(greylisted)+">") && !open.Load():
			return "450 4.2.0 greylisted, come back later"
		case ok && strings.HasPrefix(to, "<"+r.address(refusing)+">"):
			return "550 5.1.1 no such user"
		}
		return ""
	})
	r.approver = s.newToken("approver", "second")
	r.start()
	r.incident = s.must(http.MethodPost, "/incidents", object{"title": "imap7 is down", "body": "It is down.", "notify": false}, http.StatusCreated).text("id")
	r.news, r.told = s.mark(), s.mark()
	s.ledger.Says(r.news, r.news, follower[0].Address)
	s.ledger.Says(r.told, r.told, r.addresses()...)

	r.began = time.Now()
	r.lap("it serves")
	r.notice = way.write(r)
	r.lap("the audience is there")
	r.counted()
	way.hold(r)
	way.send(r)
	event := r.shown().text("event_id")
	s.ledger.Accepted(r.news, event)
	s.events = append(s.events, event)
	if way.kills() {
		for _, part := range []int{n / 50, n / 3, 2 * n / 3} {
			r.until("some have their mail", func() bool { return s.ledger.Count() >= part })
			r.rest()
			s.killed(r.p)
			r.lap("killed")
			r.start()
		}
	}
	r.published(follower[0].Address)
	open.Store(true)
	r.again(event)
	r.until("everything is final", func() bool { return r.shown().text("state") == string(notifier.NoticeDone) })
	r.lap("everything is final")
	way.over(r)
	r.rest()
	s.done()
	s.check()
	r.proof()
	r.lap("the report is checked")
	if info, err := os.Stat(r.file); err == nil {
		t.Logf("%d people, %d rows, %d MB; serve had %d MB at most", n, r.total(), info.Size()>>20, r.peak>>20)
	}
}

// start starts serve, for which two are enough to need a second person.
func (r *restore) start() { r.p = r.serve("ALLCLEAR_APPROVAL_ABOVE=1") }

// rest notes what the serve that runs had of memory.
func (r *restore) rest() { r.peak = max(r.peak, r.p.memory()) }

func (r *restore) lap(what string) {
	r.t.Helper()
	memory := int64(0)
	if !r.p.ended() {
		memory = r.p.memory() >> 20
	}
	r.t.Logf("%7.1f s: %s (%d mails, serve %d MB at most)", time.Since(r.began).Seconds(), what, r.ledger.Count(), memory)
}

// until is eventually, patient with many.
func (r *restore) until(what string, holds func() bool) {
	r.t.Helper()
	patience := patience + time.Duration(r.n)*20*time.Millisecond
	look := 5*time.Millisecond + min(time.Duration(r.n)*10*time.Microsecond, time.Second)
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			r.t.Fatalf("not within %s: %s; there are %d mails", patience, what, r.ledger.Count())
		}
		<-time.After(look)
	}
}

// shown is what the API tells of the notice; nothing where it does not answer.
func (r *restore) shown() object {
	_, said, err := r.call(http.MethodGet, "/notices/"+r.notice, nil)
	if err != nil {
		return object{}
	}
	return said
}

// counted wants the file taken up whole.
func (r *restore) counted() {
	r.t.Helper()
	said := r.shown()
	for name, want := range map[string]int64{"recipients": int64(r.n), "rows": r.total(), "rejected": unusable, "without_address": nobodys} {
		if got, _ := said[name].(float64); int64(got) != want {
			r.t.Errorf("the audience has %s %v, want %d", name, said[name], want)
		}
	}
}

// saying is what the update says before and after its figures are known.
func (r *restore) saying() (before, after string) {
	const text = "This is %s. %s were told, %s are tried again, %s could not be reached, and %s rows name nobody."
	return fmt.Sprintf(text, r.told, "{{notice.sent}}", "{{notice.retrying}}", "{{notice.failed}}", "{{notice.without_address}}"),
		fmt.Sprintf(text, r.told, grouped(r.n-2), "1", "1", strconv.Itoa(nobodys))
}

// grouped is a number as mails write it in English.
func grouped(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}

// published wants the update out with the true figures, and its reader told,
// while the mailbox that puts us off still does.
func (r *restore) published(follower string) {
	r.t.Helper()
	var said object
	r.until("the update that waited is published", func() bool {
		_, i, err := r.call(http.MethodGet, "/incidents/"+r.incident, nil)
		updates, _ := i["updates"].([]any)
		if err != nil || len(updates) != 2 {
			return false
		}
		said, _ = updates[1].(map[string]any)
		return true
	})
	r.lap("the update is published")
	if _, want := r.saying(); said.text("body") != want {
		r.t.Errorf("the update says %q, want %q", said.text("body"), want)
	}
	event := said.text("event_id")
	r.ledger.Accepted(r.told, event)
	r.events = append(r.events, event)
	r.until("the update's reader has it", func() bool {
		_, counts, err := r.progress(event)
		return err == nil && counts["sent"] == 1
	})
	counts, _ := r.shown()["counts"].(map[string]any)
	if state := r.shown().text("state"); state != string(notifier.NoticeSettling) || counts["pending"] != 1.0 {
		r.t.Errorf("%s was told while the notice is %s: %v", follower, state, counts)
	}
}

// again tries the one again that was put off, which is what staff can do.
func (r *restore) again(event string) {
	r.t.Helper()
	said := r.must(http.MethodGet, "/deliveries?state=pending&event="+event, nil, http.StatusOK)
	list, _ := said["items"].([]any)
	if len(list) != 1 {
		r.t.Fatalf("%d deliveries wait, want 1: %v", len(list), said)
	}
	one, _ := list[0].(map[string]any)
	if status, said, err := r.call(http.MethodPost, "/deliveries/"+object(one).text("id")+"/retry", nil); err != nil || status >= 300 {
		r.t.Fatalf("retry: %d %v %v", status, said, err)
	}
}

// proof wants a line for everybody in the report, with the mail that they got.
func (r *restore) proof() {
	r.t.Helper()
	ids := map[string]string{}
	for _, m := range r.ledger.Mails() {
		ids[m.To] = m.ID
	}
	body := r.stream(http.MethodGet, "/notices/"+r.notice+"/report.csv", "", nil, http.StatusOK)
	defer body.Close()
	in := csv.NewReader(body)
	in.ReuseRecord = true
	head, err := in.Read()
	if err != nil {
		r.t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range head {
		at[strings.TrimPrefix(name, "\ufeff")] = i
	}
	seen := map[string]bool{}
	for {
		line, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.t.Fatal(err)
		}
		to, outcome, id := line[at["address"]], line[at["outcome"]], line[at["message_id"]]
		want := "sent"
		if to == r.address(refusing) {
			want = "failed"
		}
		if seen[to] || outcome != want || want == "sent" && (ids[to] == "" || strings.Trim(ids[to], "<>") != strings.Trim(id, "<>")) {
			r.t.Errorf("the report says of %s %s, %s (again: %t); its mail is %s", to, outcome, id, seen[to], ids[to])
		}
		seen[to] = true
	}
	if len(seen) != r.n {
		r.t.Errorf("the report has %d people, want %d", len(seen), r.n)
	}
}
