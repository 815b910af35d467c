package webhook

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"code.dny.dev/ssrf"
	"pgregory.net/rapid"
)

// resolver answers by script: each name has a list of answers, and the last one
// is given over and over.
type resolver struct {
	mu      sync.Mutex
	answers map[string][]string // addresses by comma, or the name of an error
	asked   []string
}

func (r *resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, host)
	script := r.answers[host]
	if len(script) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(script) > 1 {
		r.answers[host] = script[1:]
	}
	switch script[0] {
	case "servfail":
		return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
	case "timeout":
		return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}
	case "nothing":
		return nil, nil
	}
	var out []netip.Addr
	for _, a := range strings.Split(script[0], ",") {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

const public4, public6 = "93.184.216.34", "2606:2800:220:1::1"

// What is at none of these is ever called.
var forbidden = []string{
	"127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "0.1.2.3",
	"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255",
	"100.64.0.1", "100.127.255.254", "100.100.100.200",
	"169.254.169.254", "169.254.170.2", "169.254.0.1", "168.63.129.16",
	"192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
	"192.31.196.1", "192.52.193.1", "192.175.48.1",
	"224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
	"::", "::1", "::127.0.0.1", "::2", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
	"64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::5db8:d822", "64:ff9b:1::7f00:1", "64:ff9b:1:ffff::1",
	"2002:7f00:1::", "2002:a00:1::1", "2002:5db8:d822::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:20::1", "2001:db8::1",
	"100::1", "3fff::1", "5f00::1", "4000::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "febf::1", "fec0::1", "feff::1", "ff02::1", "ff0e::1",
	"2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1",
}

func TestAddressesThatAreNoPublicServersAreRefused(t *testing.T) {
	for _, a := range forbidden {
		names := &resolver{answers: map[string][]string{"evil.test": {a}}}
		g := NewGuard(GuardOptions{Resolver: names, Own: nobody})
		if v := g.Check(t.Context(), "https://evil.test/"); v.Allowed {
			t.Errorf("a name that leads to %s is allowed", a)
		} else if !strings.Contains(v.Why, "ALLCLEAR_WEBHOOK_ALLOW") || strings.Contains(v.Said, netip.MustParseAddr(a).Unmap().String()) {
			t.Errorf("%s: staff are told %q, and its owner %q", a, v.Why, v.Said)
		}
		ip := netip.MustParseAddr(a)
		literal := "https://" + a + "/"
		if ip.Is6() {
			literal = "https://[" + a + "]/"
		}
		if v := g.Check(t.Context(), literal); v.Allowed {
			t.Errorf("%s is allowed", literal)
		}
		// The last look, when the socket is there already.
		for _, port := range []string{"443", "80", "8443"} {
			address := net.JoinHostPort(a, port)
			if err := g.control(mustTarget(t, "https://evil.test/"))("tcp", address, nil); err == nil {
				t.Errorf("a connection to %s is let through", address)
			}
		}
	}
}

func nobody(netip.Addr) bool { return false }

func mustTarget(t testing.TB, raw string) *target {
	t.Helper()
	got, err := parseTarget(raw)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPublicServersAreAllowedByHttpsOnKnownPortsOnly(t *testing.T) {
	names := &resolver{answers: map[string][]string{"ok.test": {public4 + "," + public6}}}
	g := NewGuard(GuardOptions{Resolver: names, Own: nobody})
	for raw, want := range map[string]bool{
		"https://ok.test/":                   true,
		"https://ok.test:443/":               true,
		"https://ok.test:8443/":              true,
		"https://ok.test:80/":                true,
		"https://ok.test./":                  true,
		"https://" + public4 + "/":           true,
		"https://[" + public6 + "]:8443/":    true,
		"http://ok.test/":                    false,
		"http://ok.test:443/":                false,
		"https://ok.test:22/":                false,
		"https://ok.test:6379/":              false,
		"https://ok.test:9200/":              false,
		"https://ok.test:8080/":              false,
		"https://nowhere.test/":              false,
		"https://user@ok.test/":              false,
		"https://ok.test/?next=//127.0.0.1/": true,
	} {
		v := g.Check(t.Context(), raw)
		if v.Allowed != want {
			t.Errorf("%s: %+v", raw, v)
		}
		if v.Why == "" || v.Allowed != (v.Said == "") {
			t.Errorf("%s: says %q and %q", raw, v.Why, v.Said)
		}
	}
}

func TestOneForbiddenAddressRefusesAName(t *testing.T) {
	for _, both := range []string{public4 + ",127.0.0.1", "::1," + public4, public6 + ",10.0.0.1"} {
		names := &resolver{answers: map[string][]string{"two.test": {both}}}
		v := NewGuard(GuardOptions{Resolver: names, Own: nobody}).Check(t.Context(), "https://two.test/")
		if v.Allowed || len(v.Addresses) != 2 {
			t.Errorf("%s: %+v", both, v)
		}
	}
}

func TestCheckNeverConnects(t *testing.T) {
	names := &resolver{answers: map[string][]string{"ok.test": {public4}}}
	g := NewGuard(GuardOptions{Resolver: names, Own: nobody, Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("connected")
		return nil, errors.New("no")
	}})
	if v := g.Check(t.Context(), "https://ok.test/"); !v.Allowed || len(names.asked) != 1 {
		t.Errorf("%+v after %v", v, names.asked)
	}
}

func TestWhatStaffOpenIsCalledByHttpAndOnEveryPortToo(t *testing.T) {
	names := &resolver{answers: map[string][]string{"localhost": {"127.0.0.1"}, "hook.internal": {"10.1.2.3"}, "six.internal": {"fd00:1::7"}}}
	g := NewGuard(GuardOptions{Resolver: names, Own: nobody, Allow: prefixes("127.0.0.0/8, 10.1.0.0/16 fd00:1::7,64:ff9b::/96,192.168.1.1")})
	for raw, want := range map[string]bool{
		"http://localhost:9000/":         true,
		"http://127.0.0.1:1/":            true,
		"https://hook.internal/":         true,
		"http://hook.internal:8080/":     true,
		"http://10.2.0.1/":               false,
		"http://[fd00:1::7]:5000/":       true,
		"http://six.internal/":           true,
		"http://[fd00:1::8]/":            false,
		"http://192.168.1.1/":            true,
		"http://192.168.1.2/":            false,
		"http://[::1]/":                  false,
		"http://[::ffff:127.0.0.1]/":     false,
		"http://169.254.169.254/":        false,
		"https://[64:ff9b::5db8:d822]/":  true,  // a public server behind the opened NAT64
		"https://[64:ff9b::a9fe:a9fe]/":  false, // the metadata behind it
		"https://[64:ff9b::c0a8:101]/":   true,  // 192.168.1.1, which is open itself
		"https://[64:ff9b:1::c0a8:101]/": false,
	} {
		if v := g.Check(t.Context(), raw); v.Allowed != want {
			t.Errorf("%s: %+v", raw, v)
		}
	}
}

func TestAllowIsAListOfPrefixes(t *testing.T) {
	got, err := ParseAllow(" 10.1.2.3/16,fd00::/8\n192.168.0.1 , 2001:db8::1")
	want := prefixes("10.1.0.0/16 fd00::/8 192.168.0.1/32 2001:db8::1/128")
	if err != nil || len(got) != 4 {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s, want %s", got[i], want[i])
		}
	}
	for _, bad := range []string{"10.1.0.0/33", "example.com", "10.1", "fe80::1%eth0", "::ffff:10.0.0.0/104", "10.0.0.0/8;11.0.0.0/8"} {
		if got, err := ParseAllow(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
	if got, err := ParseAllow(" , "); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestThisMachineAndThisServiceAreNotCalled(t *testing.T) {
	own := func(ip netip.Addr) bool { return ip.String() == public4 || ip.String() == public6 }
	names := &resolver{answers: map[string][]string{"me.test": {public4}, "me6.test": {public6}, "near.test": {"93.184.216.35"}, "status.test": {"93.184.216.35"}}}
	g := NewGuard(GuardOptions{Resolver: names, Own: own, Names: []string{"Status.test."}})
	for raw, want := range map[string]bool{
		"https://me.test/": false, "https://me6.test/": false, "https://" + public4 + "/": false,
		"https://near.test/": true, "https://status.test/": false, "https://STATUS.test./": false,
	} {
		if v := g.Check(t.Context(), raw); v.Allowed != want {
			t.Errorf("%s: %+v", raw, v)
		}
	}
}

func TestTheSystemKnowsTheAddressesOfThisMachine(t *testing.T) {
	if !ownAddress(netip.MustParseAddr("127.0.0.1")) {
		t.Error("loopback is not ours")
	}
	for _, a := range []string{"127.3.2.1", "192.0.2.1", "2001:db8::1"} {
		if ownAddress(netip.MustParseAddr(a)) {
			t.Errorf("%s is ours", a)
		}
	}
	got, ok := addressOf(&net.UDPAddr{IP: net.ParseIP("::ffff:10.0.0.1")})
	if !ok || got != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("%s", got)
	}
}

// Whatever the library of others refuses is refused here, and special addresses
// are never called, drawn from all over.
func TestNothingThatTheLibraryRefusesIsLetThrough(t *testing.T) {
	g := NewGuard(GuardOptions{Own: nobody})
	library := ssrf.New(ssrf.WithPorts(Ports...))
	target := mustTarget(t, "https://any.test/")
	rapid.Check(t, func(t *rapid.T) {
		var ip netip.Addr
		if rapid.Bool().Draw(t, "four") {
			ip = netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "bytes")))
		} else {
			ip = netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")))
			if rapid.Bool().Draw(t, "near a special one") {
				base := rapid.SampledFrom(spans).Draw(t, "span").prefix.Addr().As16()
				b := ip.As16()
				copy(b[:6], base[:6])
				ip = netip.AddrFrom16(b)
			}
		}
		err := g.judge(target, netip.AddrPortFrom(ip, 443))
		if library.SafeAddr(ip.Unmap()) != nil && err == nil {
			t.Fatalf("%s is let through", ip)
		}
		if err == nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified()) {
			t.Fatalf("%s is let through", ip)
		}
	})
}

func FuzzCheck(f *testing.F) {
	for _, raw := range tricks {
		f.Add(raw, "127.0.0.1")
	}
	for _, a := range forbidden {
		f.Add("https://evil.test/", a)
	}
	f.Add("https://ok.test/", public4)
	f.Fuzz(func(t *testing.T, raw, address string) {
		ip, err := netip.ParseAddr(address)
		if err != nil {
			return
		}
		g := NewGuard(GuardOptions{Own: nobody, Resolver: always{ip}})
		v := g.Check(t.Context(), raw)
		if v.Allowed {
			for _, a := range v.Addresses {
				if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || !a.IsGlobalUnicast() {
					t.Fatalf("%q leads to %s", raw, a)
				}
			}
		}
		if v.Allowed != (v.Said == "") || v.Why == "" {
			t.Fatalf("%q: %+v", raw, v)
		}
	})
}

type always struct{ ip netip.Addr }

func (a always) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{a.ip}, nil
}
