package subscribers

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// In no stretch of time does a budget give out more than its burst and what
// grew back meanwhile; and what it refuses it gives at the time that it says.
func TestABudgetIsNeverOverdrawn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{Every: time.Duration(rapid.IntRange(1, 3600).Draw(t, "every")) * time.Second, Burst: rapid.IntRange(1, 8).Draw(t, "burst")}
		now := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
		var whole time.Time
		var taken []time.Time
		for range rapid.IntRange(1, 60).Draw(t, "tries") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2*int(b.Every/time.Second)).Draw(t, "pass")) * time.Second / 2)
			at, ok := b.Take(whole, now)
			if !ok {
				if !at.After(now) {
					t.Fatalf("refused until %s at %s", at, now)
				}
				if _, ok := b.Take(whole, at.Add(-time.Microsecond)); ok {
					t.Fatal("it would have given earlier than it said")
				}
				if _, ok := b.Take(whole, at); !ok {
					t.Fatal("it does not give when it said")
				}
				continue
			}
			whole, taken = at, append(taken, now)
		}
		for i := range taken {
			for j := i; j < len(taken); j++ {
				if n, most := j-i+1, b.Burst+int(taken[j].Sub(taken[i])/b.Every); n > most {
					t.Fatalf("%d in %s of %+v", n, taken[j].Sub(taken[i]), b)
				}
			}
		}
	})
}

func TestTheSpellingsOfOneMailboxShareABudget(t *testing.T) {
	for address, want := range map[string]string{
		"Ann@Example.com": "ann@example.com", "ann+news@example.com": "ann@example.com", "a.n.n+1+2@gmail.com": "ann@gmail.com",
		"a.nn@googlemail.com": "ann@gmail.com", "a.nn@example.com": "a.nn@example.com", "+x@example.com": "+x@example.com",
	} {
		if got := CanonicalAddress(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestWhoDidTheWorkHasBudgetsBeside(t *testing.T) {
	x := SignUp{Subscriber: Subscriber{Address: "ann@example.com"}, Network: netip.MustParsePrefix("192.0.2.0/24")}
	plain := x.Purses()
	x.Solved = true
	solved := x.Purses()
	if len(plain) != 4 || len(solved) != 4 {
		t.Fatalf("%v %v", plain, solved)
	}
	for i := range plain {
		if !slices.Equal(plain[i], solved[i][:1]) {
			t.Errorf("%v is not the first of %v", plain[i], solved[i])
		}
		for _, p := range solved[i] {
			if _, ok := SignUpLimits()[p.Scope]; !ok {
				t.Errorf("%s has no limit", p.Scope)
			}
		}
	}
	x.Network = netip.Prefix{}
	if len(x.Purses()) != 3 {
		t.Errorf("an unknown network has a budget: %v", x.Purses())
	}
}

func TestALostLinkIsPaidForAsASignUpIsAndFromPursesOfItsOwn(t *testing.T) {
	up := SignUp{Subscriber: Subscriber{Address: "ann@example.com"}, Network: netip.MustParsePrefix("192.0.2.0/24"), Solved: true}
	lost := Lost{Address: up.Address, Network: up.Network, Solved: true}
	same := up.Purses()[1:] // the address's own is kept elsewhere
	for i, purses := range lost.Purses() {
		for k, p := range purses {
			if p.Scope != same[i][k].Scope || p.Key == same[i][k].Key {
				t.Errorf("%v beside %v", p, same[i][k])
			}
		}
	}
	if len(lost.Purses()) != len(same) {
		t.Errorf("%v", lost.Purses())
	}
}

func TestANetworkIsWhatIsLeftOfAnAddress(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.77": "192.0.2.0/24", "::ffff:192.0.2.77": "192.0.2.0/24", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Truncate(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s: %s", address, got)
		}
	}
	if Truncate(netip.Addr{}).IsValid() {
		t.Error("nowhere is a network")
	}
}
