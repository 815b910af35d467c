package ledgertest

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"allclear/notifier/email/emailtest"
)

// patience is how long a test waits for what should come by itself.
const patience = time.Minute

// Reader is one who is to be told.
type Reader struct {
	Address string
	// Words stand in each of this reader's mails and in nobody else's: the local
	// part of the address, the token of the link to leave. A word is made of
	// A-Z a-z 0-9 _ - and stands between other characters.
	Words []string
}

// Mail is one message whose content came to its end.
type Mail struct {
	Connection int // counted from 1
	Nth        int // on its connection, from 1
	To         string
	ID         string   // Message-ID
	Marks      []int    // posts it tells of, by number, the newest last
	Missing    []string // the reader's own words that it lacks
	Foreign    []string // words of other readers
	Wrong      string   // what Inspect found
	At         time.Time
	// Answer is the reply to the final dot; "" where none was given, so that
	// the program cannot know whether the mail was taken.
	Answer string
}

// taken reports whether the relay answered for the mail.
func (m Mail) taken() bool { return len(m.Answer) > 0 && m.Answer[0] == '2' }

// newest is the post that the mail is about; -1 where it tells of none.
func (m Mail) newest() int {
	if len(m.Marks) == 0 {
		return -1
	}
	return m.Marks[len(m.Marks)-1]
}

// fate is what is known of a post.
type fate int

const (
	unanswered fate = iota // all of it or nothing
	accepted
	refused
)

// post is something that was said to the API, or is about to be.
type post struct {
	mark, incident string
	fate           fate
	event          string
	without        map[string]bool // readers whom it does not concern
}

// Ledger is the relay and what it wrote down. It lives in the test's process
// and only grows, so it outlives every program that is killed.
type Ledger struct {
	Addr string
	t    testing.TB
	l    net.Listener

	mu      sync.RWMutex
	more    *sync.Cond // a mail was written down
	script  func(Mail) string
	answer  emailtest.Answer
	inspect func(to string, content []byte) string
	readers map[string]Reader
	words   map[string]string // word -> address
	marks   map[string]int    // word -> post
	lengths [longest + 1]bool // of all words
	posts   []post
	mails   []Mail
	turned  map[string]bool // readers whom the relay refused for good
	conns   map[net.Conn]bool
	dialled int
	ended   bool
	running sync.WaitGroup // who takes connections, and every conversation
}

// Open starts a ledger for readers on a free port of 127.0.0.1. It ends with the
// test, and waits for its scripts: what they wait for must have ended by then.
func Open(t testing.TB, readers []Reader) *Ledger {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	l := &Ledger{
		Addr: listener.Addr().String(), t: t, l: listener,
		readers: map[string]Reader{}, words: map[string]string{}, marks: map[string]int{}, turned: map[string]bool{}, conns: map[net.Conn]bool{},
	}
	l.more = sync.NewCond(&l.mu)
	for _, r := range readers {
		l.readers[r.Address] = r
		for _, w := range r.Words {
			if other, ok := l.words[w]; ok {
				t.Fatalf("%s and %s share the word %q", other, r.Address, w)
			}
			l.words[w] = r.Address
			l.lengths[len(w)] = true
		}
	}
	l.running.Go(l.accept)
	t.Cleanup(l.end)
	return l
}

// end cuts every connection and waits until nothing is left of them.
func (l *Ledger) end() {
	_ = l.l.Close()
	l.mu.Lock()
	l.ended = true
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
}

// URL is the ledger as the setting of a relay.
func (l *Ledger) URL() string { return "smtp://" + l.Addr + "?tls=off" }

// Before sets what is asked when a mail is written down and not yet answered.
// It may block. What it returns is the answer, in the words of
// emailtest.Answer; "" takes the mail. nil: every mail is taken at once.
func (l *Ledger) Before(script func(Mail) string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.script = script
}

// Commands sets the answers to commands (emailtest.Connected and those of
// clients; of emailtest.Dot the script of Before is asked first). A recipient
// who is refused with 5xx need not be told.
func (l *Ledger) Commands(answer emailtest.Answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = answer
}

// Inspect sets what else is asked of every mail, before it is answered for: look
// returns what is wrong with its content, "" for nothing. Several mails are
// looked at at once.
func (l *Ledger) Inspect(look func(to string, content []byte) string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inspect = look
}

// Says notes what is about to be posted: mark is a word of its text that no
// other post has. Posts of one incident are noted in the order in which they
// are made. without are readers whom it does not concern.
func (l *Ledger) Says(mark, incident string, without ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.marks[mark]; ok {
		l.t.Fatalf("%q marks two posts", mark)
	}
	p := post{mark: mark, incident: incident, without: map[string]bool{}}
	for _, w := range without {
		p.without[w] = true
	}
	l.marks[mark] = len(l.posts)
	l.lengths[len(mark)] = true
	l.posts = append(l.posts, p)
}

// Accepted notes that the API took the post with this mark; event is its
// event's id, for the counts.
func (l *Ledger) Accepted(mark, event string) { l.fate(mark, accepted, event) }

// Refused notes that the API did not take it: nothing of it may be seen.
func (l *Ledger) Refused(mark string) { l.fate(mark, refused, "") }

func (l *Ledger) fate(mark string, f fate, event string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.marks[mark]
	if !ok {
		l.t.Fatalf("no post has the mark %q", mark)
	}
	l.posts[n].fate, l.posts[n].event = f, event
}

// Count is how many mails were written down.
func (l *Ledger) Count() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.mails)
}

// Mails is everything that was written down, in order.
func (l *Ledger) Mails() []Mail {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.mails)
}

// Wait waits until n mails were written down.
func (l *Ledger) Wait(n int) {
	l.t.Helper()
	l.until(fmt.Sprintf("%d mails", n), func() bool { return len(l.mails) >= n })
}

// First waits for the first mail that tells of the post with this mark.
func (l *Ledger) First(mark string) (first Mail) {
	l.t.Helper()
	looked := 0
	l.until("a mail of "+mark, func() bool {
		for ; looked < len(l.mails); looked++ {
			if n, ok := l.marks[mark]; ok && slices.Contains(l.mails[looked].Marks, n) {
				first = l.mails[looked]
				return true
			}
		}
		return false
	})
	return first
}

// until waits for what holds behind one of the next mails; holds is asked under the lock.
func (l *Ledger) until(what string, holds func() bool) {
	l.t.Helper()
	deadline := time.Now().Add(patience)
	late := time.AfterFunc(patience, l.more.Broadcast)
	defer late.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for !holds() {
		if !time.Now().Before(deadline) {
			l.t.Fatalf("no %s within %s; there are %d mails", what, patience, len(l.mails))
		}
		l.more.Wait()
	}
}
