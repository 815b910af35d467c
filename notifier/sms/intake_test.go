package sms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

func call(in *Intake, method, target, form string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	in.ServeHTTP(w, r)
	return w
}

func TestAStopIsObeyedHoweverOftenItComesAndAnsweredOnce(t *testing.T) {
	const base = "https://status.example.com"
	for name, make := range map[string]func() (*Intake, *ledger, func(sid, from, text string) *httptest.ResponseRecorder){
		"twilio": func() (*Intake, *ledger, func(sid, from, text string) *httptest.ResponseRecorder) {
			l := newLedger()
			in := testIntake(&twilio{line: newLine("twilio")}, base, "auth", l)
			return in, l, func(sid, from, text string) *httptest.ResponseRecorder {
				form := url.Values{"MessageSid": {sid}, "From": {from}, "Body": {text}}
				return call(in, http.MethodPost, "/intake/sms/twilio", form.Encode(), "X-Twilio-Signature", twilioSignature("auth", base+"/intake/sms/twilio", form))
			}
		},
		"template": func() (*Intake, *ledger, func(sid, from, text string) *httptest.ResponseRecorder) {
			l := newLedger()
			in := testIntake(&templated{line: newLine("template")}, base, "", l)
			return in, l, func(sid, from, text string) *httptest.ResponseRecorder {
				return call(in, http.MethodPost, strings.TrimPrefix(in.InboundURL(), base), url.Values{"id": {sid}, "from": {from}, "text": {text}}.Encode())
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, l, say := make()
			answers := 0
			for range 100 {
				w := say("SM1", "+4791234567", "Stop!")
				if w.Code != http.StatusOK {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				if strings.Contains(w.Body.String(), "stopped") {
					answers++
				}
			}
			if stopped, _ := l.see(); stopped["+4791234567"] != 100 || answers != 1 {
				t.Errorf("told %d times, answered %d times", stopped["+4791234567"], answers)
			}
			if w := say("SM2", "+4791234567", "start"); !strings.Contains(w.Body.String(), "started") {
				t.Errorf("start: %s", w.Body)
			}
			if w := say("SM3", "+4791234567", "what is going on?"); strings.Contains(w.Body.String(), "You said") {
				t.Errorf("chatter was answered: %s", w.Body)
			}
			// Kannel would answer an error with words of its own, to whoever that is.
			if w := say("SM4", "nobody", "STOP"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "stopped") {
				t.Errorf("no number: %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestANumberIsKnownHoweverItsCarrierWritesIt(t *testing.T) {
	l := newLedger()
	in := testIntake(&kannel{line: newLine("kannel")}, "https://status.example.com", "", l)
	target := IntakePath + "kannel?sig=" + in.sign("inbound") + "&text=STOP&from="
	for _, from := range []string{"%2B4791234567", "4791234567", "004791234567", "+4791234567"} {
		if w := call(in, http.MethodGet, target+from, ""); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", from, w.Code, w.Body)
		}
	}
	if stopped, _ := l.see(); stopped["+4791234567"] != 4 {
		t.Errorf("stopped: %v", stopped)
	}
}

// Who said STOP since then must not be started by a recording of what they said before.
func TestAStartThatIsPlayedAgainStartsNobody(t *testing.T) {
	l := newLedger()
	in := testIntake(&kannel{line: newLine("kannel")}, "https://status.example.com", "", l)
	say := func(id, text string) string {
		return call(in, http.MethodGet, IntakePath+"kannel?sig="+in.sign("inbound")+"&from=%2B4791234567&id="+id+"&text="+text, "").Body.String()
	}
	say("1", "STOP")
	if got := say("2", "START"); !strings.Contains(got, "started") {
		t.Errorf("start: %q", got)
	}
	say("3", "STOP")
	for range 100 {
		if got := say("2", "START"); got != "" {
			t.Fatalf("an old start is answered %q", got)
		}
	}
	if stopped, _ := l.see(); stopped["+4791234567"] == 0 {
		t.Error("started by what was said before")
	}
	answers := 0
	for range 100 {
		if say("4", "HELP") != "" {
			answers++
		}
	}
	if answers != 1 {
		t.Errorf("help is answered %d times", answers)
	}
}

// early answers as long as it is told to, and then takes the report.
type early struct {
	*ledger
	left int
	with error
}

func (e *early) ReportPhone(ctx context.Context, id notifier.DeliveryID, x notifier.TextReport) error {
	if e.left--; e.left >= 0 {
		return fmt.Errorf("note it: %w", e.with)
	}
	return e.ledger.ReportPhone(ctx, id, x)
}

func TestAReportThatComesBeforeItsMessageIsWrittenDownWaits(t *testing.T) {
	id := notifier.MakeDeliveryID(3, 7)
	for _, c := range []struct {
		left   int
		with   error
		status int
		waits  int
		kept   int
	}{
		{3, notifier.ErrConflict, http.StatusNoContent, 3, 1},
		{99, notifier.ErrConflict, http.StatusServiceUnavailable, 9, 0},
		{99, notifier.ErrNotFound, http.StatusNoContent, 0, 0}, // erased
		{99, errors.New("no database"), http.StatusServiceUnavailable, 0, 0},
	} {
		l, waits := newLedger(), 0
		in := testIntake(&kannel{line: newLine("kannel")}, "https://status.example.com", "", l)
		in.o.Reports = &early{l, c.left, c.with}
		in.o.After = func(time.Duration) <-chan time.Time {
			waits++
			now := make(chan time.Time, 1)
			now <- time.Time{}
			return now
		}
		w := call(in, http.MethodGet, strings.TrimPrefix(in.ReportURL(id), "https://status.example.com")+"&type=16", "")
		if _, reports := l.see(); w.Code != c.status || waits != c.waits || len(reports[id]) != c.kept {
			t.Errorf("%v, %d times: %d after %d waits, kept %v", c.with, c.left, w.Code, waits, reports)
		}
	}
}

func TestACallThatNobodySignedChangesNothing(t *testing.T) {
	const base = "https://status.example.com"
	l := newLedger()
	id := notifier.MakeDeliveryID(3, 7)
	k := testIntake(&kannel{line: newLine("kannel")}, base, "", l)
	report := strings.TrimPrefix(k.ReportURL(id), base)
	tw := testIntake(&twilio{line: newLine("twilio")}, base, "auth", l)
	form := url.Values{"From": {"+4791234567"}, "Body": {"STOP"}}.Encode()
	for name, w := range map[string]*httptest.ResponseRecorder{
		"no signature":                call(k, http.MethodGet, "/intake/sms/kannel?from=%2B4791234567&text=STOP", ""),
		"another's report":            call(k, http.MethodGet, strings.Replace(report, "3-7", "3-8", 1)+"&type=2", ""),
		"a report's for a message":    call(k, http.MethodGet, strings.Replace(report, "delivery=3-7&", "", 1)+"&from=%2B4791234567&text=STOP", ""),
		"twilio without":              call(tw, http.MethodPost, "/intake/sms/twilio", form),
		"twilio of another token":     call(tw, http.MethodPost, "/intake/sms/twilio", form, "X-Twilio-Signature", twilioSignature("other", base+"/intake/sms/twilio", nil)),
		"twilio's at another address": call(tw, http.MethodPost, "/intake/sms/twilio?x=1", "", "X-Twilio-Signature", twilioSignature("auth", base+"/intake/sms/twilio", nil)),
	} {
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for target, want := range map[string]int{"/intake/sms/nosuch": 404, report: 405} {
		if w := call(k, map[int]string{404: "GET", 405: "PUT"}[want], target, ""); w.Code != want {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if w := call(k, http.MethodPost, report, strings.Repeat("x", maxIntake+1)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", w.Code)
	}
	if stopped, reports := l.see(); len(stopped)+len(reports) != 0 {
		t.Errorf("something changed: %v %v", stopped, reports)
	}
	if w := call(k, http.MethodGet, report+"&type=2&answer=NACK%2F11", ""); w.Code != http.StatusNoContent {
		t.Errorf("the true one: %d", w.Code)
	}
	if _, reports := l.see(); len(reports[id]) != 1 || reports[id][0] {
		t.Errorf("reports %v", reports)
	}
	if w := call(k, http.MethodGet, report+"&type=8", ""); w.Code != http.StatusNoContent { // is on its way
		t.Errorf("buffered: %d", w.Code)
	}
}

func TestWhatPeopleWriteIsUnderstood(t *testing.T) {
	for text, want := range map[string]Answer{
		"STOP": Stopped, " stop. ": Stopped, "Stop please!!": Stopped, "STOPALL": Stopped, "stop all": Stopped, "unsubscribe": Stopped, "Cancel": Stopped, "END": Stopped,
		"quit": Stopped, "REVOKE": Stopped, "OptOut": Stopped, "opt out": Stopped, "opt-out": Stopped, "ARRET": Stopped, "arrêt": Stopped, "remove me": Stopped,
		"start": Started, "UNSTOP": Started, "yes": Started, "help": Help, "Info?": Help,
		"ＳＴＯＰ": Stopped, "ｓｔｏｐ。": Stopped, "STOPでお願いします": Stopped, "stopمن فضلك": Stopped, "\x00S\x00T\x00O\x00P": Stopped, "ＳＴＡＲＴ": Started,
		"": "", "yes, is it back?": "", "please help me": "", "don't stop": "", "1234": "", "🚀": "", "stopping": "", "ENDÜ": "", "停止": "",
	} {
		if got := Understand(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzAnyCallIsAnswered(f *testing.F) {
	f.Add("from=%2B4791234567&text=STOP", "sig=x")
	f.Add("%zz", "delivery=1-1")
	const base = "https://status.example.com"
	l := newLedger()
	in := testIntake(&templated{line: newLine("template")}, base, "", l)
	f.Add("from=0047912&text=start&id=1", strings.SplitAfter(in.InboundURL(), "?")[1])
	f.Add("status=delivered&id=1", strings.SplitAfter(in.ReportURL(notifier.MakeDeliveryID(3, 7)), "?")[1])
	f.Fuzz(func(t *testing.T, form, query string) {
		r := httptest.NewRequest(http.MethodPost, "/intake/sms/template", strings.NewReader(form))
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		in.ServeHTTP(w, r)
		_, _ = io.Copy(io.Discard, w.Result().Body)
		if w.Code >= 500 {
			t.Errorf("%d", w.Code)
		}
	})
}

// signed is a call as Twilio makes it.
func signed(in *Intake, target string, form url.Values) *httptest.ResponseRecorder {
	return call(in, http.MethodPost, target, form.Encode(), "X-Twilio-Signature", twilioSignature(in.o.AuthToken, in.o.BaseURL+target, form))
}

func TestWhoSaidStopToTwilioItselfIsStopped(t *testing.T) {
	const base = "https://status.example.com"
	id := notifier.MakeDeliveryID(3, 7)
	for name, c := range map[string]struct {
		gateway Gateway
		form    url.Values
		gone    int
		kept    []bool
	}{
		"refused behind the yes": {&twilio{line: newLine("twilio")}, url.Values{"MessageStatus": {"failed"}, "ErrorCode": {"21610"}}, 1, []bool{false}},
		"no such phone":          {&twilio{line: newLine("twilio")}, url.Values{"MessageStatus": {"undelivered"}, "ErrorCode": {"30005"}}, 0, []bool{false}},
		"taken by the carrier":   {&twilio{line: newLine("twilio")}, url.Values{"MessageStatus": {"sent"}}, 0, []bool{true}},
		"still in a queue":       {&twilio{line: newLine("twilio")}, url.Values{"MessageStatus": {"queued"}}, 0, nil},
		"another's numbers":      {&templated{line: newLine("template")}, url.Values{"status": {"failed"}, "reason": {"21610"}}, 0, []bool{false}},
	} {
		l := newLedger()
		in := testIntake(c.gateway, base, "auth", l)
		if w := signed(in, strings.TrimPrefix(in.ReportURL(id), base), c.form); w.Code != http.StatusNoContent {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if _, reports := l.see(); l.gone != c.gone || !slices.Equal(reports[id], c.kept) {
			t.Errorf("%s: gone %d times, %v", name, l.gone, reports[id])
		}
	}
}

// With Advanced Opt-Out its owner chooses the words, and Twilio answers them.
func TestWhatTwilioUnderstoodAndAnsweredIsObeyedAndNotAnsweredAgain(t *testing.T) {
	l := newLedger()
	in := testIntake(&twilio{line: newLine("twilio")}, "https://status.example.com", "auth", l)
	say := func(sid, text, kind string) string {
		form := url.Values{"MessageSid": {sid}, "From": {"+4791234567"}, "Body": {text}, "OptOutType": {kind}}
		return signed(in, IntakePath+"twilio", form).Body.String()
	}
	for _, c := range []struct {
		sid, text, kind string
		stopped         int
	}{{"SM1", "ALTO", "STOP", 1}, {"SM2", "AYUDA", "HELP", 1}, {"SM3", "SEGUIR", "START", 0}, {"SM4", "STOP", "STOP", 1}} {
		if got := say(c.sid, c.text, c.kind); strings.Contains(got, "<Message>") {
			t.Errorf("%s: answered twice: %s", c.text, got)
		}
		if stopped, _ := l.see(); stopped["+4791234567"] != c.stopped {
			t.Errorf("%s: %v", c.text, stopped)
		}
	}
	// Nobody but Twilio says so.
	other := testIntake(&templated{line: newLine("template")}, "https://status.example.com", "", l)
	if w := call(other, http.MethodPost, strings.TrimPrefix(other.InboundURL(), "https://status.example.com"), url.Values{"from": {"+4799999999"}, "text": {"hello"}, "OptOutType": {"STOP"}}.Encode()); w.Code != http.StatusOK {
		t.Errorf("%d", w.Code)
	}
	if stopped, _ := l.see(); stopped["+4799999999"] != 0 {
		t.Error("stopped by a field that is no gateway's")
	}
}

func TestAnAnswerIsSentInTheAlphabetThatItNeeds(t *testing.T) {
	in := testIntake(&kannel{line: newLine("kannel")}, "https://status.example.com", "", newLedger())
	for words, want := range map[string]string{"You said “stop”…": "", "停止しました": "2"} {
		in.o.Words = func(context.Context, Answer, string) string { return words }
		w := call(in, http.MethodGet, IntakePath+"kannel?sig="+in.sign("inbound")+"&from=%2B4791234567&text=HELP", "")
		if got := w.Header().Get("X-Kannel-Coding"); got != want || w.Body.String() != notifier.PlainText(words) {
			t.Errorf("%q: coding %q, %q", words, got, w.Body)
		}
	}
}
