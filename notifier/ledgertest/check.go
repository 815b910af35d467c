package ledgertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Kind is what a complaint is about.
type Kind string

// The kinds of complaints.
const (
	Lost       Kind = "lost"       // a reader was not told of a post that was accepted (F1)
	Half       Kind = "half"       // a post without an answer reached some and not others (F1, F8)
	Repeated   Kind = "repeated"   // more repeats than the faults explain (F2, I2)
	Renamed    Kind = "renamed"    // a repeat has another Message-ID, or two mails share one (F2)
	Uninvited  Kind = "uninvited"  // a mail to somebody who was not to be told (F3, F4)
	Unfounded  Kind = "unfounded"  // a mail of no post, or of one that was refused (F8)
	Leaked     Kind = "leaked"     // a mail lacks its reader's words or holds another's, or Inspect finds fault (F5)
	Reversed   Kind = "reversed"   // an older post of an incident came after a newer one (F6)
	Miscounted Kind = "miscounted" // the counts of an event are not the ledger's (F10)
)

// Complaint is one thing that must not have happened.
type Complaint struct {
	Kind Kind
	Text string
}

func (c Complaint) String() string { return string(c.Kind) + ": " + c.Text }

// Faults is what was done to the program, and what that excuses.
type Faults struct {
	// Doubts is how many mails the faults can have left in doubt: one for each
	// connection that may have had one in flight, for each kill; where the machine
	// was lost, what was acknowledged since the last settlement besides. Mails
	// that the ledger itself left without an answer count by themselves.
	Doubts int
	// Anywhere: the ack journal did not survive, or a worker lost its leases
	// alive, so that other mails than a connection's last may be repeated too.
	Anywhere bool
	// Unfinished: something still waits to be sent.
	Unfinished bool
	// Counts answers the deliveries of an event by state. nil: nobody asks.
	Counts func(event string) (map[string]int64, error)
}

// Check reports everything that must not have happened as an error of the test.
func (l *Ledger) Check(t testing.TB, f Faults) {
	t.Helper()
	found := l.Complaints(f)
	for i, c := range found {
		if i == 20 {
			t.Errorf("and %d more", len(found)-i)
			break
		}
		t.Error(c)
	}
	a := l.audit()
	t.Logf("ledger: %d mails of %d posts to %d readers, %d repeats of at most %d", len(a.mails), len(a.posts), len(a.readers), a.repeats, f.Doubts+a.unanswered)
}

// Complaints is everything that must not have happened, by kind.
func (l *Ledger) Complaints(f Faults) []Complaint {
	a := l.audit()
	a.faults = f
	a.content()
	a.copies()
	a.order()
	a.completeness()
	if f.Counts != nil {
		a.counts()
	}
	return a.found
}

// key is one post on its way to one reader.
type key struct {
	post int
	to   string
}

// audit is one look at the ledger, sorted in the ways that the checks need.
type audit struct {
	faults  Faults
	readers map[string]Reader
	turned  map[string]bool
	posts   []post
	mails   []Mail

	about      map[key][]int // mails by newest post and reader, in order
	told       map[key]bool  // the reader has a mail that tells of the post, and that the relay answered for
	last       map[int]int   // last place on each connection
	repeats    int
	unanswered int
	found      []Complaint
}

func (l *Ledger) audit() *audit {
	l.mu.RLock()
	defer l.mu.RUnlock()
	a := &audit{
		readers: l.readers, turned: map[string]bool{}, posts: slices.Clone(l.posts), mails: slices.Clone(l.mails),
		about: map[key][]int{}, told: map[key]bool{}, last: map[int]int{},
	}
	for r := range l.turned {
		a.turned[r] = true
	}
	for i, m := range a.mails {
		if m.Answer == "" {
			a.unanswered++
		}
		a.last[m.Connection] = max(a.last[m.Connection], m.Nth)
		if m.Answer != "" && !m.taken() {
			continue // refused: nobody has it
		}
		if n := m.newest(); n >= 0 {
			k := key{n, m.To}
			if a.about[k] = append(a.about[k], i); len(a.about[k]) > 1 {
				a.repeats++
			}
		}
		for _, n := range m.Marks {
			if m.taken() {
				a.told[key{n, m.To}] = true
			}
		}
	}
	return a
}

func (a *audit) complain(k Kind, format string, args ...any) {
	a.found = append(a.found, Complaint{k, fmt.Sprintf(format, args...)})
}

// concerns says whether a post is for a reader.
func (p post) concerns(address string) bool { return !p.without[address] }

// content looks at each mail alone.
func (a *audit) content() {
	for i, m := range a.mails {
		if _, ok := a.readers[m.To]; !ok {
			a.complain(Uninvited, "mail %d went to %s, who is nobody's reader", i, m.To)
			continue
		}
		if len(m.Missing)+len(m.Foreign) > 0 {
			a.complain(Leaked, "mail %d to %s lacks %q of its own and holds %q of others", i, m.To, m.Missing, m.Foreign)
		}
		if m.Wrong != "" {
			a.complain(Leaked, "mail %d to %s: %s", i, m.To, m.Wrong)
		}
		if len(m.Marks) == 0 {
			a.complain(Unfounded, "mail %d to %s is of no post", i, m.To)
			continue
		}
		for _, n := range m.Marks {
			switch p := a.posts[n]; {
			case p.fate == refused:
				a.complain(Unfounded, "mail %d to %s tells of %s, which was refused", i, m.To, p.mark)
			case n == m.newest() && !p.concerns(m.To):
				a.complain(Uninvited, "mail %d went to %s, whom %s does not concern", i, m.To, p.mark)
			}
		}
	}
}

// copies looks at what a reader got more than once.
func (a *audit) copies() {
	owner := map[string]key{}
	for i, m := range a.mails {
		k := key{m.newest(), m.To}
		if k.post < 0 {
			continue
		}
		if first, ok := owner[m.ID]; !ok && m.ID != "" {
			owner[m.ID] = k
		} else if first != k || m.ID == "" {
			a.complain(Renamed, "mail %d to %s of %s has the Message-ID %q of another", i, m.To, a.posts[k.post].mark, m.ID)
		}
		if earlier := a.about[k]; len(earlier) > 0 && a.mails[earlier[0]].ID != m.ID {
			a.complain(Renamed, "mail %d to %s of %s has the Message-ID %q; it was %q before", i, m.To, a.posts[k.post].mark, m.ID, a.mails[earlier[0]].ID)
		}
	}
	for k, places := range a.about {
		for _, i := range places[:len(places)-1] {
			// What stands before another mail on its connection was written into
			// the ack journal before that one's final dot (I2).
			if m := a.mails[i]; !a.faults.Anywhere && m.taken() && m.Nth != a.last[m.Connection] {
				a.complain(Repeated, "%s was told of %s again, though mail %d was acknowledged and another followed on its connection", k.to, a.posts[k.post].mark, i)
			}
		}
	}
	if most := a.faults.Doubts + a.unanswered; a.repeats > most {
		a.complain(Repeated, "%d repeats; the faults explain %d", a.repeats, most)
	}
}

// order looks at what each reader heard of each incident, one after the other.
func (a *audit) order() {
	type line struct{ incident, to string }
	newest := map[line]int{}
	for i, m := range a.mails {
		n := m.newest()
		if n < 0 || m.Answer != "" && !m.taken() {
			continue
		}
		at := line{a.posts[n].incident, m.To}
		if before, ok := newest[at]; ok && before > n {
			a.complain(Reversed, "mail %d told %s of %s after %s", i, m.To, a.posts[n].mark, a.posts[before].mark)
		}
		newest[at] = max(newest[at], n)
	}
}

// completeness asks for every post whether everyone heard of it.
func (a *audit) completeness() {
	if a.faults.Unfinished {
		return
	}
	for n, p := range a.posts {
		if p.fate == refused {
			continue
		}
		var not []string
		told := 0
		for to := range a.readers {
			switch {
			case a.told[key{n, to}]:
				told++
			case p.concerns(to) && !a.turned[to]:
				not = append(not, to)
			}
		}
		slices.Sort(not)
		some := strings.Join(not[:min(len(not), 5)], " ")
		switch {
		case len(not) == 0 || p.fate == unanswered && told == 0:
		case p.fate == unanswered:
			a.complain(Half, "%s had no answer; %d heard of it and %d did not: %s", p.mark, told, len(not), some)
		default:
			a.complain(Lost, "%d were not told of %s: %s", len(not), p.mark, some)
		}
	}
}

// counts compares the counts of each event with the ledger.
func (a *audit) counts() {
	for n, p := range a.posts {
		if p.fate != accepted || p.event == "" {
			continue
		}
		got, err := a.faults.Counts(p.event)
		if err != nil {
			a.complain(Miscounted, "%s: %v", p.mark, err)
			continue
		}
		// In doubt is what may count as sent or as replaced by a newer post that
		// told of it too: the relay's answer was not read.
		var sent, doubt, concerned, turned int64
		for to := range a.readers {
			if !p.concerns(to) {
				continue
			}
			concerned++
			if a.turned[to] {
				turned++
			}
			copies := a.about[key{n, to}]
			if !slices.ContainsFunc(copies, func(i int) bool { return a.mails[i].taken() }) {
				continue
			}
			sent++
			if last := a.mails[copies[len(copies)-1]]; last.Nth == a.last[last.Connection] && a.newer(n, to) {
				doubt++
			}
		}
		var total int64
		for _, c := range got {
			total += c
		}
		if s := got["sent"] + got["bounced"]; s > sent || s < sent-doubt {
			a.complain(Miscounted, "%s: %d sent by the counts, %d by the ledger (%d in doubt)", p.mark, s, sent, doubt)
		}
		if total > concerned || total < concerned-turned {
			a.complain(Miscounted, "%s: %d deliveries by the counts for %d readers", p.mark, total, concerned)
		}
		if waits := got["pending"] + got["sending"] + got["held"]; waits > 0 && !a.faults.Unfinished {
			a.complain(Miscounted, "%s: %d wait by the counts", p.mark, waits)
		}
	}
}

// newer reports whether a reader also has a mail of a newer post that tells of post n.
func (a *audit) newer(n int, to string) bool {
	for later := n + 1; later < len(a.posts); later++ {
		if a.posts[later].incident == a.posts[n].incident && len(a.about[key{later, to}]) > 0 {
			return true
		}
	}
	return false
}
