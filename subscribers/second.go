package subscribers

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"allclear/notifier"
)

// OwnDomain is a domain whose mail depends on a component: while that is down,
// readers with addresses there are told at their second ones.
type OwnDomain struct {
	Domain    string // as Domain returns it
	Component string // a key
}

// ParseOwnDomains reads "domain=component", by comma. The error is a
// *notifier.Invalid for the field domains.
func ParseOwnDomains(text string) ([]OwnDomain, error) {
	var out []OwnDomain
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		domain, component, ok := strings.Cut(part, "=")
		domain, component = strings.TrimSpace(domain), strings.TrimSpace(component)
		if !ok {
			return nil, notifier.Invalidf("domains", "%q is not domain=component", notifier.Clip(part))
		}
		kept, err := ParseAddress("x@" + domain)
		if err != nil {
			return nil, notifier.Invalidf("domains", "%q is no domain", notifier.Clip(domain))
		}
		of := OwnDomain{Domain(kept), component}
		if err := (&notifier.Component{Key: component}).Validate(); err != nil {
			return nil, notifier.Invalidf("domains", "%q is not a component key", notifier.Clip(component))
		}
		if slices.ContainsFunc(out, func(o OwnDomain) bool { return o.Domain == of.Domain }) {
			return nil, notifier.Invalidf("domains", "%s stands there twice", of.Domain)
		}
		out = append(out, of)
	}
	return out, nil
}

// DependsOn is the component that mail to an address of a channel depends on; "" for none of ours.
func DependsOn(own []OwnDomain, c notifier.Channel, address string) string {
	if c != notifier.Email {
		return ""
	}
	for _, o := range own {
		if o.Domain == Domain(address) {
			return o.Component
		}
	}
	return ""
}

// Second is where a subscriber wants to be told while mail to their own address
// is down. The zero Second is none.
type Second struct {
	Channel notifier.Channel
	Address string // as ParseOn returns it
	State   State  // Pending until its owner confirms
	Number  Number // of the subscriber who has it; 0 while nobody was asked
	// Unused is why nothing is sent there though it was confirmed: its address is
	// suppressed for that reason, or NoGateway. "": nothing is in the way.
	Unused Reason
	// Again: it may have left once, and is to be asked (Pending), or has asked to
	// come back (Active). For who sets it; nothing that is read has it.
	Again bool
}

// NoGateway is why a telephone number is not used that was confirmed: the service
// has no gateway of text messages any more. No suppression has it.
const NoGateway Reason = "no_gateway"

// Words say in English how a second address stands, and where updates go while it is not used.
func (x Second) Words() string {
	switch {
	case x.Unused == NoGateway:
		return "not used, because there is no gateway of text messages: updates go to the first address"
	case x.Unused != "":
		return "suppressed (" + string(x.Unused) + "): updates go to the first address"
	case x.State == Active || x.State == Pending:
		return string(x.State)
	}
	return string(x.State) + ": updates go to the first address"
}

// NoWayTo is, as a *notifier.Invalid for the field second, that nothing can be
// sent to a second address where its channel has no way out.
func NoWayTo(x Second) error {
	if x.Channel == notifier.SMS {
		return notifier.Invalidf(secondField, "is a telephone number, and the service has no gateway of text messages (ALLCLEAR_SMS)")
	}
	return notifier.Invalidf(secondField, "cannot be reached: nothing is sent by %s", x.Channel)
}

// parse brings a second address that somebody wrote into its kept form, and
// guesses its channel; none stays none. The error is a *notifier.Invalid for
// address or channel.
func (x *Second) parse() (err error) {
	if x.Address == "" {
		*x = Second{}
		return nil
	}
	if x.Channel == "" {
		x.Channel = ChannelOf(x.Address)
	}
	x.Address, err = ParseOn(x.Channel, x.Address)
	return err
}

// ParseSecond reads a second address; channel "" is the one that it looks like.
// The error is a *notifier.Invalid for address or channel.
func ParseSecond(channel notifier.Channel, address string) (Second, error) {
	x := Second{Channel: channel, Address: address, State: Pending}
	if address == "" {
		return x, notifier.Invalidf("address", "must not be empty")
	}
	return x, x.parse()
}

// Same reports whether two are one address.
func (x Second) Same(y Second) bool { return x.Channel == y.Channel && x.Address == y.Address }

// Veil shows enough of somebody's address for who knows it, such as a…@example.com:
// who has a second address confirmed it, but need not be whom it was meant for.
func Veil(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return address
	}
	_, size := utf8.DecodeRuneInString(address)
	return address[:size] + "…" + address[at:]
}

// NamedSecond is the one that s named last.
func (s *Subscriber) NamedSecond() Second {
	if s.SecondNext.Address != "" {
		return s.SecondNext
	}
	return s.Second
}

// secondField is the field of what is wrong with a second address.
const secondField = "second"

// Dress makes who has the second address of first: choices are the first's.
func (x Second) Dress(who *Subscriber, first Subscriber) {
	*who = Subscriber{
		Channel: x.Channel, Address: x.Address, State: Pending, Cadence: Instant, Timezone: first.Timezone, Language: first.Language,
		CreatedAt: who.CreatedAt, SecondOf: first.Number,
	}
	if x.Channel == notifier.Webhook { // whose mails about it are for the same person
		who.Contact, who.Format = first.Address, GuessFormat(x.Address)
	}
}

// Suits reports, as a *notifier.Invalid for the field second, why an address
// cannot be the second one of s.
func (s *Subscriber) Suits(own []OwnDomain, second Second) error {
	component := DependsOn(own, s.Channel, s.Address)
	switch {
	case s.SecondOf > 0:
		return notifier.Invalidf(secondField, "this is a second address itself")
	case component == "":
		return notifier.Invalidf(secondField, "is only for addresses whose mail is ours (ALLCLEAR_OWN_DOMAINS)")
	case s.Group:
		return notifier.Invalidf(secondField, "is not for an address that many read")
	case second.Channel == s.Channel && second.Address == s.Address:
		return notifier.Invalidf(secondField, "must be another address than the first")
	case DependsOn(own, second.Channel, second.Address) == component:
		return notifier.Invalidf(secondField, "its mail would be down at the same time; name an address elsewhere")
	}
	return nil
}

// ToSecond reports whether what happens goes to the second address in place of
// the first: down says whether the first one's mail is down. Both must be
// confirmed, and neither barred, nor the second one's channel without a way out.
func ToSecond(first, second *Subscriber, down bool, barred func(*Subscriber) bool) bool {
	return down && first.Channel == notifier.Email && first.State == Active && second != nil && second.SecondOf == first.Number &&
		second.State == Active && !barred(first) && !barred(second)
}

// Outage is a domain of ours whose mail is down.
type Outage struct {
	OwnDomain
	Since time.Time
}
