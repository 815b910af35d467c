package subscribers

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
)

// Number identifies a subscriber for ever; it is given by the store and is the
// reader's half of a notifier.DeliveryID. IDs shown outside are its String.
type Number int64

func (n Number) String() string { return "s" + strconv.FormatInt(int64(n), 10) }

// ParseNumber reads what String writes.
func ParseNumber(s string) (Number, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(s, "s"), 10, 64)
	if err != nil || n <= 0 || Number(n).String() != s {
		return 0, fmt.Errorf("subscriber %q: %w", s, notifier.ErrNotFound)
	}
	return Number(n), nil
}

// State is where a subscription stands.
type State string

// The states of a subscription.
const (
	Pending      State = "pending"      // asked for, not confirmed; gets only the confirmation
	Active       State = "active"       // gets what its filter lets through
	Paused       State = "paused"       // wants nothing for now
	Quarantined  State = "quarantined"  // its address gives trouble
	Unsubscribed State = "unsubscribed" // left; kept so that an import does not revive it unasked
)

// Movable reports whether a subscription that stands so can go to another address.
func (s State) Movable() bool { return s != Pending && s != Unsubscribed }

// States lists every state.
var States = []State{Pending, Active, Paused, Quarantined, Unsubscribed}

// Cadence is how often a subscriber wants to hear.
type Cadence string

// The cadences.
const (
	Instant    Cadence = "instant"
	Milestones Cadence = "milestones" // beginnings and ends, and where it gets worse
	Daily      Cadence = "daily"
	Weekly     Cadence = "weekly"
	Monthly    Cadence = "monthly"
)

// Cadences lists every cadence.
var Cadences = []Cadence{Instant, Milestones, Daily, Weekly, Monthly}

// Offered lists those that can be had on a channel.
func Offered(c notifier.Channel) []Cadence {
	if c == notifier.Email {
		return Cadences
	}
	return []Cadence{Instant, Milestones}
}

// Subscriber is one address on one channel, and what it wants to hear.
// (Channel, Address) is unique.
type Subscriber struct {
	Number       Number
	Channel      notifier.Channel
	Address      string // as ParseAddress, ParseEndpoint or ParsePhone returns it
	State        State
	Filter       Filter
	Cadence      Cadence
	Timezone     string // IANA name; "" is the service's
	Language     string // BCP 47; "" is the service's
	CreatedAt    time.Time
	ConfirmedAt  time.Time
	Unsubscribed time.Time // when it left; kept while it is pending again
	PausedUntil  time.Time // when a pause ends by itself; zero: never
	Left         Leave     // how it left; zero while it has not

	// Group: many read the address, so that one of them cannot end or change
	// the subscription of all. Contact is the mail address of who can; an
	// endpoint always has one.
	Group   bool
	Contact string

	Format notifier.Format // of an endpoint
	Quiet  notifier.Quiet  // of a phone

	// When digests come, whether what is critical comes at once all the same, and
	// whether one comes although there is nothing new.
	Hour     Hour
	Weekday  Weekday
	Critical bool
	AllQuiet bool

	// SecondOf is the subscriber whose second address this is: it is told only
	// what that one would be, and only while mail to that one is down. 0: nobody's.
	SecondOf Number
	// Wishes: the form was filled in for this second address, and its owner may
	// confirm that they want a subscription of their own. ChangeSubscriber leaves it alone.
	Wishes bool
	// Second is the one that this subscriber named, and SecondNext the one that
	// takes its place as soon as its owner confirms. ChangeSubscriber leaves them alone.
	Second, SecondNext Second
}

// ConfirmEvent makes the event that asks s to confirm.
func (s *Subscriber) ConfirmEvent(d notifier.Desk) notifier.Event {
	if s.SecondOf > 0 && s.Channel == notifier.Email {
		return s.Event(notifier.SubscriberSecond, d)
	}
	return s.Event(notifier.SubscriberConfirm, d)
}

var language = regexp.MustCompile(`^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$`)

// Validate checks s and puts it in its kept form (address folded, defaults
// filled in, the channel and an endpoint's format guessed from the address). It reports the first wrong field as a *notifier.Invalid.
func (s *Subscriber) Validate() error {
	if s.Channel == "" {
		s.Channel = ChannelOf(s.Address)
	}
	if err := s.validateDoor(); err != nil {
		return err
	}
	if s.State == "" {
		s.State = Pending
	}
	if !slices.Contains(States, s.State) {
		return notifier.Invalidf("state", "%q is not one of pending, active, paused, quarantined, unsubscribed", s.State)
	}
	if s.Cadence == "" {
		s.Cadence = Instant
	}
	if !slices.Contains(Cadences, s.Cadence) {
		return notifier.Invalidf("cadence", "%q is not one of instant, milestones, daily, weekly, monthly", s.Cadence)
	}
	if err := s.validateSchedule(); err != nil {
		return err
	}
	if s.Timezone != "" {
		if _, err := time.LoadLocation(s.Timezone); err != nil || s.Timezone == "Local" {
			return notifier.Invalidf("timezone", "%q is no time zone; use a name like Europe/Oslo", s.Timezone)
		}
	}
	if s.Language != "" && (!language.MatchString(s.Language) || len(s.Language) > 35) {
		return notifier.Invalidf("language", "%q is no language; use a code like en or pt-BR", s.Language)
	}
	if err := s.validateGroup(); err != nil {
		return err
	}
	return s.Filter.Validate()
}

// validateDoor checks what depends on the channel.
func (s *Subscriber) validateDoor() (err error) {
	if s.Address, err = ParseOn(s.Channel, s.Address); err != nil {
		return err
	}
	if s.Channel == notifier.Webhook && s.Format == "" {
		s.Format = GuessFormat(s.Address)
	}
	switch {
	case s.Channel != notifier.Webhook && s.Format != "":
		return notifier.Invalidf("format", "is only for webhooks")
	case s.Channel != notifier.Webhook && len(s.Filter.Types) > 0:
		return notifier.Invalidf("types", "are only for webhooks; email and sms choose by cadence")
	case s.Channel == notifier.Webhook && !slices.Contains(notifier.Formats, s.Format):
		return notifier.Invalidf("format", "%q is not one of standard, statuspage, slack, teams, discord", s.Format)
	case s.Channel != notifier.Email && s.Group:
		return notifier.Invalidf("group", "is only for email")
	case s.Channel != notifier.Email && s.Filter.Mine:
		return notifier.Invalidf("mine", "is only for email; who lives on a component is known by mail address")
	case s.Channel != notifier.SMS && s.Quiet != "":
		return notifier.Invalidf("quiet", "is only for sms")
	}
	return s.Quiet.Validate()
}

// ParseOn checks an address of a channel: ParseAddress, ParseEndpoint or
// ParsePhone. The error is a *notifier.Invalid for address or channel.
func ParseOn(c notifier.Channel, address string) (string, error) {
	switch c {
	case notifier.Email:
		return ParseAddress(address)
	case notifier.Webhook:
		return ParseEndpoint(address)
	case notifier.SMS:
		return ParsePhone(address)
	}
	return "", notifier.Invalidf("channel", "%q is not one of email, webhook, sms", notifier.Clip(string(c)))
}

// ChannelOf guesses the channel of an address that somebody wrote without
// naming it: a URL, a telephone number (also one that misses its +, which is
// then told so), or else mail.
func ChannelOf(address string) notifier.Channel {
	switch address = strings.TrimSpace(address); {
	case strings.Contains(address, "://"):
		return notifier.Webhook
	case numeric.MatchString(address), strings.HasPrefix(address, "+") && !strings.Contains(address, "@"):
		return notifier.SMS
	}
	return notifier.Email
}

// numeric is what can only be meant as a telephone number.
var numeric = regexp.MustCompile(`^[+＋(]?[0-9０-９][0-9０-９ ()./-]*$`)

// ParseAny checks an address of the channel that it looks like.
func ParseAny(address string) (notifier.Channel, string, error) {
	c := ChannelOf(address)
	kept, err := ParseOn(c, address)
	return c, kept, err
}

func (s *Subscriber) validateGroup() error {
	endpoint := s.Channel == notifier.Webhook
	switch {
	case endpoint && s.Contact == "":
		return notifier.Invalidf("contact", "must not be empty for a webhook: it is the mail address of who looks after it")
	case endpoint:
	case !s.Group && s.Contact == "":
		return nil
	case !s.Group:
		return notifier.Invalidf("contact", "is only for a group; set group as well")
	case s.Contact == "":
		return notifier.Invalidf("contact", "must not be empty for a group: it is the address of who decides for its readers")
	}
	a, err := ParseAddress(s.Contact)
	if err != nil {
		var bad *notifier.Invalid
		if errors.As(err, &bad) {
			return notifier.Invalidf("contact", "%s", bad.Message)
		}
		return err
	}
	if a == s.Address {
		return notifier.Invalidf("contact", "must be another address than the group's own")
	}
	s.Contact = a
	return nil
}

// Query selects a page of subscribers, by number.
type Query struct {
	Channel notifier.Channel // "" is every channel
	State   State            // "" is every state
	Address string           // exact, as ParseAddress returns it; "" is every address
	Part    string           // of the address, in either case; "" is every address
	Cursor  string           // as the previous page returned it; "" begins
	Limit   int              // 1 to 1000
}

// Imported is what became of one row of an import.
type Imported string

// The fates of an imported row.
const (
	ImportAdded      Imported = "added"
	ImportChanged    Imported = "changed"    // an existing subscriber's choices were overwritten, as asked
	ImportUnchanged  Imported = "unchanged"  // it was there; its choices stand
	ImportSuppressed Imported = "suppressed" // the address may not be written to; left alone
)
