package sms

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/notifiertest"
)

// gatewayAt makes the gateway that a setting names, at a server of the test's.
func gatewayAt(t *testing.T, server *httptest.Server, setting string) Gateway {
	t.Helper()
	set, err := ParseSetting(strings.ReplaceAll(setting, "HOST", strings.TrimPrefix(server.URL, "http://")), func(name string) ([]byte, error) {
		switch name {
		case "knowing.txt":
			return []byte("# idempotent: yes\nPOST " + server.URL + "/send\n\n{{.ID}}"), nil
		case "wordy.txt":
			return []byte("# accepted: \"status\":\"ok\"\nGET " + server.URL + "/send?to={{query .To}}&text={{query .Text}}\n"), nil
		}
		return []byte("# remote: message.id\nPOST " + server.URL + "/send?to={{query .To}}\nContent-Type: application/json\nX-Key: secret\n\n{\"text\": {{json .Text}}, \"ref\": {{json .ID}}}\n"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return set.Gateway
}

const (
	asTwilio   = "twilio://AC1:token@HOST?from=+4759440000"
	asKannel   = "kannel://user:pass%26word@HOST?from=Fjordpost"
	asTemplate = "http-template:gateway.txt"
	asWordy    = "http-template:wordy.txt"
	asKnowing  = "http-template:knowing.txt"
)

func TestWhatAGatewayAnswersMeans(t *testing.T) {
	for name, c := range map[string]struct {
		setting string
		status  int
		header  http.Header
		body    string
		want    notifier.SendError // of the zero one: taken
		remote  string
	}{
		"twilio takes it":                    {setting: asTwilio, status: 201, body: `{"sid":"SM9","status":"queued"}`, remote: "SM9"},
		"twilio: stopped":                    {setting: asTwilio, status: 400, body: `{"code":21610,"message":"unsubscribed"}`, want: notifier.SendError{Permanent: true, Gone: true, Code: 21610}},
		"twilio: no number":                  {setting: asTwilio, status: 400, body: `{"code":21211,"message":"invalid"}`, want: notifier.SendError{Permanent: true, Code: 21211}},
		"twilio: too fast":                   {setting: asTwilio, status: 429, header: http.Header{"Retry-After": {"7"}}, body: `{"code":20429}`, want: notifier.SendError{Fault: notifier.FaultRelay, Code: 20429, RetryAfter: 7 * time.Second}},
		"twilio: wrong token":                {setting: asTwilio, status: 401, body: `{"code":20003}`, want: notifier.SendError{Fault: notifier.FaultOurs, Code: 20003}},
		"twilio: not here":                   {setting: asTwilio, status: 400, body: `{"code":21408}`, want: notifier.SendError{Fault: notifier.FaultOurs, Code: 21408}},
		"twilio is down":                     {setting: asTwilio, status: 503, body: `<html>`, want: notifier.SendError{Fault: notifier.FaultRelay, Code: 503}},
		"twilio: no JSON":                    {setting: asTwilio, status: 200, body: `ok`, want: notifier.SendError{Fault: notifier.FaultRelay, Doubt: true, Code: 200, RetryAfter: time.Minute}},
		"twilio breaks":                      {setting: asTwilio, status: 500, body: `{"code":20500}`, want: notifier.SendError{Fault: notifier.FaultRelay, Doubt: true, Code: 500, RetryAfter: time.Minute}},
		"twilio's queue is full":             {setting: asTwilio, status: 400, body: `{"code":21611}`, want: notifier.SendError{Fault: notifier.FaultRelay, Code: 21611}},
		"twilio: no such service":            {setting: asTwilio, status: 400, body: `{"code":21704}`, want: notifier.SendError{Fault: notifier.FaultOurs, Code: 21704}},
		"kannel's proxy gives up":            {setting: asKannel, status: 504, want: notifier.SendError{Permanent: true, Doubt: true, Code: 504}},
		"kannel says something strange":      {setting: asKannel, status: 202, body: "Sent.", want: notifier.SendError{Permanent: true, Doubt: true, Code: 202}},
		"a template's breaks":                {setting: asTemplate, status: 500, want: notifier.SendError{Permanent: true, Doubt: true, Code: 500}},
		"a template's breaks, and knows it":  {setting: asKnowing, status: 500, want: notifier.SendError{Fault: notifier.FaultRelay, Doubt: true, Code: 500, RetryAfter: time.Minute}},
		"a template's has no credit":         {setting: asTemplate, status: 402, want: notifier.SendError{Fault: notifier.FaultOurs, Code: 402}},
		"a template's waited for us":         {setting: asTemplate, status: 408, want: notifier.SendError{Fault: notifier.FaultRelay, Code: 408}},
		"twilio: a redirect":                 {setting: asTwilio, status: 302, header: http.Header{"Location": {"http://169.254.169.254/"}}, want: notifier.SendError{Fault: notifier.FaultOurs, Code: 302}},
		"kannel takes it":                    {setting: asKannel, status: 202, body: "0: Accepted for delivery"},
		"kannel queues it":                   {setting: asKannel, status: 202, body: "3: Queued for later delivery"},
		"kannel: wrong user":                 {setting: asKannel, status: 403, body: "Authorization failed for sendsms", want: notifier.SendError{Fault: notifier.FaultOurs, Code: 403}},
		"kannel: no number":                  {setting: asKannel, status: 400, body: "Missing or invalid receiver", want: notifier.SendError{Permanent: true, Code: 400}},
		"kannel has no carrier":              {setting: asKannel, status: 503, body: "Temporal failure, try again later.", want: notifier.SendError{Fault: notifier.FaultRelay, Code: 503}},
		"a template's takes it":              {setting: asTemplate, status: 200, body: `{"message":{"id":12345678}}`, remote: "12345678"},
		"a template's takes it by its words": {setting: asWordy, status: 200, body: `{"status":"ok"}`},
		"a template's says ok and means no":  {setting: asWordy, status: 200, body: `{"status":"no credit"}`, want: notifier.SendError{Code: 200}},
		"a template's refuses":               {setting: asTemplate, status: 422, body: `no`, want: notifier.SendError{Permanent: true, Code: 422}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range c.header {
					w.Header()[k] = v
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			f := &free{}
			r, err := New(Options{Gateway: gatewayAt(t, server, c.setting), Now: time.Now}).Send(t.Context(), message(1<<32|1, "+4790000001", "Hello"), f)
			if c.want == (notifier.SendError{}) {
				if err != nil || r.Remote != c.remote || len(f.taken) != 1 || f.taken[0] != r {
					t.Fatalf("%+v, %v; written down %v", r, err, f.taken)
				}
				return
			}
			var se *notifier.SendError
			if !errors.As(err, &se) {
				t.Fatalf("%v", err)
			}
			if se.Fault != c.want.Fault || se.Permanent != c.want.Permanent || se.Gone != c.want.Gone || se.Code != c.want.Code || se.Doubt != c.want.Doubt || se.RetryAfter != c.want.RetryAfter {
				t.Errorf("%+v", se)
			}
			if len(f.taken) != 0 {
				t.Error("it was written down as taken")
			}
			for _, secret := range []string{"token", "pass", "AC1", "X-Key"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error tells a secret: %s", err)
				}
			}
		})
	}
}

func TestWhatIsSentIsWhatTheGatewayUnderstands(t *testing.T) {
	var got *http.Request
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `0: Accepted`)
	}))
	defer server.Close()
	send := func(setting, text string) {
		s := New(Options{Gateway: gatewayAt(t, server, setting), Now: time.Now, Report: func(id notifier.DeliveryID) string {
			return "https://status.example.com/intake/sms/x?delivery=" + id.String() + "&sig=ab"
		}})
		_, _ = s.Send(t.Context(), message(3<<32|7, "+4790000001", text), &free{}) // Twilio's is no answer of its
	}
	send(asTwilio, "“imap7” & co")
	form, _ := url.ParseQuery(body)
	user, pass, _ := got.BasicAuth()
	if user != "AC1" || pass != "token" || got.URL.Path != "/2010-04-01/Accounts/AC1/Messages.json" || form.Get("To") != "+4790000001" || form.Get("From") != "+4759440000" ||
		form.Get("Body") != `"imap7" & co` || form.Get("StatusCallback") != "https://status.example.com/intake/sms/x?delivery=3-7&sig=ab" {
		t.Errorf("twilio: %s %v", got.URL, form)
	}
	send(asKannel, "Ж & co")
	q := got.URL.Query()
	if q.Get("username") != "user" || q.Get("password") != "pass&word" || q.Get("to") != "+4790000001" || q.Get("text") != "Ж & co" || q.Get("coding") != "2" ||
		q.Get("dlr-url") != "https://status.example.com/intake/sms/x?delivery=3-7&sig=ab&type=%d&answer=%A" {
		t.Errorf("kannel: %v", q)
	}
	send(asTemplate, "He said \"no\"\n& left")
	if got.URL.Query().Get("to") != "+4790000001" || got.Header.Get("X-Key") != "secret" || body != `{"text": "He said \"no\"\n\u0026 left", "ref": "3-7"}` {
		t.Errorf("template: %s %s", got.URL, body)
	}
}

// A gateway that does not answer may have taken the message.
func TestWhatMayHaveBeenTakenIsNotSentAgain(t *testing.T) {
	arrived := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := New(Options{Gateway: gatewayAt(t, server, asKannel), Now: time.Now}).Send(ctx, message(1<<32|1, "+4790000001", "Hello"), &free{})
	var se *notifier.SendError
	if !errors.As(err, &se) || !se.Permanent || !se.Doubt || se.Fault != notifier.FaultRecipient {
		t.Errorf("after the request had left: %+v", err)
	}

	closed := httptest.NewServer(http.NotFoundHandler())
	g := gatewayAt(t, closed, asTwilio)
	closed.Close()
	_, err = New(Options{Gateway: g, Now: time.Now}).Send(t.Context(), message(1<<32|1, "+4790000001", "Hello"), &free{})
	if !errors.As(err, &se) || se.Permanent || se.Fault != notifier.FaultRelay {
		t.Errorf("a gateway that nobody reached: %+v", err)
	}
}

// purse is a day's budget.
type purse map[string]int

func (p purse) SpendSegments(_ context.Context, day string, n, limit int) (bool, error) {
	if p[day]+n > limit {
		return false, nil
	}
	p[day] += n
	return true, nil
}

func TestWhatWasSurelyNotTakenCostsTheDayNothing(t *testing.T) {
	status, left := http.StatusServiceUnavailable, make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status == 0 {
			_, _ = io.ReadAll(r.Body)
			left <- struct{}{}
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	clock, spent := notifiertest.NewClock(), purse{}
	day := clock.Now().UTC().Format(time.DateOnly)
	s := New(Options{Gateway: gatewayAt(t, server, asKannel), Now: clock.Now, Budget: spent, Limit: 10})
	for range 100 {
		if _, err := s.Send(t.Context(), message(1<<32|1, "+4790000001", "a"), &free{}); err == nil {
			t.Fatal("it was taken")
		}
	}
	if _, err := s.Send(t.Context(), message(1<<32|1, "+4790000001", "a"), gone{}); !errors.Is(err, notifier.ErrNotStarted) {
		t.Errorf("whose reader left: %v", err)
	}
	if spent[day] != 0 {
		t.Errorf("%d segments were spent on nothing", spent[day])
	}
	status = 0
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-left; cancel() }()
	if _, err := s.Send(ctx, message(1<<32|1, "+4790000001", "a"), &free{}); err == nil || spent[day] != 1 {
		t.Errorf("what may have been taken is paid for: %v, %d", err, spent[day])
	}
}

// gone is the flight of a message whose reader left.
type gone struct{}

func (gone) Begin() error                 { return notifier.ErrNotStarted }
func (gone) Taken(notifier.Receipt) error { return nil }

// Go's client sends a GET again by itself where a connection that it kept broke.
func TestAGatewayThatHangsUpIsNotAskedASecondTime(t *testing.T) {
	asked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.FormValue("text")
		if len(asked) > 1 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close()
			}
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "0: Accepted")
	}))
	defer server.Close()
	s := New(Options{Gateway: gatewayAt(t, server, asKannel), Now: time.Now})
	if _, err := s.Send(t.Context(), message(1<<32|1, "+4790000001", "one"), &free{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Send(t.Context(), message(1<<32|2, "+4790000001", "two"), &free{})
	var se *notifier.SendError
	if !errors.As(err, &se) || !se.Permanent || len(asked) != 2 {
		t.Errorf("asked %d times, of which the first was answered: %v", len(asked), err)
	}
}

func TestAPaceGivesTheWorkerBackInsteadOfWaiting(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "0: Accepted")
	}))
	defer server.Close()
	clock := notifiertest.NewClock()
	s := New(Options{Gateway: gatewayAt(t, server, asKannel), Now: clock.Now, Rate: 1})
	if _, err := s.Send(t.Context(), message(1<<32|1, "+4790000001", "a"), &free{}); err != nil {
		t.Fatal(err)
	}
	turns := map[time.Duration]int{}
	for range 120 {
		var early *notifier.NotBeforeError
		if _, err := s.Send(t.Context(), message(1<<32|1, "+4790000001", "b"), &free{}); !errors.As(err, &early) {
			t.Fatalf("%v", err)
		}
		turns[early.Until.Sub(clock.Now())]++
	}
	for d, n := range turns {
		if d < time.Second || d > time.Minute+time.Second || n > 2 {
			t.Errorf("%d of 120 come back after %s", n, d)
		}
	}
	clock.Advance(time.Second)
	if _, err := s.Send(t.Context(), message(1<<32|1, "+4790000001", "b"), &free{}); err != nil {
		t.Error(err)
	}
}

func TestAWrongSettingSaysWhatIsWrongAndNoPassword(t *testing.T) {
	for in, says := range map[string]string{
		"":                                   "none of",
		"twilio":                             "none of",
		"smpp://u:p4ss@h":                    "none of",
		"twilio://AC1:p4ss@api.twilio.com":   "from=",
		"twilio://AC1@h?from=+47":            "password",
		"twilio://AC1:p4ss@?from=+47":        "cannot be read",
		"kannel://AC1:p4ss@h/x?from=+47":     "path",
		"kannel://u:p4ss@h?colour=red":       "colour=",
		"kannel://u:p4ss@h?rate=fast":        "rate=fast",
		"kannel://u:p4ss@h?budget=-1":        "budget=-1",
		"kannel://u:p4ss@h?countries=Norway": "countries=",
		"kannel://u:p4ss@h?rate=1&rate=2":    "twice",
		"kannel://u:p%zz4ss@h":               "percent-encoded",
		"http-template:nosuch":               "cannot be read",
		"http-template:empty":                "line 1",
		"http-template:broken":               "line 2",
		"http-template:field":                "Nobody",
		"http-template:ftp":                  "http or https",
		"http-template:perhaps":              "idempotent: yes",
	} {
		_, err := ParseSetting(in, func(name string) ([]byte, error) {
			text, ok := map[string]string{
				"empty": "", "broken": "POST https://g.example/\nno header\n\n", "field": "POST https://g.example/{{.Nobody}}\n\n", "ftp": "POST ftp://g.example/\n\n", "perhaps": "# idempotent: perhaps\nPOST https://g.example/\n\n",
			}[name]
			if !ok {
				return nil, os.ErrNotExist
			}
			return []byte(text), nil
		})
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "p4ss") {
			t.Errorf("%q: %v; want %q in it", in, err, says)
		}
	}
	set, err := ParseSetting("kannel://u:p@h:13013?from=+4759440000&countries=se,NO&budget=500&rate=2.5", nil)
	if err != nil || set.Budget != 500 || set.Rate != 2.5 || !set.Serves("NO") || set.Serves("GB") {
		t.Errorf("%+v, %v", set, err)
	}
}

func FuzzATemplateNeverBreaksTheProgram(f *testing.F) {
	f.Add("POST https://g.example/{{.To}}\nX: {{json .Text}}\n\n{{.ID}}", "+47", "hi\n\"")
	f.Add("# remote: a.b\nGET http://h/?t={{query .Text}}\n", "+47", "ä&=")
	f.Fuzz(func(t *testing.T, file, to, text string) {
		g, err := parseTemplate(file, "+1")
		if err != nil {
			return
		}
		_, _ = g.request(Text{ID: "1-1", To: to, Body: text})
		_ = g.remoteID([]byte(text))
	})
}
