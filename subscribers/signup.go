package subscribers

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"time"
)

// SignUpLife is how long a sign-up waits for its turn; then it is forgotten.
const SignUpLife = 24 * time.Hour

// ErrFull says that as many sign-ups wait as may.
var ErrFull = errors.New("too many sign-ups wait for their turn")

// SignUp is what somebody asked for on the public form. Nothing is known of the
// address yet, and whoever asked is never told what is.
type SignUp struct {
	Subscriber              // validated and Pending
	Network    netip.Prefix // where it came from, truncated; not valid: not known
	Consent    Consent
	Solved     bool // the browser did its work
	// Trapped: a field was filled in that no person sees. It waits as any other,
	// so that the time of the answer does not tell, and then nothing is done for it.
	Trapped bool
}

// Lost is somebody's wish to be mailed the link to their subscription.
type Lost struct {
	Address string       // as ParseAddress returns it
	Network netip.Prefix // where it came from, truncated; not valid: not known
	Solved  bool         // the browser did its work
	Trapped bool         // as a SignUp's: it waits, and then nothing is done for it
}

// Consent is what somebody agreed to, in the words that were shown.
type Consent struct {
	Language string
	Words    string
}

// Version names the words.
func (c Consent) Version() string {
	sum := sha256.Sum256([]byte(c.Words))
	return c.Language + "-" + hex.EncodeToString(sum[:8])
}

// The steps of an opt-in.
const (
	StepAsked     = "asked"     // the form
	StepConfirmed = "confirmed" // the link in the mail; or elsewhere, as whoever brought the address along says in the words
)

// Evidence is one step of how a subscriber agreed.
type Evidence struct {
	Step    string
	At      time.Time
	Network string // truncated; "" where it is not known
	Version string
	Words   string
}

// Fate is what became of a sign-up.
type Fate string

// The fates of sign-ups.
const (
	SignUpAsked   Fate = "asked"   // a confirmation is on its way
	SignUpKnown   Fate = "known"   // subscribed already; nothing is sent
	SignUpBarred  Fate = "barred"  // suppressed; nothing is sent
	SignUpAgain   Fate = "again"   // it was asked for within the day
	SignUpExpired Fate = "expired" // its turn did not come within the day
	SignUpVoid    Fate = "void"    // none of what it chose exists any more
	SignUpTrapped Fate = "trapped" // no person filled the form in; nothing is sent
	SignUpNoMail  Fate = "no_mail" // its domain says that it takes no mail (RFC 7505); nothing is sent
)

// Waiting is one sign-up whose turn has come, and the domain that the question
// would go to; "" where nobody will be asked.
type Waiting struct {
	ID     string
	Domain string
}

// Answered is what one step through the queue of sign-ups did.
type Answered struct {
	Fates map[Fate]int
	// Next is when there will be something to do again, as far as is known; zero: only once somebody asks.
	Next time.Time
	More bool // there is more to do at once
	// Spent: what may be sent in all is spent, and whoever waits, waits for that.
	Spent bool
}

// Truncate is the network that an address is counted and kept as: a /24, or of
// version 6 a /64. It is not valid for an address that is not.
func Truncate(a netip.Addr) netip.Prefix {
	bits := 64
	if a = a.Unmap().WithZone(""); a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
