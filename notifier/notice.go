package notifier

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// NoticeState is where a notice stands.
type NoticeState string

// The states of a notice. Each says how one enters and leaves it.
const (
	// NoticeDraft: made, and everything about it can still be changed.
	NoticeDraft NoticeState = "draft"
	// NoticeAwaiting: told to be sent, and nobody else has agreed yet. Approve
	// leaves it for what was ordered; a change of what was ordered for the draft.
	NoticeAwaiting NoticeState = "awaiting_approval"
	// NoticeScheduled: goes out at its time.
	NoticeScheduled NoticeState = "scheduled"
	// NoticeCanary: a small part goes out first, and is watched.
	NoticeCanary NoticeState = "canary"
	// NoticeSending: everybody else is sent theirs.
	NoticeSending NoticeState = "sending"
	// NoticePaused: staff stopped it; resume goes on where it stood.
	NoticePaused NoticeState = "paused"
	// NoticeHalted: it stopped by itself, because too much of the canary failed or
	// it would be written by other texts than others agreed to.
	NoticeHalted NoticeState = "halted"
	// NoticeSettling: everyone was tried once; some are tried again.
	NoticeSettling NoticeState = "settling"
	// NoticeDone: every recipient's delivery is final.
	NoticeDone NoticeState = "done"
	// NoticeCancelled: what had not gone out never will. Final.
	NoticeCancelled NoticeState = "cancelled"
)

// NoticeStates lists every state, in the usual order.
var NoticeStates = []NoticeState{
	NoticeDraft, NoticeAwaiting, NoticeScheduled, NoticeCanary, NoticeSending,
	NoticePaused, NoticeHalted, NoticeSettling, NoticeDone, NoticeCancelled,
}

// Begun reports whether something of it may have gone out.
func (s NoticeState) Begun() bool {
	return slices.Index(NoticeStates, s) >= slices.Index(NoticeStates, NoticeCanary)
}

// Final reports whether nothing more happens by itself.
func (s NoticeState) Final() bool { return s == NoticeDone || s == NoticeCancelled }

// The templates of notices.
const (
	RestoreStarted   = "restore-started"
	RestoreCompleted = "restore-completed"
	AccountAffected  = "account-affected"
	MailBounced      = "mail-bounced"
	BlankNotice      = "blank"
)

// NoticeTemplates lists them.
var NoticeTemplates = []string{RestoreStarted, RestoreCompleted, AccountAffected, MailBounced, BlankNotice}

// Recipient is one person whom a notice is for, with their own rows. It need
// not be a subscriber.
type Recipient struct {
	Place    int64 // in the notice's audience, from 1
	Channel  Channel
	Address  string
	Language string // BCP 47; "" means the service's
	Timezone string // IANA name; "" means the service's
	Account  string // the other team's name for it; may be ""
	Rows     [][]Field
	More     int64 // rows of theirs behind Rows, which are more than a letter can hold
}

// MostRows is how many rows of a file one recipient may have.
const MostRows = 100_000

// firstRecipient is the number of a notice's first recipient among readers:
// below it are subscribers, so that no delivery is ever taken for another's.
const firstRecipient = 1 << 31

// RecipientReader is the number of the reader that the recipient at place is,
// in the event of its notice and nowhere else.
func RecipientReader(place int64) int64 { return firstRecipient + place - 1 }

// PlaceOfReader is the place of a reader who is a notice's recipient; 0 for a subscriber.
func PlaceOfReader(reader int64) int64 { return max(0, reader-firstRecipient+1) }

// ToRecipient reports whether the delivery is a notice's, to somebody who need
// not be a subscriber.
func (id DeliveryID) ToRecipient() bool { return id.Reader() >= firstRecipient }

// Reject is a row of an audience that cannot be used.
type Reject struct {
	Line   int    // of the file it came in, from 1
	Reason string // for the person who mends it
	Text   string // the row as it stood in the file; "" where somebody it named was erased
	Header string // the first line of the file, with its end, with the first reject of a CSV file; else ""
	// Encoding is that of the file, with its first reject: utf-8, utf-16le,
	// utf-16be or windows-1252; else "".
	Encoding string
}

// Approval is somebody's word that a notice may go out.
type Approval struct {
	By     string
	At     time.Time
	Reason string // of an admin who overrode the need of a second person; else ""
	Texts  string `json:",omitempty"` // that the notice would have been written by then
}

// NoticeOrder is what staff ask for when they send a notice.
type NoticeOrder struct {
	Expect        int64     // how many recipients they believe it has
	AcceptRejects int64     // how many rejected rows they accept
	AcceptMissing int64     // how many recipients they accept who lack what the mail needs
	At            time.Time // zero is now
	PerSecond     int       // at most so many a second; 0 is as fast as it goes
	// Canary is the share that goes first, in per cent; negative means none. 0
	// is DefaultCanary, for audiences of CanaryFrom recipients or more.
	Canary float64
	// HaltAbove is the share of the canary that may fail or bounce within
	// CanaryTime before the notice halts by itself, in per cent; 0 is DefaultHalt.
	HaltAbove float64
	// CanaryWait is how long the others wait at least after the canary began.
	// However long it is, they wait until the whole canary was tried.
	CanaryWait time.Duration
	Override   string // an admin's reason to send without a second person; else ""
	// Needed is how many approvals it needed when it was told to go.
	Needed int `json:",omitempty"`
	// Version is the Mark of the notice when it was judged whether it can be
	// written; "" does not say. It is not kept.
	Version string `json:"-"`
}

// What a canary is where nobody says otherwise.
const (
	DefaultCanary = 1.0 // per cent
	DefaultHalt   = 5.0 // per cent
	CanaryFrom    = 1000
	CanaryTime    = 5 * time.Minute
)

// Notice is one message to exactly the people in its audience, with each one's
// own data.
type Notice struct {
	ID         string
	Title      string
	Template   string // of NoticeTemplates
	Subject    string // "" is the template's own; may hold {{column}}
	Body       string // Markdown; may hold {{column}} and {{rows}}
	IncidentID string // "" where it belongs to none
	State      NoticeState
	Halted     string // why it halted; else ""

	// Approvals is how many other people must agree at least; the audience's
	// size may ask for more.
	Approvals int
	Approved  []Approval // of what it is now
	// Texts names the NoticeTexts that it would be written by now, where loaded;
	// "" where no service said so yet.
	Texts string

	// The audience, counted when it was written.
	Recipients     int64
	Rows           int64
	Rejected       int64
	WithoutAddress int64
	CaseTwins      int64 // recipients whose address differs from another's by the case of the local part only

	// Edition is the number of the last file of the audience, where loaded; 0 is none.
	Edition int64

	Order NoticeOrder // the zero one until it is told to be sent

	Event     int64  // number of the event that sends it; 0 until then
	EventID   string // its opaque id
	CreatedAt time.Time
	CreatedBy string
	ChangedBy []string // everybody who wrote it or its audience since it was made
	OrderedAt time.Time
	OrderedBy string
	BegunAt   time.Time // when the first part was released
	DoneAt    time.Time
	CleanedAt time.Time // when its audience was deleted
	ChangedAt time.Time // by staff, or a step of its own

	// What became of it, where loaded. Every state has a key.
	Counts map[DeliveryState]int64
	Tried  int64
}

// Needs is how many approvals the notice needs before it may be sent, where
// above is the size of an audience that one person alone may write to.
func (n *Notice) Needs(above int64) int {
	need := n.Approvals
	if n.Recipients > above {
		need = max(need, 1)
	}
	return need
}

// MayApprove says whether by is another person than those who made the notice:
// a *Refusal where not. Four eyes are two people, whatever doors they come by:
// who is staff:ann is local:ann, too, and the program that has the token ann.
func (n *Notice) MayApprove(by string) error {
	same := func(other string) bool { return person(other) == person(by) }
	switch {
	case same(n.CreatedBy) || same(n.OrderedBy) || slices.ContainsFunc(n.ChangedBy, same):
		return Refuse(ErrConflict, "whoever wrote a notice, its audience or the order to send it cannot approve it; another person must")
	case slices.ContainsFunc(n.Standing(), func(a Approval) bool { return same(a.By) }):
		return Refuse(ErrConflict, "it is approved by %s already", by)
	}
	return nil
}

// person is who an actor is, without the door.
func person(actor string) string {
	_, name, ok := strings.Cut(actor, ":")
	if !ok {
		return actor
	}
	return strings.ToLower(name)
}

// Enough says whether it may be sent, where it needs so many approvals: as many
// others agreed, or an admin gave a reason to do without.
func (n *Notice) Enough(needs int) bool {
	stand := n.Standing()
	return len(stand) >= needs || slices.ContainsFunc(stand, func(a Approval) bool { return a.Reason != "" })
}

// Standing are the approvals of a notice that is written by the texts there are
// now: whoever agreed has not seen what was edited since, or came with an update
// of the program before it began.
func (n *Notice) Standing() (out []Approval) {
	for _, a := range n.Approved {
		if sameTexts(a.Texts, n.Texts, n.State.Begun()) {
			out = append(out, a)
		}
	}
	return out
}

// Reworded reports whether it is on its way by other texts than others agreed
// to: it goes on once enough of them agree to these.
func (n *Notice) Reworded() bool {
	switch n.State {
	case NoticeCanary, NoticeSending, NoticePaused, NoticeHalted:
		return !n.Enough(n.Order.Needed)
	}
	return false
}

// NoticeChange is what staff change of a draft. Nil keeps.
type NoticeChange struct {
	Title, Template, Subject, Body, IncidentID *string
	Approvals                                  *int // may only raise
}

// Check says what is wrong with a notice as it was written: an *Invalid.
func (n *Notice) Check() error {
	if err := checkTitle(n.Title); err != nil {
		return err
	}
	if !slices.Contains(NoticeTemplates, n.Template) {
		return Invalidf("template", "%q is not one of restore-started, restore-completed, account-affected, mail-bounced, blank", n.Template)
	}
	if n.Subject != "" {
		if err := line("subject", n.Subject, maxTitle); err != nil {
			return err
		}
	}
	if n.Approvals < 0 || n.Approvals > 10 {
		return Invalidf("approvals", "must lie between 0 and 10")
	}
	return checkBody(n.Body)
}

// Apply changes the notice; an *Invalid says what cannot be.
func (c NoticeChange) Apply(n *Notice) error {
	set := func(to *string, v *string) {
		if v != nil {
			*to = *v
		}
	}
	set(&n.Title, c.Title)
	set(&n.Template, c.Template)
	set(&n.Subject, c.Subject)
	set(&n.Body, c.Body)
	set(&n.IncidentID, c.IncidentID)
	if c.Approvals != nil {
		if *c.Approvals < n.Approvals {
			return Invalidf("approvals", "is %d already and may only be raised", n.Approvals)
		}
		n.Approvals = *c.Approvals
	}
	return n.Check()
}

// Check says whether the order fits the notice: an *Invalid for a figure that
// makes no sense, a *Refusal where the audience is another one than the person
// believes it to be.
func (o NoticeOrder) Check(n *Notice) error {
	switch {
	case o.PerSecond < 0:
		return Invalidf("per_second", "must not be negative")
	case o.Canary > 100:
		return Invalidf("canary", "is a share in per cent, at most 100")
	case o.HaltAbove < 0 || o.HaltAbove > 100:
		return Invalidf("halt_above", "is a share in per cent, between 0 and 100")
	case o.CanaryWait < 0 || o.CanaryWait > 24*time.Hour:
		return Invalidf("canary_wait", "must lie between 0 and 24 h")
	case n.Recipients == 0:
		return Refuse(ErrConflict, "it has no audience yet")
	case o.Expect != n.Recipients:
		return Refuse(ErrConflict, "%d recipients were expected, and it has %d", o.Expect, n.Recipients)
	case o.AcceptRejects != n.Rejected:
		return Refuse(ErrConflict, "%d rejected rows were accepted, and it has %d", o.AcceptRejects, n.Rejected)
	}
	return nil
}

// CanarySize is how many recipients go first; 0 is no canary.
func (o NoticeOrder) CanarySize(recipients int64) int64 {
	share := o.Canary
	switch {
	case share < 0, share == 0 && recipients < CanaryFrom:
		return 0
	case share == 0:
		share = DefaultCanary
	}
	return min(recipients, max(1, int64(math.Ceil(float64(recipients)*share/100))))
}

// Halts says why a notice halts whose canary of size came to so many failures;
// "" where it need not.
func (o NoticeOrder) Halts(failed, size int64) string {
	limit := o.HaltAbove
	if limit == 0 {
		limit = DefaultHalt
	}
	if size == 0 || float64(failed)*100 <= limit*float64(size) {
		return ""
	}
	return fmt.Sprintf("%d of the first %d failed or bounced, which is more than %g %%", failed, size, limit)
}
