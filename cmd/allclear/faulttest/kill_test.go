package faulttest

import (
	"testing"
	"time"
)

func TestKilledAtRandomMomentsNobodyIsSkippedAndHardlyAnyoneToldTwice(t *testing.T) {
	onBoth(t, 400, func(t *testing.T, s *site) {
		random := dice(t)
		p := s.serve()
		for range rounds(t, 20) {
			i := s.open()
			if random.IntN(2) == 0 {
				s.update(i, "resolved")
			}
			<-time.After(time.Duration(random.Int64N(int64(time.Second))))
			s.killed(p)
			p = s.serve()
		}
		s.done()
		s.check()
	})
}
