package sms

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/sms/smstest"
)

// lacking skips a test whose real part is missing; where everything must be there it fails.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ALLCLEAR_TEST_STRICT") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// ledger is who stopped and what became of messages.
type ledger struct {
	mu      sync.Mutex
	stopped map[string]int
	reports map[notifier.DeliveryID][]bool
	started map[string]bool
	gone    int
}

func newLedger() *ledger {
	return &ledger{started: map[string]bool{}, stopped: map[string]int{}, reports: map[notifier.DeliveryID][]bool{}}
}

func (l *ledger) StopPhone(_ context.Context, phone string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped[phone]++
	return l.stopped[phone] == 1, nil
}

func (l *ledger) StartPhone(_ context.Context, phone, message string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if message != "" && l.started[message] {
		return false, nil
	}
	l.started[message] = true
	was := l.stopped[phone] > 0
	delete(l.stopped, phone)
	return was, nil
}

func (l *ledger) ReportPhone(_ context.Context, id notifier.DeliveryID, x notifier.TextReport) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reports[id] = append(l.reports[id], x.Delivered)
	if x.Gone {
		l.gone++
	}
	return nil
}

func (l *ledger) see() (stopped map[string]int, reports map[notifier.DeliveryID][]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stopped, reports = map[string]int{}, map[notifier.DeliveryID][]bool{}
	for k, v := range l.stopped {
		stopped[k] = v
	}
	for k, v := range l.reports {
		reports[k] = v
	}
	return stopped, reports
}

func testIntake(g Gateway, base, auth string, l *ledger) *Intake {
	return NewIntake(IntakeOptions{
		Gateway: g, AuthToken: auth, BaseURL: base, Secret: []byte("a secret of the test's own"), People: l, Reports: l,
		Words: func(_ context.Context, a Answer, _ string) string { return "You said it: " + string(a) + " & so on." },
		Parse: func(phone string) (string, error) {
			if len(phone) < 5 || phone[0] != '+' || phone[1] == '0' || strings.Trim(phone[1:], "0123456789") != "" {
				return "", fmt.Errorf("no number")
			}
			return phone, nil
		},
	})
}

// free lets everything go.
type free struct{ taken []notifier.Receipt }

func (*free) Begin() error                     { return nil }
func (f *free) Taken(r notifier.Receipt) error { f.taken = append(f.taken, r); return nil }

func message(id notifier.DeliveryID, to, text string) *notifier.Message {
	return &notifier.Message{Delivery: id, Channel: notifier.SMS, To: to, Letter: &notifier.Letter{Text: text}}
}

func TestThroughARealKannelAMessageGoesOutItsReportAndAStopComeBack(t *testing.T) {
	l := newLedger()
	var in *Intake
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { in.ServeHTTP(w, r) }))
	defer server.Close()
	k := smstest.Start(t, func(port int) string {
		set, err := ParseSetting(fmt.Sprintf("kannel://%s:%s@127.0.0.1:%d?from=+4759440000", smstest.User, smstest.Password, port), nil)
		if err != nil {
			t.Fatal(err)
		}
		in = testIntake(set.Gateway, server.URL, "", l)
		return in.InboundURL()
	})
	k.Phone("004791234567 4759440000 text stop please")
	k.Heard("You said it: stopped & so on.")
	if stopped, _ := l.see(); stopped["+4791234567"] != 1 {
		t.Errorf("stopped: %v", stopped)
	}

	s := New(Options{Gateway: in.o.Gateway, Now: time.Now, Report: in.ReportURL})
	id := notifier.MakeDeliveryID(3, 7)
	f := &free{}
	if _, err := s.Send(t.Context(), message(id, "+4790000001", "Fjordpost: “imap7” does not answer – we look {into} it."), f); err != nil {
		t.Fatal(err)
	}
	if len(f.taken) != 1 || f.taken[0].Status != http.StatusAccepted {
		t.Errorf("taken: %+v", f.taken)
	}
	got := k.Heard("does not answer")
	if !strings.Contains(got, `Fjordpost: "imap7" does not answer - we look {into} it.`) {
		t.Errorf("the phone got %q", got)
	}
	k.Until("the delivery report", func() bool {
		_, reports := l.see()
		return len(reports[id]) > 0
	})
	if _, reports := l.see(); !reports[id][0] {
		t.Error("reported as not delivered")
	}
	const beyond = "Посадка 🚀"
	if _, err := s.Send(t.Context(), message(id+1, "+4790000001", beyond), f); err != nil {
		t.Fatal(err)
	}
	if got := k.Heard(" ucs-2 "); k.Wide(got) != beyond {
		t.Errorf("beyond the alphabet the phone got %q", got)
	}
}
