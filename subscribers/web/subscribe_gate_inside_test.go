package web

import (
	"testing"
	"time"

	"allclear/subscribers/web/gate"
)

func TestTheWorkGrowsStepByStepWithThoseWhoDidItAndShrinksBehindThem(t *testing.T) {
	now := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	s := &site{worked: meter{Budget: workedRate}}
	last := s.hardness(now)
	if last != easyWork {
		t.Errorf("it begins with %d bits", last)
	}
	for s.worked.take(now) {
		got := s.hardness(now)
		if got < last || got > last+1 {
			t.Fatalf("from %d to %d bits", last, got)
		}
		last = got
	}
	if last != gate.MostBits {
		t.Errorf("with nothing left it is %d bits", last)
	}
	if got := s.hardness(now.Add(time.Duration(workedRate.Burst) * workedRate.Every)); got != easyWork {
		t.Errorf("behind the rush it is %d bits", got)
	}
}
