package mailbox

import (
	"strings"
	"sync"
	"time"
)

// Mail is one mail as it was taken. It is never changed.
type Mail struct {
	Number int64 // 1 for the first since the start
	At     time.Time
	From   string   // envelope sender
	To     []string // envelope recipients
	Data   []byte   // header and body, as received
}

// kept is a mail with what was found out about it when somebody looked.
type kept struct {
	Mail
	once       sync.Once
	signatures []Signature
}

// store keeps the newest mails in a ring.
type store struct {
	maxMails int
	maxBytes int64

	mu    sync.Mutex
	ring  []*kept // grows up to maxMails
	first int     // of the oldest
	held  int
	bytes int64
	total int64
	grow  chan struct{} // closed and replaced when a mail comes and somebody waits
	asked bool

	busy  int // mails that are being transferred
	quiet chan struct{}
}

func newStore(maxMails int, maxBytes int64) *store {
	return &store{maxMails: maxMails, maxBytes: maxBytes, grow: make(chan struct{})}
}

// add keeps m and gives it its number.
func (s *store) add(m Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total++
	m.Number = s.total
	s.bytes += int64(len(m.Data))
	for s.held > 0 && (s.held == s.maxMails || s.bytes > s.maxBytes) {
		s.bytes -= int64(len(s.ring[s.first].Data))
		s.ring[s.first] = nil
		s.first = (s.first + 1) % len(s.ring)
		s.held--
	}
	if s.held == len(s.ring) {
		// Full, but allowed to grow: unroll into a larger ring.
		larger := make([]*kept, min(max(64, 2*len(s.ring)), s.maxMails))
		for i := range s.held {
			larger[i] = s.ring[(s.first+i)%len(s.ring)]
		}
		s.ring, s.first = larger, 0
	}
	s.ring[(s.first+s.held)%len(s.ring)] = &kept{Mail: m}
	s.held++
	if s.asked {
		close(s.grow)
		s.grow, s.asked = make(chan struct{}), false
	}
}

// begin and end frame the transfer of one mail.
func (s *store) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy++
}

func (s *store) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	if s.busy == 0 && s.quiet != nil {
		close(s.quiet)
		s.quiet = nil
	}
}

// whenQuiet is closed once nothing is being transferred.
func (s *store) whenQuiet() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if s.quiet == nil {
		s.quiet = make(chan struct{})
	}
	return s.quiet
}

func (s *store) count() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func (s *store) grown() (<-chan struct{}, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = true
	return s.grow, s.total
}

func (s *store) snapshot() []*Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*Mail, s.held)
	for i := range out {
		out[i] = &s.ring[(s.first+i)%len(s.ring)].Mail
	}
	return out
}

// get finds a mail by its number; nil where it is not kept (any more).
func (s *store) get(number int64) *kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.total - int64(s.held) + 1
	if number < oldest || number > s.total {
		return nil
	}
	return s.ring[(s.first+int(number-oldest))%len(s.ring)]
}

// page returns up to limit mails below number before (0: from the newest), newest
// first, whose recipients hold part; how many do, how many are held in all, and
// whether the page has older and newer neighbours.
func (s *store) page(before int64, limit int, part string) (mails []*kept, matching, held int, older, newer bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	part = strings.ToLower(part)
	for i := s.held - 1; i >= 0; i-- {
		m := s.ring[(s.first+i)%len(s.ring)]
		if part != "" && !m.meant(part) {
			continue
		}
		matching++
		switch {
		case before > 0 && m.Number >= before:
			newer = true
		case len(mails) < limit:
			mails = append(mails, m)
		default:
			older = true
		}
	}
	return mails, matching, s.held, older, newer
}

// meant reports whether part, in lower case, occurs in a recipient's address.
func (m *Mail) meant(part string) bool {
	for _, to := range m.To {
		if strings.Contains(strings.ToLower(to), part) {
			return true
		}
	}
	return false
}
