package storetest_test

import (
	"testing"
	"time"

	"allclear/store/storetest"
)

func TestAPromotedStandbyHasWhatWasCommittedAndTheOldPrimaryComesBackAsItWas(t *testing.T) {
	p := storetest.NewPair(t)
	s := storetest.At(t, p.DSN())()
	if err := s.Audit(t.Context(), "before", "", ""); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p.A.Kill()
	if err := s.Ping(t.Context()); err == nil {
		t.Error("a killed primary answers, or a standby is taken for one")
	}
	p.B.Promote()
	t.Logf("killed and promoted in %s", time.Since(began))
	var n int
	count := func(s *storetest.Server) int {
		if err := storetest.SQL(t, s.DSN()).QueryRowContext(t.Context(), `SELECT count(*) FROM audit`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := count(p.B); got != 1 {
		t.Errorf("the standby has %d rows of what was committed, want 1", got)
	}
	for deadline := time.Now().Add(time.Minute); ; { // connections of before are found out one by one
		err := s.Audit(t.Context(), "after", "", "")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("write behind the failover: %v", err)
		}
	}
	p.A.Start()
	if a, b := count(p.A), count(p.B); a != 1 || b != 2 {
		t.Errorf("the old primary has %d rows and the new one %d, want 1 and 2", a, b)
	}
}
