package email

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"allclear/notifier"
)

// CompositorOptions says how mails are written. From and Now are mandatory.
type CompositorOptions struct {
	// From stands in the header of every mail. Its name may be in any script.
	From mail.Address
	// Now is the clock of the Date header.
	Now func() time.Time
	// Envelope makes a delivery's envelope sender (VERP). Nil: From's address.
	Envelope func(notifier.DeliveryID) string
	// ListID names the list for readers' filters (RFC 2919) and must never
	// change. "" is "status." and From's domain.
	ListID string
	// ListName is the name before it. "" is From's.
	ListName string
	// Signers sign every mail, each on its own, in this order. None: unsigned.
	Signers []Key
	// SignatureLife limits how long a signature is good (x=, RFC 6376 section
	// 3.5), so that a mail cannot be replayed for ever. 0: no limit. It must
	// outlast every queue between us and the reader: a week and more.
	SignatureLife time.Duration
	// GoMsgauth leaves every signature to go-msgauth, as if the mail came from
	// somewhere else. The same comes out, but for t=, which is then go-msgauth's
	// own reading of the clock; it only takes longer. To compare with (bench).
	GoMsgauth bool
	// MailtoUnsubscribe makes the mailto: link that stands beside the https one
	// in List-Unsubscribe. Nil: there is none.
	MailtoUnsubscribe func(notifier.DeliveryID) string
	// Log is told at debug level of letters whose mails go-msgauth has to sign
	// one by one, and why. Nil: nobody is.
	Log *slog.Logger
	// CacheBytes and CacheEntries bound what is kept of letters. 0: 32 MiB and 2,048.
	CacheBytes, CacheEntries int
}

// Compositor turns messages into mails: what readers of a letter share is built
// once, and only what differs is filled in for each. It is safe for concurrent use.
type Compositor struct {
	o        CompositorOptions
	domain   string // From's, lower case
	from     string // the From header's value
	list     string // the List-Id header's value
	warnings []string
	kept     *shelf
	keys     []canonicalSigner
	scratch  sync.Pool // *workbench
	rooms    sync.Pool // *[]byte, for Envelope.Data
}

// NewCompositor checks o and every key once, with a trial signature.
func NewCompositor(o CompositorOptions) (*Compositor, error) {
	if o.Now == nil {
		return nil, errors.New("compositor needs a clock")
	}
	if err := refuseAddress(o.From.Address); err != nil {
		return nil, notifier.Invalidf("from", "%s", err)
	}
	if o.ListName == "" {
		o.ListName = o.From.Name
	}
	for field, s := range map[string]string{"from": o.From.Name, "list name": o.ListName} {
		if err := refuseControls(s); err != nil {
			return nil, notifier.Invalidf(field, "%s", err)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Compositor{o: o, kept: newShelf(o.CacheBytes, o.CacheEntries)}
	c.domain = strings.ToLower(o.From.Address[strings.LastIndexByte(o.From.Address, '@')+1:])
	c.from = foldAtSpaces("From: " + o.From.String())
	if o.ListID == "" {
		o.ListID = "status." + c.domain
	}
	if !dotAtom(o.ListID) {
		return nil, notifier.Invalidf("list id", "%q is not a name like status.example.com", o.ListID)
	}
	c.list = "List-Id: <" + o.ListID + ">"
	if o.ListName != "" {
		name := (&mail.Address{Name: o.ListName, Address: "x@x"}).String()
		c.list = foldAtSpaces("List-Id: " + strings.TrimSuffix(name, "<x@x>") + "<" + o.ListID + ">")
	}
	c.scratch.New = func() any { return new(workbench) }
	c.rooms.New = func() any { return new([]byte) }
	if err := c.tryKeys(); err != nil {
		return nil, err
	}
	return c, nil
}

// Warnings are sentences for the person who starts the service: what will work,
// but not as well as it could.
func (c *Compositor) Warnings() []string { return c.warnings }

// Compose writes one reader's mail, signed by every key. A bad recipient is a
// permanent *notifier.SendError; every other error is a fault of ours.
func (c *Compositor) Compose(m *notifier.Message) (Envelope, error) {
	if m.Letter == nil {
		return Envelope{}, errors.New("compose mail: message without a letter")
	}
	if err := refuseAddress(m.To); err != nil {
		return Envelope{}, &notifier.SendError{Fault: notifier.FaultRecipient, Permanent: true, Enhanced: "5.1.3", Stage: "render", Err: err}
	}
	var err error
	sk := c.kept.find(m.Letter.Key)
	if sk == nil {
		sk, err = c.kept.get(m.Letter.Key, func() (*skeleton, error) { return c.build(m.Letter) })
		if err != nil {
			return Envelope{}, fmt.Errorf("build skeleton of event %s: %w", notifier.Clip(m.Letter.EventID), err)
		}
	}
	e := Envelope{From: c.o.From.Address, To: m.To}
	if c.o.Envelope != nil {
		e.From = c.o.Envelope(m.Delivery)
		if err := refuseAddress(e.From); err != nil {
			return Envelope{}, fmt.Errorf("make envelope sender: %w", err)
		}
	}
	in := filling{message: m, at: c.o.Now()}
	if sk.mailto {
		if in.mailto = c.o.MailtoUnsubscribe(m.Delivery); !mailtoLink(in.mailto) {
			return Envelope{}, fmt.Errorf("make unsubscribe address: %q is not a mailto link", in.mailto)
		}
	}
	e.room = c.rooms.Get().(*[]byte)
	if len(c.o.Signers) == 0 {
		e.Data, err = sk.fill(slices.Grow((*e.room)[:0], sk.size+len(m.To)+len(in.mailto)), &in)
	} else {
		e.Data, err = c.signed((*e.room)[:0], sk, &in, c.expiry(in.at))
	}
	if err != nil {
		return Envelope{}, fmt.Errorf("compose mail of event %s: %w", m.Letter.EventID, err)
	}
	return e, nil
}

// roomKept bounds what is kept of one mail's memory for the next.
const roomKept = 256 << 10

// release gives back the memory of a mail that Compose made. Nobody may read it
// any more.
func (c *Compositor) release(e Envelope) {
	if e.room != nil && cap(e.Data) <= roomKept {
		*e.room = e.Data[:0]
		c.rooms.Put(e.room)
	}
}

// workbench is what signing one mail needs, to be used again.
type workbench struct {
	mail       []byte // as it is sent, without signatures
	canonical  []byte // as it is signed
	signatures []byte
	encoded    []byte // b=
	digest     [sha256.Size]byte
}

// signed appends the signatures of a mail to dst, and the mail behind them.
func (c *Compositor) signed(dst []byte, sk *skeleton, in *filling, expires time.Time) ([]byte, error) {
	w := c.scratch.Get().(*workbench)
	defer c.scratch.Put(w)
	var err error
	if w.mail, err = sk.fill(w.mail[:0], in); err != nil {
		return nil, err
	}
	if sk.canonical == nil {
		w.signatures, err = signAll(c.o.Signers, sk.signs, w.mail, expires)
	} else {
		err = w.sign(sk.canonical, in, c.keys, in.at, expires)
	}
	if err != nil {
		return nil, err
	}
	dst = slices.Grow(dst, len(w.signatures)+len(w.mail))
	return append(append(dst, w.signatures...), w.mail...), nil
}

func (c *Compositor) expiry(at time.Time) time.Time {
	if c.o.SignatureLife <= 0 {
		return time.Time{}
	}
	return at.Add(c.o.SignatureLife)
}

// tryKeys makes a mail and has go-msgauth verify each signature, so that a bad
// key or signer stops the start and not the first mail, and warns where DMARC
// would not count a signature.
func (c *Compositor) tryKeys() error {
	aligned := false
	for _, k := range c.o.Signers {
		s, err := newCanonicalSigner(k)
		if err != nil {
			return fmt.Errorf("sign with %s: %w", k, err)
		}
		c.keys = append(c.keys, s)
		aligned = aligned || alignedDomains(strings.ToLower(k.Domain), c.domain)
	}
	if len(c.keys) == 0 {
		return nil
	}
	sk, err := c.build(&notifier.Letter{Key: "trial", EventID: "trial", Subject: "Trial", Text: "Trial", HTML: "<p>Trial</p>"})
	if err != nil {
		return fmt.Errorf("make a trial mail: %w", err)
	}
	in := sampleFilling(sk)
	mail, err := c.signed(nil, sk, &in, time.Time{})
	if err != nil {
		return err
	}
	if err := holds(c.o.Signers, mail); err != nil {
		return err
	}
	if !aligned {
		c.warnings = append(c.warnings, fmt.Sprintf("no DKIM key belongs to %s, the domain of the From address: signatures will be valid, but DMARC does not count them", c.domain))
	}
	return nil
}

// alignedDomains tells whether a signature of d counts for mail from the domain
// from under DMARC's relaxed alignment (RFC 7489 section 3.1.1): one is the
// other, or lies below it.
func alignedDomains(d, from string) bool {
	return d == from || strings.HasSuffix(from, "."+d) || strings.HasSuffix(d, "."+from)
}
