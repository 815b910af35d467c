package notifier

import (
	"cmp"
	"strings"
	"time"
)

// How long things of the staff are good.
const (
	// SetUpLife is how long the link is good with which a person of the staff
	// sets a password and a second factor.
	SetUpLife = 24 * time.Hour
	// SessionIdle ends a session that was not used for so long, SessionLife every
	// session, however much it is used.
	SessionIdle = 8 * time.Hour
	SessionLife = 7 * 24 * time.Hour
	// RecoveryCodes is how many codes stand in for a lost second factor, each once.
	RecoveryCodes = 10
)

// Staff is a person who uses the console.
type Staff struct {
	ID        string
	Name      string // what they sign in with; what the audit names
	Role      Role
	CreatedAt time.Time
	ReadyAt   time.Time // when password and second factor were set; zero: not since the last link was made
	LinkUntil time.Time // until when their link to set them is good; zero: there is none
	SignedIn  time.Time // the last time; zero: never
}

// Actor is the person as the audit names them.
func (s *Staff) Actor() Actor { return Actor{Name: "staff:" + s.Name, Role: s.Role} }

// CheckStaffName says what is wrong with a name to sign in with: an *Invalid.
// It is what people type at night, so it has no upper case and no spaces.
func CheckStaffName(name string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789._-@+"
	if name == "" || len(name) > 64 || strings.Trim(name, allowed) != "" {
		return Invalidf("name", "must be 1 to 64 characters of a-z, 0-9 and . _ - @ +")
	}
	return nil
}

// Credentials are what a person proves themselves with, as they are kept.
type Credentials struct {
	Password string   // a hash in the PHC string format
	Secret   []byte   // of the second factor (RFC 6238), sealed where it is kept
	Step     int64    // the last step of time whose code was taken; an older one is not taken any more
	Recovery [][]byte // SHA-256 of the codes that stand in for the second factor
}

// Proof is what somebody just proved themselves with: a code of the second
// factor by its step, or a recovery code by its hash.
type Proof struct {
	Step     int64
	Recovery []byte // nil where the second factor was used
}

// Session is one sign-in of one person, in one browser.
type Session struct {
	ID        string // not what the browser holds; that is kept as a hash only
	Staff     Staff
	CreatedAt time.Time
	SeenAt    time.Time // to the minute
	Network   string    // where it was begun, truncated to a /24 or /64
	Agent     string    // the browser as it names itself, at most 200 bytes
}

// Over reports whether the session's time is up.
func (s *Session) Over(now time.Time) bool {
	return now.Sub(s.SeenAt) >= SessionIdle || now.Sub(s.CreatedAt) >= SessionLife
}

// AuditEntry is one thing that somebody did.
type AuditEntry struct {
	ID      string
	At      time.Time
	Actor   string // local:USER, token:NAME, staff:NAME, subscriber:NUMBER, system
	Network string // where from, truncated; "" where that is not known or makes no sense
	Action  string // such as incident.open
	Subject string // the id of what it was done to
	Detail  string
}

// StaffActions are what OfStaff has words for, as the audit calls it.
var StaffActions = []string{"staff.add", "staff.role", "staff.reset"}

// OfStaff says in words what was done to who may sign in, where it lets
// somebody in or changes what they may; "" for anything else. Names are by id;
// whoever is gone is named by it.
func (e *AuditEntry) OfStaff(names map[string]string) string {
	who := cmp.Or(names[e.Subject], "somebody who is gone ("+e.Subject+")")
	switch e.Action {
	case "staff.add":
		name, role, _ := strings.Cut(e.Detail, " ")
		return "added " + name + " to the staff, with the role " + role
	case "staff.role":
		return "gave " + who + " the role " + e.Detail
	case "staff.reset":
		return "made a new link for " + who + " to set up a sign-in"
	}
	return ""
}

// StaffNames are the names of people by their ids.
func StaffNames(list []Staff) map[string]string {
	names := make(map[string]string, len(list))
	for _, p := range list {
		names[p.ID] = p.Name
	}
	return names
}

// AuditQuery selects a page of the audit, newest first.
type AuditQuery struct {
	Actor   string    // exact; "" is everybody
	Action  string    // exact, or all that begin with it where it ends with a dot; "" is everything
	Subject string    // exact; "" is everything
	From    time.Time // at or after it; zero is no bound
	Until   time.Time // before it; zero is no bound
	Cursor  string    // as the previous page returned it; "" begins
	Limit   int       // 1 to 1000
}
