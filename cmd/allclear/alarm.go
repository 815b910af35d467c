package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"

	"allclear/notifier"
	"allclear/notifier/alarm"
	"allclear/notifier/email"
	"allclear/notifier/webhook"
	"allclear/subscribers"
)

// Alarming says who is told of trouble with the service itself.
type Alarming struct {
	Alert string `setting:"ALERT" secret:"" group:"settings" placeholder:"ADDRESS|URL,..." help:"Who is told of trouble with the service itself: mail addresses and https endpoints (also of Slack, Teams or Discord), several by comma. Name one that does not depend on the only relay."`
}

// toldOfTrouble is the setting, read.
type toldOfTrouble struct {
	addresses []string
	endpoints []string
}

// alert reads who is told. What is wrong with an endpoint is said without its
// URL, which is the secret of a chat.
func (s *Settings) alert() (out toldOfTrouble, err error) {
	guard, err := s.guard("")
	if err != nil {
		return out, err
	}
	n := 0
	for item := range strings.SplitSeq(s.Alert, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		n++
		if !strings.Contains(item, "://") {
			a, err := subscribers.ParseAddress(item)
			if err != nil {
				return out, wrong("ALERT", "number %d: %s", n, alertProblem(err))
			}
			if slices.Contains(out.addresses, a) {
				return out, wrong("ALERT", "number %d: the address stands there twice", n)
			}
			out.addresses = append(out.addresses, a)
			continue
		}
		if problem := endpointProblem(guard, s.WebhookAllow, item); problem != "" {
			return out, wrong("ALERT", "number %d: %s", n, problem)
		}
		if slices.Contains(out.endpoints, item) {
			return out, wrong("ALERT", "number %d: the endpoint stands there twice", n)
		}
		out.endpoints = append(out.endpoints, item)
	}
	if s.Alert != "" && n == 0 {
		return out, wrong("ALERT", "names nobody; write ops@example.com,https://hooks.example.com/allclear")
	}
	return out, nil
}

func alertProblem(err error) string {
	var inv *notifier.Invalid
	if errors.As(err, &inv) {
		return inv.Message
	}
	return err.Error()
}

// endpointProblem says in one sentence what is wrong with a URL, as far as it
// can be told without asking anybody; "" where nothing is.
func endpointProblem(guard *webhook.Guard, allow, raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil: // its text quotes the URL
		return "is no URL; write https://hooks.example.com/allclear (a comma in it is written %2C)"
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Sprintf("%s:// is not called; write https://", u.Scheme)
	case u.Hostname() == "":
		return "the URL has no host"
	case u.User != nil:
		return "the URL holds a name or password before the host; leave it out"
	case u.Fragment != "":
		return "the URL holds a #: what stands behind it is never sent"
	case u.Scheme == "http" && allow == "":
		return "write https://; http is only for addresses that ALLCLEAR_WEBHOOK_ALLOW opens"
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil { // nobody has to be asked where it leads
		if v := guard.Check(context.Background(), raw); !v.Allowed {
			return strings.TrimSuffix(v.Why, ".")
		}
	}
	return ""
}

// openAlarms makes the Teller, where somebody is to be told.
func (p *Program) openAlarms() error {
	s, log := &p.o.settings, p.o.log
	who, err := s.alert()
	if err != nil {
		return err
	}
	if len(who.addresses)+len(who.endpoints) == 0 {
		return nil
	}
	if len(who.endpoints) == 0 && len(p.mail.relays) == 1 && s.Relay != mailboxRelay {
		log.Warn("ALLCLEAR_ALERT names only mail addresses, and there is one relay only: an alarm about that relay cannot reach you; add an https endpoint", "relay", p.mail.relays[0].Name)
	}
	folder, err := s.stateFolder(p.o.env)
	if err != nil {
		return err
	}
	// Staff's mails are no deliveries: what comes back of them goes to From.
	compositor, err := p.mail.compositor(nil, s.Name, p.db.Now)
	if err != nil {
		return err
	}
	mailer := email.NewSender(compositor, p.pool)
	var targets []alarm.Target
	for i, a := range who.addresses {
		targets = append(targets, &alarmMail{name: fmt.Sprintf("mail address %d", i+1), to: a, brand: s.Name, mailer: mailer, pool: p.pool})
	}
	for i, u := range who.endpoints {
		targets = append(targets, &alarmPost{name: fmt.Sprintf("endpoint %d", i+1), url: u, format: subscribers.GuessFormat(u), brand: s.Name, hooks: p.hooks})
	}
	p.alarms = alarm.New(alarm.Options{
		Look: newLookout(p).look, Near: newNearby(folder, p.db.Now).look, Keeper: p.db, Targets: targets, Now: p.db.Now, Log: log,
	})
	return nil
}

// tellTrouble looks and tells until ctx ends, where somebody is to be told.
func (p *Program) tellTrouble(ctx context.Context) {
	if p.alarms != nil {
		p.checkEndpoints(ctx)
		p.alarms.Run(ctx)
	}
}

// checkEndpoints warns of endpoints of ALLCLEAR_ALERT that would not be called
// at this moment; it asks DNS.
func (p *Program) checkEndpoints(ctx context.Context) {
	who, err := p.o.settings.alert()
	if err != nil {
		return
	}
	for i, u := range who.endpoints {
		if v := p.guard.Check(ctx, u); !v.Allowed && ctx.Err() == nil {
			p.o.log.Warn("an endpoint of ALLCLEAR_ALERT is not called as it is", "endpoint", i+1, "why", v.Why)
		}
	}
}

// alarmMail mails alarms to one address, straight over the relays: the outbox
// may be what has the trouble.
type alarmMail struct {
	name, to, brand string
	mailer          notifier.Sender
	pool            *email.Pool
}

// String is part of alarm.Target.
func (m *alarmMail) String() string { return m.name }

// Tell sends one mail, by any relay that works, whatever it carries otherwise.
func (m *alarmMail) Tell(ctx context.Context, alarms []notifier.Alarm) error {
	lane := notifier.LaneConfirm
	for _, l := range notifier.Lanes {
		if _, ok := m.pool.ReadyFor(l); ok {
			lane = l
			break
		}
	}
	letter := &notifier.Letter{Lane: lane, Subject: alarm.Subject(m.brand, alarms), Text: alarm.Letter(m.brand, alarms), EventID: newID()}
	if len(alarms) == 1 { // what is said of one trouble is one thread
		letter.ThreadID = "alarm." + alarmName(alarms[0], false)
	}
	_, err := m.mailer.Send(ctx, &notifier.Message{Lane: lane, Channel: notifier.Email, To: m.to, Letter: letter}, freeFlight{})
	var e *notifier.SendError
	if errors.As(err, &e) { // the relay's words may hold the address
		if e.Code == 0 {
			return fmt.Errorf("no relay took it: it ended at the stage %s", e.Stage)
		}
		return fmt.Errorf("no relay took it: %d %s at the stage %s", e.Code, e.Enhanced, e.Stage)
	}
	return err
}

// alarmName is a name for an alarm that cannot hold anything strange: of the
// trouble, or of this word of it.
func alarmName(a notifier.Alarm, word bool) string {
	s := fmt.Sprintf("%s %d", a.Key, a.Since.UnixMicro())
	if word {
		s += fmt.Sprintf(" %s %d", alarm.State(a), a.Told.UnixMicro())
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:12])
}

// alarmPost posts alarms to one endpoint. Nothing is signed: whoever knows the
// URL is believed, as in chats.
type alarmPost struct {
	name, url, brand string
	format           notifier.Format
	hooks            *webhook.Sender
}

// String is part of alarm.Target.
func (x *alarmPost) String() string { return x.name }

// Tell posts each, or all at once to a chat; the same word has the same webhook-id.
func (x *alarmPost) Tell(ctx context.Context, alarms []notifier.Alarm) error {
	bodies, err := alarm.Bodies(x.format, x.brand, alarms)
	if err != nil {
		return err
	}
	// A few at once: to an endpoint that is slow the last of many would never be said.
	places, errs := make(chan struct{}, alarmsAtOnce), make([]error, len(bodies))
	var posting sync.WaitGroup
	for i, body := range bodies {
		places <- struct{}{}
		posting.Go(func() {
			defer func() { <-places }()
			errs[i] = x.post(ctx, "alarm_"+alarmName(alarms[i], true), body)
		})
	}
	posting.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// alarmsAtOnce is how many alarms are posted to one endpoint at a time.
const alarmsAtOnce = 8

func (x *alarmPost) post(ctx context.Context, id string, body []byte) error {
	a := x.hooks.Test(ctx, notifier.Endpoint{URL: x.url, Format: x.format}, id, body)
	switch {
	case a.State == notifier.Sent:
		return nil
	case a.Status != 0:
		return fmt.Errorf("answered with %d", a.Status)
	}
	return fmt.Errorf("not posted: %s", a.Trouble)
}
