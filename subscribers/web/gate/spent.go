package gate

import (
	"sync"
	"time"
)

// mostSpent bounds the memory of spent challenges (some 10 MB). It is what the
// pages take of them in the life of one, so that none is forgotten in time to
// be used again.
const mostSpent = 90_000

// spent are the challenges that were used and are not too old yet. Without it
// one answer, sent over and over, would use up what there is for all who work.
// It is this process's; another takes each challenge once more.
type spent struct {
	mu    sync.Mutex
	known map[string]struct{}
	order []use // the oldest first
}

type use struct {
	sum   string
	until time.Time
}

// Spend uses a challenge that Check found answered, if take has room for it.
// fresh is false, and take is not asked, where it was used before.
func (g *Gate) Spend(token string, now time.Time, take func() bool) (fresh, took bool) {
	s := g.spent
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.order) > 0 && (len(s.order) >= mostSpent || now.After(s.order[0].until)) {
		delete(s.known, s.order[0].sum)
		s.order = s.order[1:]
	}
	sum := string(g.sum(kindSpent, nil, token)[:macSize]) // a part of token would keep the whole request
	if _, used := s.known[sum]; used {
		return false, false
	}
	if !take() {
		return true, false
	}
	s.known[sum] = struct{}{}
	s.order = append(s.order, use{sum, now.Add(ChallengeLife)})
	return true, true
}
