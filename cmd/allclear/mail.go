package main

import (
	"context"
	"crypto/rsa"
	"errors"
	"io"
	"log/slog"
	"net/mail"
	"os"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/email"
	"allclear/notifier/email/mailbox"
	"allclear/notifier/email/signer"
	"allclear/subscribers"
	"allclear/templates"
)

// links gives mails the tokens of their links. An unsubscribe link is good for
// ever, because mails are kept for ever; one to confirm ends with the event
// that sent it; one that shows and changes what is kept, after a month.
type links struct{ *subscribers.Links }

// Unsubscribe makes the token by which a reader leaves.
func (l links) Unsubscribe(reader int64) string {
	return l.Token(subscribers.ForUnsubscribe, subscribers.Number(reader), time.Time{})
}

// Remove makes the token by which an endpoint is unsubscribed. Who looks after
// it later has another one, and this one is of no use any more.
func (l links) Remove(reader int64, contact string) string {
	return l.TokenAbout(subscribers.ForUnsubscribe, subscribers.Number(reader), time.Time{}, contact)
}

// Manage makes the token by which a reader changes what they chose.
func (l links) Manage(reader int64, accepted time.Time) string {
	return l.Token(subscribers.ForManage, subscribers.Number(reader), accepted.Add(subscribers.ManageLife))
}

// Personal makes the token that an event for one reader is about. What its owner
// gets is of no use to who owns the group later, and what asks about a move is
// about that one.
func (l links) Personal(t notifier.EventType, reader int64, accepted time.Time, address string) string {
	purpose, life, about := subscribers.ForConfirm, notifier.ConfirmLife, address
	switch t {
	case notifier.SubscriberLink, notifier.EndpointDisabled:
		purpose, life = subscribers.ForManage, subscribers.ManageLife
	case notifier.SubscriberSecond:
		purpose = subscribers.ForSecond
	case notifier.SubscriberMoveFrom:
		purpose, about = subscribers.ForMoveFrom, subscribers.MoveAbout(accepted)
	case notifier.SubscriberMoveTo:
		purpose, about = subscribers.ForMoveTo, subscribers.MoveAbout(accepted)
	case notifier.SubscriberOwner:
		purpose, life, about = subscribers.ForOwner, subscribers.ManageLife, address
	}
	return l.TokenAbout(purpose, subscribers.Number(reader), accepted.Add(life), about)
}

// mailRoom is everything that mail needs, as the settings say.
type mailRoom struct {
	from   *mail.Address
	relays []email.Relay
	keys   []email.Key
	box    *mailbox.Mailbox // nil but for mailbox:
	most   int              // connections to a relay that names no number
	bounce string           // domain of envelope senders; "" for From's address
	signer signer.Mode      // whose RSA signs; "" where no key is RSA
	log    *slog.Logger
}

// mailboxRelay is the setting that stands for the built-in catcher.
const mailboxRelay = "mailbox:"

// readMail reads the settings of mail and opens nothing.
func (s *Mail) readMail(site string, log *slog.Logger) (*mailRoom, error) {
	m := &mailRoom{log: log}
	var err error
	if m.from, err = s.sender(site); err != nil {
		return nil, err
	}
	if m.most, err = s.connections(); err != nil {
		return nil, err
	}
	if m.bounce, err = s.bounceDomain(); err != nil {
		return nil, err
	}
	keys, warnings, err := email.ParseKeys(s.DKIM)
	if err != nil {
		return nil, wrongBy("DKIM", err)
	}
	m.keys = keys
	for _, w := range warnings {
		log.Warn("mail", "warning", w)
	}
	if err := m.chooseSigners(s.Signer, log); err != nil {
		return nil, err
	}
	switch s.Relay {
	case "":
		return nil, wrong("RELAY", "is not set; write smtp://user:password@host:587, or mailbox: to try things out")
	case mailboxRelay:
		return m, nil
	}
	if m.relays, err = email.ParseRelays(s.Relay); err != nil {
		return nil, wrongBy("RELAY", err)
	}
	return m, nil
}

// chooseSigners lets libcrypto sign for the RSA keys where the setting and the
// machine allow it, and says in one line whose work it is.
func (m *mailRoom) chooseSigners(setting string, log *slog.Logger) error {
	mode, err := signer.ParseMode(setting)
	if err != nil {
		return wrong("SIGNER", "%s", err)
	}
	var reason error
	for i := range m.keys {
		if _, isRSA := m.keys[i].Signer.(*rsa.PrivateKey); !isRSA {
			continue // Ed25519 is Go's in any case
		}
		s, by, why := signer.Wrap(m.keys[i].Signer, mode, func(why error) {
			log.Warn("libcrypto could not sign; Go signs where it cannot", "error", why)
		})
		if why != nil && mode == signer.Libcrypto {
			return wrong("SIGNER", "libcrypto cannot be used: %s; write auto or go", why)
		}
		// Where keys differ, the slower one is told.
		if m.keys[i].Signer = s; m.signer != signer.Go {
			m.signer, reason = by, why
		}
	}
	switch {
	case m.signer == "":
	case reason != nil:
		log.Info("signing", "signer", m.signer, "reason", reason)
	default:
		log.Info("signing", "signer", m.signer)
	}
	return nil
}

// close gives back what signers hold outside of Go's memory.
func (m *mailRoom) close() error {
	var errs []error
	for _, k := range m.keys {
		if c, ok := k.Signer.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// catch starts the built-in catcher where it is asked for.
func (m *mailRoom) catch(relay string, o mailbox.Options) error {
	if relay != mailboxRelay {
		return nil
	}
	o.LookupTXT = publicKeys(m.keys)
	box, err := mailbox.New(o)
	if err != nil {
		return err
	}
	m.box = box
	m.relays, err = email.ParseRelays("smtp://" + box.Addr() + "?tls=off")
	return err
}

// publicKeys answers for the DNS with the records of our own keys.
func publicKeys(keys []email.Key) func(string) ([]string, error) {
	records := map[string][]string{}
	for _, k := range keys {
		line, err := email.Record(k)
		if err != nil {
			continue // a key that cannot be published was refused when it was read
		}
		_, value, _ := strings.Cut(line, ` TXT "`)
		records[strings.ToLower(k.String())] = []string{strings.TrimSuffix(value, `"`)}
	}
	return func(name string) ([]string, error) {
		if r, ok := records[strings.TrimSuffix(strings.ToLower(name), ".")]; ok {
			return r, nil
		}
		return nil, notifier.Refuse(notifier.ErrNotFound, "no record for %s", name)
	}
}

// compositor writes the mails. Without links (a test mail has no delivery) the
// envelope sender is From's address.
func (m *mailRoom) compositor(l *subscribers.Links, listName string, now func() time.Time) (*email.Compositor, error) {
	c, err := email.NewCompositor(m.writing(l, listName, now))
	if err != nil {
		return nil, wrongBy("FROM", err)
	}
	return c, nil
}

// writing is how the mails are written.
func (m *mailRoom) writing(l *subscribers.Links, listName string, now func() time.Time) email.CompositorOptions {
	o := email.CompositorOptions{From: *m.from, ListName: listName, Now: now, Signers: m.keys, Log: m.log}
	if m.bounce != "" && l != nil {
		o.Envelope = func(id notifier.DeliveryID) string { return l.Envelope(id) + "@" + m.bounce }
	}
	return o
}

func (m *mailRoom) pool(observer email.Observer, transcript io.Writer, now func() time.Time) (*email.Pool, error) {
	return email.NewPool(email.PoolOptions{
		Relays: m.relays, Connections: m.most, Hostname: m.hostname(), Now: now, Observer: observer, Transcript: transcript,
	})
}

// hostname is what we call ourselves to relays: this machine's name where it is
// a whole one, else the domain mail comes from.
func (m *mailRoom) hostname() string {
	if h, err := os.Hostname(); err == nil && strings.Contains(h, ".") {
		if a, err := subscribers.ParseAddress("x@" + h); err == nil {
			return subscribers.Domain(a)
		}
	}
	return subscribers.Domain(m.from.Address)
}

// testMessage is the message of send-test.
func testMessage(set *templates.Set, to string) (*notifier.Message, error) {
	letter, err := set.Test("", "")
	if err != nil {
		return nil, err
	}
	letter.EventID = newID()
	return &notifier.Message{Lane: notifier.LaneConfirm, Channel: notifier.Email, To: to, Letter: letter}, nil
}

// freeFlight lets a message go that is no delivery.
type freeFlight struct{}

func (freeFlight) Begin() error                 { return nil }
func (freeFlight) Taken(notifier.Receipt) error { return nil }

// sendOnce sends one message over a pool of its own.
func sendOnce(ctx context.Context, m *mailRoom, c *email.Compositor, msg *notifier.Message, transcript io.Writer, now func() time.Time) (notifier.Receipt, error) {
	// One connection, so that what is printed is one conversation.
	one := *m
	one.most, one.relays = 1, slices.Clone(m.relays)
	for i := range one.relays {
		one.relays[i].Connections = 1
	}
	pool, err := one.pool(nil, transcript, now)
	if err != nil {
		return notifier.Receipt{}, err
	}
	receipt, err := email.NewSender(c, pool).Send(ctx, msg, freeFlight{})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if closeErr := pool.Close(last); err == nil && closeErr != nil {
		err = closeErr
	}
	return receipt, err
}
