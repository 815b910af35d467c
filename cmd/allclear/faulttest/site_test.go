package faulttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/ledgertest"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// connections is how many the program has to its relay: so many mails can be
// in doubt when it dies.
const connections = 8

// site is one installation: a database, a state folder, readers, and the ledger
// that is its relay. Its processes come and go.
type site struct {
	t      *testing.T
	dsn    string // as the processes get it; a test may put a proxy between
	state  string
	token  string
	ledger *ledgertest.Ledger
	// doubts is how many mails the faults so far may have left in doubt.
	doubts int

	url       string                 // where the last serve answers
	trace     *httptrace.ClientTrace // of what is asked; nil: nobody looks
	processes []*process
	marks     []string // of everything that was posted
	events    []string // of what was accepted
}

// onBoth runs a test on a site of n readers on each database.
func onBoth(t *testing.T, n int, test func(t *testing.T, s *site)) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel() // a site mostly waits: for a start, for a relay, for its death
			test(t, newSite(t, storetest.DSN(t, dialect), n))
		})
	}
}

// newSite makes a site with n readers in the database that dsn names.
func newSite(t *testing.T, dsn string, n int) *site {
	t.Helper()
	s := &site{t: t, dsn: dsn, state: t.TempDir()}
	s.ledger = ledgertest.Open(t, s.follow(n))
	said, err := s.command("token", "create", "--role", "admin", "--name", "faults").Output()
	if err != nil {
		t.Fatalf("make a token: %v", err)
	}
	s.token = strings.TrimSpace(string(said))
	return s
}

// follow adds n readers. Each has two words of its own: the local part of the
// address and the token of the link to leave.
func (s *site) follow(n int) []ledgertest.Reader {
	s.t.Helper()
	db := storetest.At(s.t, s.dsn)()
	defer func() { _ = db.Close() }()
	for from := 0; from < n; from += 1000 {
		var batch []subscribers.Subscriber
		for i := from; i < min(from+1000, n); i++ {
			batch = append(batch, subscribers.Subscriber{
				Channel: notifier.Email, Address: fmt.Sprintf("quail%05d%s@example.com", i, word(6)), State: subscribers.Active, Cadence: subscribers.Instant,
				CreatedAt: db.Now(), ConfirmedAt: db.Now(),
			})
		}
		if _, errs, err := db.ImportSubscribers(s.t.Context(), batch, nil); err != nil || len(errs) > 0 && errs[0] != nil {
			s.t.Fatalf("add readers: %v, %v", err, errs)
		}
	}
	links := subscribers.NewLinks(storetest.Secret())
	var out []ledgertest.Reader
	for cursor := ""; ; {
		page, next, err := db.Subscribers(s.t.Context(), subscribers.Query{Cursor: cursor, Limit: 500})
		if err != nil {
			s.t.Fatalf("list readers: %v", err)
		}
		for _, r := range page {
			local, _, _ := strings.Cut(r.Address, "@")
			out = append(out, ledgertest.Reader{Address: r.Address, Words: []string{local, links.Token(subscribers.ForUnsubscribe, r.Number, time.Time{})}})
		}
		if cursor = next; next == "" {
			return out
		}
	}
}

// word is n random letters.
func word(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz"[rand.IntN(26)]
	}
	return string(b)
}

// env is what every process and command of the site gets.
func (s *site) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "ALLCLEAR_DATABASE=" + s.dsn, "ALLCLEAR_STATE=" + s.state, "ALLCLEAR_LISTEN=127.0.0.1:0",
		"ALLCLEAR_BASE_URL=http://127.0.0.1:8080", "ALLCLEAR_SECRET=" + string(storetest.Secret()), "ALLCLEAR_FROM=status@fjordpost.example",
		"ALLCLEAR_RELAY=" + s.relay(), "ALLCLEAR_SMTP_CONNECTIONS=" + strconv.Itoa(connections),
	}
}

func (s *site) relay() string {
	if s.ledger == nil {
		return ""
	}
	return s.ledger.URL()
}

// command is the program asked to do one thing.
func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), built.path(s.t), args...)
	for _, v := range s.env() {
		if name, _, _ := strings.Cut(v, "="); name == "PATH" || name == "ALLCLEAR_DATABASE" || name == "ALLCLEAR_SECRET" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd
}

type object map[string]any

// text is a field of an answer.
func (o object) text(key string) string {
	s, _ := o[key].(string)
	return s
}

// client makes a connection for each request: the one before may lead to a
// process that is dead.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// call asks the API. An error means that there was no answer.
func (s *site) call(method, path string, body object, header ...string) (status int, said object, err error) {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(text)
	}
	ctx := s.t.Context()
	if s.trace != nil {
		ctx = httptrace.WithClientTrace(ctx, s.trace)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url+"/api/v1"+path, in)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, err
	}
	if err := json.Unmarshal(text, &said); err != nil && len(text) > 0 {
		return 0, nil, fmt.Errorf("%s %s: %s: %w", method, path, text, err)
	}
	return res.StatusCode, said, nil
}

// get fetches a page of the last serve; status 0 means that there was no answer.
func (s *site) get(path string) (status int, body string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := client.Do(r)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, ""
	}
	return res.StatusCode, string(text)
}

// incident is one that was opened, or was asked to be.
type incident struct {
	id   string // "" while nobody knows
	name string // in the ledger
}

// mark is a word for a post, which its text alone will hold.
func (s *site) mark() string {
	mark := fmt.Sprintf("post%06d%s", len(s.marks)+1, word(6))
	s.marks = append(s.marks, mark)
	return mark
}

// post says something under a new mark, and notes in the ledger what came of it.
// An empty title becomes the mark, by which find finds it again. An error means
// that it was not accepted, as far as anybody knows.
func (s *site) post(path, name string, body object, header ...string) (mark string, said object, err error) {
	s.t.Helper()
	mark = s.mark()
	if name == "" {
		name = mark
	}
	s.ledger.Says(mark, name)
	if body["title"] == "" {
		body["title"] = mark
	}
	body["body"] = text(mark)
	said, err = s.again(mark, path, body, header...)
	return mark, said, err
}

// text is what a post says.
func text(mark string) string { return "It began {{at \"16:11\"}}. This is " + mark + "." }

// again posts what has a mark already.
func (s *site) again(mark, path string, body object, header ...string) (object, error) {
	s.t.Helper()
	status, said, err := s.call(http.MethodPost, path, body, header...)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusCreated:
		return said, fmt.Errorf("POST %s: %d: %v", path, status, said)
	}
	s.ledger.Accepted(mark, said.text("event_id"))
	s.events = append(s.events, said.text("event_id"))
	return said, nil
}

// find says which incidents have a title.
func (s *site) find(title string) (ids []string) {
	s.t.Helper()
	for cursor := ""; ; {
		status, page, err := s.call(http.MethodGet, "/incidents?limit=100&cursor="+url.QueryEscape(cursor), nil)
		items, ok := page["items"].([]any)
		if err != nil || status != http.StatusOK || !ok {
			s.t.Fatalf("list incidents: %d, %v, %v", status, page, err)
		}
		for _, i := range items {
			if one, ok := i.(map[string]any); ok && one["title"] == title {
				ids = append(ids, object(one).text("id"))
			}
		}
		if cursor = page.text("next"); cursor == "" {
			return ids
		}
	}
}

// clear finds out what became of a post that had no answer: the incident is
// there, and then all of it counts, or it is not, and nothing of it may be seen.
func (s *site) clear(mark string) {
	s.t.Helper()
	switch ids := s.find(mark); len(ids) {
	case 0:
		s.ledger.Refused(mark)
	case 1:
		status, said, err := s.call(http.MethodGet, "/incidents/"+ids[0], nil)
		if err != nil || status != http.StatusOK || said.text("event_id") == "" {
			s.t.Fatalf("incident %s: %d, %v, %v", ids[0], status, said, err)
		}
		s.ledger.Accepted(mark, said.text("event_id"))
		s.events = append(s.events, said.text("event_id"))
	default:
		s.t.Errorf("one post became %d incidents", len(ids))
	}
}

// open opens an incident, which must be accepted.
func (s *site) open() incident {
	s.t.Helper()
	mark, said, err := s.post("/incidents", "", object{"title": "Mail is late", "severity": "major"})
	if err != nil {
		s.t.Fatalf("open an incident: %v", err)
	}
	return incident{said.text("id"), mark}
}

// update says more about an incident, which must be accepted.
func (s *site) update(i incident, status string) {
	s.t.Helper()
	if _, _, err := s.post("/incidents/"+i.id+"/updates", i.name, object{"status": status}); err != nil {
		s.t.Fatalf("update an incident: %v", err)
	}
}

// progress is what GET /events/{id} answers.
func (s *site) progress(event string) (state string, counts map[string]int64, err error) {
	status, said, err := s.call(http.MethodGet, "/events/"+event, nil)
	if err != nil {
		return "", nil, err
	}
	by, ok := said["counts"].(map[string]any)
	if status != http.StatusOK || !ok {
		return "", nil, fmt.Errorf("GET /events/%s: %d: %v", event, status, said)
	}
	counts = map[string]int64{}
	for k, v := range by {
		n, _ := v.(float64)
		counts[k] = int64(n)
	}
	return said.text("state"), counts, nil
}

// done waits until everything that was accepted has come to its end.
func (s *site) done() {
	s.t.Helper()
	for _, e := range s.events {
		eventually(s.t, "event "+e+" is done", func() bool {
			state, _, err := s.progress(e)
			return err == nil && state == string(notifier.Done)
		})
	}
}

// check hands the ledger to its check, with the counts as the API tells them.
func (s *site) check() {
	s.t.Helper()
	s.ledger.Check(s.t, ledgertest.Faults{Doubts: s.doubts, Counts: s.counts})
}

func (s *site) counts(event string) (map[string]int64, error) {
	_, counts, err := s.progress(event)
	return counts, err
}

// killed kills a process; what its connections had in flight is in doubt.
func (s *site) killed(p *process) {
	s.doubts += connections
	p.kill()
}

// rounds is how often a random fault strikes on each database.
func rounds(t testing.TB, few int) int {
	t.Helper()
	if v := os.Getenv("ALLCLEAR_TEST_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("ALLCLEAR_TEST_ROUNDS: %v", err)
		}
		return n
	}
	return few
}

// dice are random, and can be thrown again.
func dice(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("ALLCLEAR_TEST_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("ALLCLEAR_TEST_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("ALLCLEAR_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
