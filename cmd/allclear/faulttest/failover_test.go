package faulttest

import (
	"strings"
	"testing"
	"time"

	"allclear/store/storetest"
)

// resumedWithin is the promise for a failover: so long after the kill of the
// primary the first mail of what was posted behind it has come.
const resumedWithin = 30 * time.Second

func TestAStandbyThatIsPromotedMidSendGoesOnAndTheOldPrimaryComesBackInVain(t *testing.T) {
	t.Parallel()
	const n = 3000
	pair := storetest.NewPair(t)
	s := newSite(t, pair.DSN(), n)
	reached, promoted := s.heldFrom(n/3, 2*n/3)
	s.serve()
	s.worker()
	i := s.open()
	wait(t, reached)

	pair.A.Kill()
	killed := time.Now()
	before := s.ledger.Count()
	pair.B.Promote()
	t.Logf("killed at %d mails of %d, promoted %s later", before, n, time.Since(killed).Round(time.Millisecond))
	promoted()
	// What was claimed before the kill may go out without a database; what is
	// posted now cannot.
	s.insist("/incidents/"+i.id+"/updates", i.name, object{"status": "identified"})
	accepted := time.Since(killed)
	sent := s.ledger.First(s.marks[len(s.marks)-1]).At.Sub(killed)
	t.Logf("behind the kill, an update was accepted after %s and its first mail came after %s", accepted.Round(time.Millisecond), sent.Round(time.Millisecond))
	if sent > resumedWithin {
		t.Errorf("it took longer than %s", resumedWithin)
	}
	s.finish(3 * time.Minute)
	s.check()

	// The old primary takes writes again, and every connection is made anew: by
	// those who were there, by one who starts now, with the old primary first.
	pair.A.Start()
	pair.A.Exec(`ALTER SYSTEM RESET synchronous_standby_names`, `SELECT pg_reload_conf()`)
	history := fingerprint(t, pair.A)
	s.worker()
	i = s.open()
	cut := 0
	for range 5 {
		cut += severed(t, pair.B)
		<-time.After(200 * time.Millisecond)
	}
	if cut == 0 {
		t.Error("no connection was made anew: the test is blind")
	}
	s.insist("/incidents/"+i.id+"/updates", i.name, object{"status": "resolved"})
	s.finish(3 * time.Minute)
	s.check()
	if now := fingerprint(t, pair.A); now != history {
		t.Errorf("the old primary was written to:\n%s\n%s", history, now)
	}
}

// fingerprint stands for all that a server's database holds of events and deliveries.
func fingerprint(t *testing.T, s *storetest.Server) string {
	t.Helper()
	var out strings.Builder
	for _, q := range []string{
		`SELECT coalesce(md5(string_agg(d::text, ',' ORDER BY d.id)), '') FROM deliveries AS d`,
		`SELECT coalesce(md5(string_agg(c::text, ',' ORDER BY c.name)), '') FROM counters AS c`,
		`SELECT coalesce(md5(string_agg(e::text, ',' ORDER BY e.number)), '') FROM events AS e`,
		`SELECT (SELECT count(*) FROM audit) || '/' || (SELECT count(*) FROM tokens)`,
	} {
		var text string
		if err := storetest.SQL(t, s.DSN()).QueryRowContext(t.Context(), q).Scan(&text); err != nil {
			t.Fatal(err)
		}
		out.WriteString(text + " ")
	}
	return out.String()
}
