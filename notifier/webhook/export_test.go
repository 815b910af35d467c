package webhook

// taken is how many seats are taken, of endpoints and of hosts.
func (s *seats) taken() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.endpoints {
		n += e.taken
	}
	for _, h := range s.hosts {
		n += h.taken + len(h.waiting)
	}
	return n + s.doubting
}

// remembered is how much is kept in memory.
func (s *seats) remembered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.endpoints) + len(s.hosts)
}
