package main

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
	"allclear/store/storetest"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
)

// A flood of sign-ups in earnest takes a minute and a machine of its own:
//
//	ALLCLEAR_TEST_FLOOD=60s    how long it is kept up, at 1,000 a second; make soak does so
//
// Without it a few hundred come at once, and nothing is measured.
const floodVariable = "ALLCLEAR_TEST_FLOOD"

// flooding is what the process that floods is told, and what it tells.
type flooding struct {
	URL     string        `json:"url"`
	Token   string        `json:"token"`
	Rate    int           `json:"rate"` // a second; 0 is as fast as it goes
	Posts   int           `json:"posts"`
	Until   time.Duration `json:"until"`
	Status  map[int]int   `json:"status"`
	Took    time.Duration `json:"took"`
	Trouble string        `json:"trouble"`
}

// flood posts junk from forged networks. One in ten copies the code.
func (f flooding) flood(ctx context.Context) flooding {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 30 * time.Second}
	var mu sync.Mutex
	f.Status = map[int]int{}
	var n atomic.Int64
	began := time.Now()
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(n.Add(1))
				if i > f.Posts {
					return
				}
				if f.Rate > 0 {
					at := began.Add(time.Duration(i) * time.Second / time.Duration(f.Rate))
					select {
					case <-ctx.Done():
						return
					case <-time.After(time.Until(at)):
					}
				}
				status, err := f.junk(ctx, client, i)
				mu.Lock()
				f.Status[status]++
				if err != nil && ctx.Err() == nil {
					f.Trouble = err.Error()
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	f.Took = time.Since(began)
	return f
}

func (f flooding) junk(ctx context.Context, client *http.Client, i int) (int, error) {
	from := fmt.Sprintf("%d.%d.%d.%d", 11+i%80, i/80%256, i/20480%256, 1+i%250)
	fields := url.Values{"form": {f.Token}, "address": {fmt.Sprintf("junk%d@d%d.example", i, i%5000)}}
	status, page, err := send(ctx, client, f.URL+"/subscribe", from, fields)
	if err == nil && status == http.StatusTooManyRequests && i%10 == 0 {
		again := hiddenFields(page)
		again.Set("code", codeOf(page))
		status, _, err = send(ctx, client, f.URL+"/subscribe", from, again)
	}
	return status, err
}

// send posts a form through a proxy that says where it comes from.
func send(ctx context.Context, client *http.Client, to, from string, fields url.Values) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(fields.Encode()))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-For", from)
	res, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

var (
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	codeShown   = regexp.MustCompile(`<p class="code"[^>]*>(\d{6})</p>`)
)

func hiddenFields(page string) url.Values {
	out := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(page, -1) {
		out.Add(m[1], html.UnescapeString(m[2]))
	}
	return out
}

func codeOf(page string) string {
	if m := codeShown.FindStringSubmatch(page); m != nil {
		return m[1]
	}
	return ""
}

// TestFloodGenerator is the process that floods, where one is asked for.
func TestFloodGenerator(t *testing.T) {
	told := os.Getenv("ALLCLEAR_TEST_FLOOD_CHILD")
	if told == "" {
		t.Skip("only as another test's process")
	}
	var f flooding
	if err := json.Unmarshal([]byte(told), &f); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), f.Until)
	defer cancel()
	out, err := json.Marshal(f.flood(ctx))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("flood: %s\n", out)
}

// generate floods from a process of its own, whose time can be taken off.
func generate(t *testing.T, f flooding) func() (flooding, time.Duration) {
	t.Helper()
	told, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestFloodGenerator$")
	c.Env = append(os.Environ(), "ALLCLEAR_TEST_FLOOD_CHILD="+string(told))
	var out lockedBuffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (flooding, time.Duration) {
		t.Helper()
		if err := c.Wait(); err != nil {
			t.Fatalf("the flood: %v: %s", err, &out)
		}
		_, text, _ := strings.Cut(out.String(), "flood: ")
		line, _, _ := strings.Cut(text, "\n")
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("the flood says %s: %v", &out, err)
		}
		return f, c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
}

// Of a flood of sign-ups no more mails come than the budgets allow, one at most
// to an address; who did the work gets in; and an incident is told meanwhile.
func TestAFloodOfSignUpsCausesNoMoreMailThanItMayAndHoldsUpNobody(t *testing.T) {
	lasting, rate, followers := time.Duration(0), 0, 200
	if v := os.Getenv(floodVariable); v != "" {
		var err error
		if lasting, err = time.ParseDuration(v); err != nil {
			t.Fatalf("%s: %v", floodVariable, err)
		}
		rate, followers = 1000, 40_000 // some seconds of sending, not the first one
	}
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{Forget: lasting > 0})
		settings := settingsFor(t, dsn, relay.URL("tls=off"))
		settings.TrustedProxies = "127.0.0.0/8"
		s := boot(t, programOptions{settings: settings})
		follow(t, s.db, followers)
		g := gate.New(storetest.Secret(), "subscribe")
		token := g.Form(s.db.Now().Add(-time.Minute))
		calm := s.tell("Undisturbed")

		f := flooding{URL: s.URL(), Token: token, Posts: 400, Until: patienceOfTests}
		if lasting > 0 {
			f.Rate, f.Posts, f.Until = rate, rate*int(lasting/time.Second), lasting+patienceOfTests
		}
		began := s.db.Now()
		forgetPeak()
		end := generate(t, f)
		eventually(t, "the flood is felt", func() bool {
			status, _, err := send(t.Context(), http.DefaultClient, s.URL()+"/subscribe", "192.0.2.1", url.Values{"form": {token}, "address": {"probe@example.org"}})
			return err == nil && status == http.StatusTooManyRequests
		})
		stormy := s.tell("In the flood")
		s.work(t, token, "ann@fjord.example")
		relayHas(t, relay, "ann@fjord.example")
		f, generator := end()
		calm = (calm + s.tell("Undisturbed again")) / 2

		asked := map[string]int{}
		for _, m := range relay.Messages() {
			if to := m.To[0]; !strings.HasPrefix(to, "a") || to == "ann@fjord.example" {
				asked[to]++
			}
		}
		limits := subscribers.SignUpLimits()
		most, passed := 0, s.db.Now().Sub(began)
		for _, b := range []subscribers.Budget{limits[subscribers.ForAll], limits[subscribers.AllSolved]} {
			most += b.Burst + int(passed/b.Every)
		}
		if len(asked) > most {
			t.Errorf("%d were asked in %s, of %d that may be", len(asked), passed, most)
		}
		for to, n := range asked {
			if n > 1 {
				t.Errorf("%s was asked %d times", to, n)
			}
		}
		if f.Trouble != "" || f.Status[http.StatusTooManyRequests] == 0 || f.Status[http.StatusInternalServerError] > 0 {
			t.Errorf("the flood met %v, %s", f.Status, f.Trouble)
		}
		// What the generator takes of the machine, nothing that sends can have.
		rest := 1 - generator.Seconds()/(f.Took.Seconds()*float64(runtime.NumCPU()))
		if lasting > 0 {
			// The generator is another process; the relay and the test are not.
			peak, _, err := memoryOf("self")
			t.Logf("the most memory this process had: %d MB, %v", peak>>20, err)
			if err != nil || peak > 200<<20 {
				t.Errorf("it took %d MB, %v; at most 200 are allowed", peak>>20, err)
			}
		}
		t.Logf("%d posts in %s met %v (generator's CPU %s); %d asked; incident to %d at %.0f/s undisturbed, %.0f/s in the flood: %.0f %%, or %.0f %% of what the generator leaves",
			f.Posts, f.Took.Round(time.Millisecond), f.Status, generator.Round(time.Millisecond), len(asked), followers, calm, stormy, 100*stormy/calm, 100*stormy/calm/rest)
	})
}

// tell posts an incident and returns how many a second were told.
func (s *service) tell(title string) float64 {
	s.t.Helper()
	_, event := s.announce(title, nil)
	p := waitDone(s.t, s.db, event)
	if p.Counts[notifier.Sent] != p.Total {
		s.t.Errorf("%s: %v", title, p.Counts)
	}
	return float64(p.Total) / p.LastSentAt.Sub(p.Event.AcceptedAt).Seconds()
}

// work signs up as a browser with script does in a rush. An answer to no
// question has the work asked for even if the rush is just over: else the form
// would be taken as it is, and wait behind all that were.
func (s *service) work(t *testing.T, token, address string) {
	t.Helper()
	fields := url.Values{"form": {token}, "address": {address}, "challenge": {"none"}}
	status, page, err := send(t.Context(), http.DefaultClient, s.URL()+"/subscribe", "198.51.100.7", fields)
	if err != nil || status != http.StatusTooManyRequests {
		t.Fatalf("who is to do the work is answered %d %s, %v", status, page, err)
	}
	fields = hiddenFields(page)
	bits := regexp.MustCompile(`data-bits="(\d+)"`).FindStringSubmatch(page)
	var hard int
	if _, err := fmt.Sscan(bits[1], &hard); err != nil {
		t.Fatal(err)
	}
	fields.Set("number", gate.Challenge{Token: fields.Get("challenge"), Bits: hard}.Solve())
	status, page, err = send(t.Context(), http.DefaultClient, s.URL()+"/subscribe", "198.51.100.7", fields)
	if err != nil || status != http.StatusOK {
		t.Fatalf("who did the work is answered %d %s, %v", status, page, err)
	}
}

func relayHas(t *testing.T, relay *emailtest.Server, address string) {
	t.Helper()
	// Seldom: among tens of thousands, looking is work that is felt.
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for late := time.After(patienceOfTests); ; {
		for _, m := range relay.Messages() {
			if m.To[0] == address {
				return
			}
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("%s is not asked to confirm within %s", address, patienceOfTests)
		}
	}
}

// The whole way: the form, the mail, the link, the button, the next incident.
func TestWhoeverSignsUpOnThePageAndConfirmsHearsOfTheNextIncident(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		var clock movingClock
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off")), now: clock.now})
		status, page := get(t, s.URL()+"/subscribe")
		if status != http.StatusOK {
			t.Fatalf("the form: %d", status)
		}
		clock.forward(gate.LeastAge)
		fields := hiddenFields(page)
		fields.Set("address", "Ann@Example.org")
		if status, body := post(t, s.URL()+"/subscribe", fields.Encode()); status != http.StatusOK {
			t.Fatalf("signing up: %d %s", status, body)
		}
		asked := readLetter(t, relay.WaitFor(1)[0])
		link := regexp.MustCompile(`http://\S+/confirm/[\w-]+`).FindString(asked.text)
		if asked.to != "Ann@example.org" || link == "" || asked.leave != "" {
			t.Fatalf("the mail to %s says %s", asked.to, asked.text)
		}
		if status, _ := post(t, link, ""); status != http.StatusOK {
			t.Fatalf("confirming: %d", status)
		}
		s.tell("Mail is late")
		if told := relay.WaitFor(2); told[1].To[0] != "Ann@example.org" {
			t.Errorf("told %v", told[1].To)
		}
	})
}
