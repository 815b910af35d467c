package webhook

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"allclear/notifier"
)

// The first look sees a public server, every later one this machine: the
// connection is refused, at every try.
func TestARebindingNameIsCaughtAtTheConnection(t *testing.T) {
	s := newSink(t, true, nil)
	local, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	names := &resolver{answers: map[string][]string{"rebind.test": {public4, local}}}
	r := newRig(t, func(c *setup) {
		c.roots = s.Server
		c.guard = GuardOptions{Resolver: names, Own: nobody}
	})
	url := "https://rebind.test:" + port + "/"
	r.endpoint(3, url)
	if v := r.o.Guard.Check(t.Context(), "https://rebind.test/"); !v.Allowed {
		t.Fatalf("%+v", v)
	}
	for range 3 {
		se := r.fails(3)
		if se.Permanent || se.Fault != notifier.FaultRecipient || se.Stage != stageDial || strings.Contains(se.Receipt.Reply, "127.0.0.1") {
			t.Errorf("%+v", se)
		}
	}
	if len(s.heard()) != 0 || r.seats.taken() != 0 {
		t.Error("it was called, or keeps a seat")
	}
}

// And should a resolver say one thing and the dialer do another, there is the
// socket's own address.
func TestTheSocketItselfIsLookedAt(t *testing.T) {
	s := newSink(t, false, nil)
	g := NewGuard(GuardOptions{Own: nobody})
	d := net.Dialer{Control: g.control(mustTarget(t, "https://ok.test/"))}
	conn, err := d.Dial("tcp", s.Listener.Addr().String())
	var refused *Refused
	if !errors.As(err, &refused) {
		t.Errorf("%v, %v", conn, err)
	}
}

func TestAnAlternatingNameIsCalledOnlyWhileItIsPublic(t *testing.T) {
	s := newSink(t, true, nil)
	names := &resolver{answers: map[string][]string{"example.com": {public4, "169.254.169.254", public4, "10.0.0.1", public6, "::1"}}}
	r := newRig(t, func(c *setup) {
		c.roots = s.Server
		c.guard.Resolver, c.guard.Own = names, nobody
	})
	here := s.Listener.Addr().String()
	r.wire.to = map[string]string{public4 + ":443": here, "[" + public6 + "]:443": here}
	r.endpoint(3, "https://example.com/")
	for i := range 6 {
		_, _, err := r.send(3)
		if (err == nil) != (i%2 == 0) {
			t.Errorf("post %d: %v", i, err)
		}
		r.lines.close() // a connection that is there already leads to where it led
		r.lines.closed = false
	}
	if n := len(s.heard()); n != 3 {
		t.Errorf("%d posts", n)
	}
	for _, a := range r.wire.called() {
		if !strings.HasPrefix(a, public4) && !strings.HasPrefix(a, "["+public6) {
			t.Errorf("called %s", a)
		}
	}
}

func TestAnAddressThatDoesNotAnswerLeavesTheOthersTheirTurn(t *testing.T) {
	s := newSink(t, true, nil)
	names := &resolver{answers: map[string][]string{"example.com": {public6 + "," + public4}}}
	r := newRig(t, func(c *setup) {
		c.roots = s.Server
		c.guard.Resolver, c.guard.Own = names, nobody
	})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	r.wire.to = map[string]string{"[" + public6 + "]:443": closed.Addr().String(), public4 + ":443": s.Listener.Addr().String()}
	r.endpoint(3, "https://example.com/")
	if _, _, err := r.send(3); err != nil {
		t.Error(err)
	}
}

func TestBothFamiliesTakeTurnsAndFourAddressesAreTriedAtMost(t *testing.T) {
	parse := func(list string) (out []netip.Addr) {
		for _, a := range strings.Fields(list) {
			out = append(out, netip.MustParseAddr(a))
		}
		return out
	}
	for in, want := range map[string]string{
		"::1 ::2 ::3 ::4 ::5 1.1.1.1":     "::1 1.1.1.1 ::2 ::3",
		"1.1.1.1 1.1.1.2 ::1":             "1.1.1.1 ::1 1.1.1.2",
		"1.1.1.1":                         "1.1.1.1",
		"1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4": "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4",
	} {
		got, want := alternate(parse(in)), parse(want)
		if len(got) != len(want) {
			t.Fatalf("%s: %v", in, got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %v", in, got)
			}
		}
	}
}
