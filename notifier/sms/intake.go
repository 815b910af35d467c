package sms

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's own scheme
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"allclear/notifier"
)

// IntakePath is where gateways tell what became of messages and what people
// answer; the gateway's name stands behind it.
const IntakePath = "/intake/sms/"

// maxIntake is the size of the largest call, in bytes.
const maxIntake = 64 << 10

// People is who stops and starts. first is false where that was so already.
// Numbers that are not known may stop, too.
type People interface {
	StopPhone(ctx context.Context, phone string) (first bool, err error)
	// StartPhone is told the message's id, where it has one: who said STOP since
	// then is not started by a recording of it, whenever it is played.
	StartPhone(ctx context.Context, phone, message string) (first bool, err error)
}

// Reports takes what became of a message. Told again it changes nothing.
type Reports interface {
	ReportPhone(ctx context.Context, id notifier.DeliveryID, x notifier.TextReport) error
}

// Answer is which of the service's answers somebody gets.
type Answer string

// The answers.
const (
	Stopped Answer = "stopped"
	Started Answer = "started"
	Help    Answer = "help"
)

// IntakeOptions are what an Intake is made of. Everything is mandatory but Log and After.
type IntakeOptions struct {
	Gateway   Gateway
	AuthToken string // what Twilio signs with
	BaseURL   string // how gateways reach the service, without a slash at its end
	Secret    []byte // signs the addresses that other gateways call
	People    People
	Reports   Reports
	Words     func(ctx context.Context, a Answer, phone string) string // in the words of whoever owns the phone; "" says nothing
	Parse     func(phone string) (string, error)                       // a number as it is kept
	Log       *slog.Logger
	After     func(time.Duration) <-chan time.Time // time.After unless set
}

// Intake answers what gateways call.
type Intake struct {
	o IntakeOptions

	mu   sync.Mutex
	seen []string // ids of messages that were obeyed, the oldest first
}

// seenMost is how many ids are remembered: a gateway repeats within minutes.
const seenMost = 1000

// NewIntake makes one.
func NewIntake(o IntakeOptions) *Intake {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.After == nil {
		o.After = time.After
	}
	return &Intake{o: o}
}

// ReportURL is the address for the report of one delivery.
func (in *Intake) ReportURL(id notifier.DeliveryID) string {
	return in.o.BaseURL + IntakePath + in.o.Gateway.Name() + "?delivery=" + id.String() + "&sig=" + in.sign("report "+id.String())
}

// InboundURL is the address that the gateway is to call for every message that
// somebody sends; of Kannel with its own words for number and text.
func (in *Intake) InboundURL() string {
	u := in.o.BaseURL + IntakePath + in.o.Gateway.Name()
	switch in.o.Gateway.(type) {
	case *twilio:
		return u
	case *kannel:
		return u + "?sig=" + in.sign("inbound") + "&from=%p&text=%a&id=%I"
	}
	return u + "?sig=" + in.sign("inbound")
}

func (in *Intake) sign(what string) string {
	h := hmac.New(sha256.New, in.o.Secret)
	h.Write([]byte("allclear sms " + what))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ServeHTTP takes one call.
func (in *Intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.URL.Path != IntakePath+in.o.Gateway.Name() {
		http.Error(w, "there is no such gateway", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "use GET or POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxIntake))
	if err != nil {
		http.Error(w, "the body is too large or cannot be read", http.StatusRequestEntityTooLarge)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(w, "the body is no form", http.StatusBadRequest)
		return
	}
	if !in.genuine(r, form) {
		http.Error(w, "the signature is missing or wrong", http.StatusForbidden)
		return
	}
	get := func(names ...string) string {
		for _, n := range names {
			if v := form.Get(n); v != "" {
				return v
			}
			if v := r.URL.Query().Get(n); v != "" {
				return v
			}
		}
		return ""
	}
	if id := r.URL.Query().Get("delivery"); id != "" {
		in.report(w, r, id, get)
		return
	}
	in.inbound(w, r, get)
}

// genuine checks who calls: Twilio by its header, others by the address.
func (in *Intake) genuine(r *http.Request, form url.Values) bool {
	q := r.URL.Query()
	if _, ok := in.o.Gateway.(*twilio); ok {
		want := twilioSignature(in.o.AuthToken, in.o.BaseURL+r.URL.RequestURI(), form)
		return hmac.Equal([]byte(want), []byte(r.Header.Get("X-Twilio-Signature")))
	}
	what := "inbound"
	if id := q.Get("delivery"); id != "" {
		what = "report " + id
	}
	return hmac.Equal([]byte(in.sign(what)), []byte(q.Get("sig")))
}

// twilioSignature signs a call as Twilio does: HMAC-SHA1 over the address and
// every field of the form, sorted, name and value behind each other.
func twilioSignature(token, address string, form url.Values) string {
	h := hmac.New(sha1.New, []byte(token))
	h.Write([]byte(address))
	names := make([]string, 0, len(form))
	for n := range form {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		values := slices.Clone(form[n])
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			h.Write([]byte(n + v))
		}
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// report notes what became of a message. What is still on its way is no news.
func (in *Intake) report(w http.ResponseWriter, r *http.Request, given string, get func(...string) string) {
	id, err := notifier.ParseDeliveryID(given)
	if err != nil {
		http.Error(w, "delivery is no id", http.StatusBadRequest)
		return
	}
	state, code := strings.ToLower(get("MessageStatus", "SmsStatus", "status", "type")), get("ErrorCode", "answer", "reason")
	x := notifier.TextReport{Gateway: in.o.Gateway.Name(), Reply: notifier.Clip(strings.TrimSpace(state + " " + code))}
	switch state {
	case "delivered", "read", "1", "sent": // sent is to the carrier; it ends the doubt whether the gateway took it
		x.Delivered = true
		err = in.note(r.Context(), id, x)
	case "undelivered", "failed", "rejected", "expired", "canceled", "2", "16":
		_, of := in.o.Gateway.(*twilio) // of a messaging service the refusal comes behind the yes
		x.Gone = of && code == strconv.Itoa(stopped)
		err = in.note(r.Context(), id, x)
	}
	if errors.Is(err, notifier.ErrNotFound) {
		err = nil // its reader was erased: told again and again, it would be no news either
	}
	if err != nil {
		in.o.Log.Warn("note a delivery report", "gateway", in.o.Gateway.Name(), "delivery", id.String(), "error", err)
		http.Error(w, "the report could not be kept; send it again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// A carrier that refuses at once is reported before it is written down that the
// message was taken, and most gateways tell only once: so it is kept waiting.
const (
	earlyTries = 10
	earlyPause = 500 * time.Millisecond
)

// note passes a report on, and again where the message is not known to be sent yet.
func (in *Intake) note(ctx context.Context, id notifier.DeliveryID, x notifier.TextReport) error {
	for try := 1; ; try++ {
		err := in.o.Reports.ReportPhone(ctx, id, x)
		if !errors.Is(err, notifier.ErrConflict) || try == earlyTries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-in.o.After(earlyPause):
		}
	}
}

// international is a number with its plus, which many carriers leave out, write
// as two zeros, or let become a blank on its way through an address.
func international(from string) string {
	from = strings.TrimPrefix(strings.TrimSpace(from), "00")
	if from != "" && from[0] >= '0' && from[0] <= '9' {
		return "+" + from
	}
	return from
}

// optOut is what Twilio's Advanced Opt-Out says that somebody wants.
var optOut = map[string]Answer{"STOP": Stopped, "START": Started, "HELP": Help}

// inbound obeys what somebody wrote, and answers once.
func (in *Intake) inbound(w http.ResponseWriter, r *http.Request, get func(...string) string) {
	phone, err := in.o.Parse(international(get("From", "from")))
	if err != nil {
		// A name or a short code: nobody who could have signed up, and nothing that
		// would be another thing when told again.
		in.o.Log.Warn("a text message came from what is no telephone number", "gateway", in.o.Gateway.Name())
		in.say(w, "")
		return
	}
	id, first := get("MessageSid", "SmsMessageSid", "id"), false
	said := Understand(get("Body", "text"))
	answered := false
	if _, ok := in.o.Gateway.(*twilio); ok { // which may have words of its own, and then has answered by itself
		if a, ok := optOut[get("OptOutType")]; ok {
			said, answered = a, true
		}
	}
	switch said {
	case Stopped: // a repeated one, too: nobody is ever told too little to stop
		first, err = in.o.People.StopPhone(r.Context(), phone)
	case Started:
		first, err = in.o.People.StartPhone(r.Context(), phone, id)
	case Help:
		first = true
	}
	if err != nil {
		in.o.Log.Error("obey a text message", "gateway", in.o.Gateway.Name(), "error", err)
		http.Error(w, "the message could not be obeyed; send it again", http.StatusServiceUnavailable)
		return
	}
	words := ""
	if said != "" && in.fresh(id) && first && !answered {
		words = in.o.Words(r.Context(), said, phone)
	}
	in.say(w, words)
}

// fresh reports whether the message with this id is a new one, and remembers it.
func (in *Intake) fresh(id string) bool {
	if id == "" {
		return true
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if slices.Contains(in.seen, id) {
		return false
	}
	if in.seen = append(in.seen, id); len(in.seen) > seenMost {
		in.seen = slices.Delete(in.seen, 0, len(in.seen)-seenMost)
	}
	return true
}

// say answers in the gateway's own form; "" is nothing.
func (in *Intake) say(w http.ResponseWriter, words string) {
	if _, ok := in.o.Gateway.(*twilio); !ok {
		words = notifier.PlainText(words)
		if _, ok := in.o.Gateway.(*kannel); ok && notifier.MeasureText(words).Encoding == notifier.UCS2 {
			w.Header().Set("X-Kannel-Coding", "2") // else it writes ? for every letter
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, words)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	if words == "" {
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Response></Response>`)
		return
	}
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(notifier.PlainText(words))) // into memory
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Response><Message>%s</Message></Response>`, b.String())
}
