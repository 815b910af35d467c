package webhook

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// Ports are those that are called beyond the addresses that were opened.
var Ports = []uint16{80, 443, 8443}

// Resolver finds the addresses of a name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// GuardOptions are what a Guard is made of; the zero value of each field has a meaning.
type GuardOptions struct {
	// Allow are the addresses that may be called whatever they are, and to which
	// http and every port are open too (ALLCLEAR_WEBHOOK_ALLOW); none.
	Allow []netip.Prefix
	// Names are the service's own names, which are not called unless they lead
	// to an address that Allow opens.
	Names []string
	// Own says whether an address is one of this machine's, which are not called
	// either; nil asks the system each time.
	Own func(netip.Addr) bool
	// Resolver is nil for the system's.
	Resolver Resolver
	// Dial makes a connection to an address that was looked at already; nil
	// means a net.Dialer that looks at it once more in its Control.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Guard decides which addresses are called. It looks at addresses, not at names,
// and at every connection anew: a name that meant a public server when it was
// registered may mean this machine by now (DNS rebinding).
type Guard struct {
	o        GuardOptions
	guardian *ssrf.Guardian
}

// NewGuard makes a Guard.
func NewGuard(o GuardOptions) *Guard {
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.Own == nil {
		o.Own = ownAddress
	}
	allow := make([]netip.Prefix, len(o.Allow))
	for i, p := range o.Allow {
		allow[i] = p.Masked()
	}
	o.Allow = allow
	return &Guard{o: o, guardian: ssrf.New(ssrf.WithPorts(Ports...), ssrf.WithNetworks("tcp4", "tcp6"))}
}

// ParseAllow reads a list of prefixes and single addresses, divided by commas or
// blanks, as ALLCLEAR_WEBHOOK_ALLOW holds it. Its error is one clear sentence.
func ParseAllow(list string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		p, err := netip.ParsePrefix(word)
		if err != nil {
			ip, err := netip.ParseAddr(word)
			if err != nil || ip.Zone() != "" {
				return nil, fmt.Errorf("%q is no stretch of addresses; write 10.1.0.0/16 or fd00:1::/64, several by comma", word)
			}
			p = netip.PrefixFrom(ip, ip.BitLen())
		}
		if p.Addr().Is4In6() {
			return nil, fmt.Errorf("%q is an IPv4 prefix in the clothes of an IPv6 one; write the IPv4 one", word)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// Refused is why a target is not called.
type Refused struct {
	Said string // for the endpoint's owner: nothing of what a name leads to here
	Why  string // for staff
}

func (e *Refused) Error() string { return e.Said }

// Verdict is what Check found.
type Verdict struct {
	Allowed   bool
	Addresses []netip.Addr // what the host leads to
	Why       string       // one sentence, for staff
	Said      string       // one sentence, for whoever registers an endpoint; "" where it is allowed
}

// Check says whether rawURL would be called at this moment. It resolves the host and never connects.
func (g *Guard) Check(ctx context.Context, rawURL string) Verdict {
	ctx, done := context.WithTimeout(ctx, connectTime)
	defer done()
	t, err := parseTarget(rawURL)
	if err != nil {
		return refusal(nil, err)
	}
	addrs, err := g.resolve(ctx, t)
	if err != nil {
		said := sentence(t, err)
		return Verdict{Why: said, Said: said}
	}
	if err := g.look(t, addrs); err != nil {
		return refusal(addrs, err)
	}
	v := Verdict{Allowed: true, Addresses: addrs, Why: fmt.Sprintf("%s leads to public addresses only, by https and on a port that is open to webhooks.", t.host)}
	if slices.ContainsFunc(addrs, g.opened) {
		v.Why = fmt.Sprintf("%s leads to an address that ALLCLEAR_WEBHOOK_ALLOW opens.", t.host)
	}
	return v
}

func refusal(addrs []netip.Addr, err error) Verdict {
	v := Verdict{Addresses: addrs, Why: err.Error(), Said: err.Error()}
	if r, ok := err.(*Refused); ok { //nolint:errorlint // made by this package, never wrapped
		v.Why = r.Why
	}
	return v
}

// resolve finds what t's host leads to at this moment.
func (g *Guard) resolve(ctx context.Context, t *target) ([]netip.Addr, error) {
	if t.ip.IsValid() {
		return []netip.Addr{t.ip}, nil
	}
	addrs, err := g.o.Resolver.LookupNetIP(ctx, "ip", t.host)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: t.host, IsNotFound: true}
	}
	out := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		out[i] = a.Unmap()
	}
	return out, nil
}

// look judges everything a host leads to. One address that may not be called
// refuses all of them: a name that means a public server and an internal one at
// once is no endpoint.
func (g *Guard) look(t *target, addrs []netip.Addr) error {
	for _, a := range addrs {
		if err := g.judge(t, netip.AddrPortFrom(a, t.port)); err != nil {
			return err
		}
	}
	return nil
}

// judge says whether t may be called at address a; nil or a *Refused.
func (g *Guard) judge(t *target, a netip.AddrPort) error {
	ip := a.Addr().Unmap()
	if g.opened(ip) {
		return nil
	}
	hidden := &Refused{Said: t.host + " leads to an address that is not open to webhooks."}
	reason := special(ip)
	switch {
	case ip.Zone() != "":
		reason = "of an interface of this machine"
	case reason != "":
	case g.o.Own(ip):
		reason = "this machine's own"
	case slices.ContainsFunc(g.o.Names, func(n string) bool { return strings.EqualFold(strings.TrimSuffix(n, "."), t.host) }):
		said := t.host + " is this service itself."
		return &Refused{Said: said, Why: said}
	case !t.secure():
		said := "Only https is called."
		return &Refused{Said: said, Why: said + " http is for addresses that ALLCLEAR_WEBHOOK_ALLOW opens."}
	case !slices.Contains(Ports, a.Port()):
		said := fmt.Sprintf("Port %d is not called; use 443 or 8443.", a.Port())
		return &Refused{Said: said, Why: said + " Others are for addresses that ALLCLEAR_WEBHOOK_ALLOW opens."}
	default:
		err := g.guardian.SafeAddrPort(netip.AddrPortFrom(ip, a.Port()))
		if err == nil {
			return nil
		}
		reason = "reserved (IANA)"
	}
	hidden.Why = fmt.Sprintf("%s leads to %s, which is %s; ALLCLEAR_WEBHOOK_ALLOW can open it.", t.host, ip, reason)
	if t.ip.IsValid() {
		hidden.Why = fmt.Sprintf("%s is %s; ALLCLEAR_WEBHOOK_ALLOW can open it.", ip, reason)
		hidden.Said = fmt.Sprintf("%s is not open to webhooks: it is %s.", ip, reason)
	}
	return hidden
}

// opened reports whether staff opened ip. Where ip only stands for an IPv4
// address, that one must be one that may be called, too.
func (g *Guard) opened(ip netip.Addr) bool {
	in := func(ip netip.Addr) bool {
		return slices.ContainsFunc(g.o.Allow, func(p netip.Prefix) bool { return p.Contains(ip) })
	}
	if !in(ip) {
		return false
	}
	v4, ok := inside(ip)
	return !ok || in(v4) || special(v4) == ""
}

// ownAddress reports whether ip is one of this machine's.
func ownAddress(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		// It takes netlink, which a hardened service may be denied. A socket that
		// is told where it would send to, and sends nothing, knows its own end.
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 443)))
		if err != nil {
			return false // no way there at all
		}
		defer func() { _ = c.Close() }()
		addrs = []net.Addr{c.LocalAddr()}
	}
	for _, a := range addrs {
		if own, ok := addressOf(a); ok && own == ip {
			return true
		}
	}
	return false
}

func addressOf(a net.Addr) (netip.Addr, bool) {
	var ip net.IP
	switch a := a.(type) {
	case *net.IPNet:
		ip = a.IP
	case *net.UDPAddr:
		ip = a.IP
	}
	got, ok := netip.AddrFromSlice(ip)
	return got.Unmap(), ok
}

// control judges a connection at the last moment: the address is final, and the
// socket not yet connected.
func (g *Guard) control(t *target) func(network, address string, c syscall.RawConn) error {
	return func(network, address string, c syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("read the address of a connection: %w", err)
		}
		if err := g.judge(t, a); err != nil || g.opened(a.Addr().Unmap()) {
			return err
		}
		return g.guardian.Safe(network, address, c)
	}
}

// dial makes a connection to t. Its errors are *Refused, a resolver's or a dialer's.
func (g *Guard) dial(ctx context.Context, t *target) (net.Conn, error) {
	addrs, err := g.resolve(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := g.look(t, addrs); err != nil {
		return nil, err
	}
	dial := g.o.Dial
	if dial == nil {
		dial = (&net.Dialer{Control: g.control(t)}).DialContext
	}
	addrs = alternate(addrs)
	var first error
	for i, a := range addrs {
		// An address that is silent leaves time for the next one.
		share, done := ctx, context.CancelFunc(func() {})
		if i < len(addrs)-1 {
			share, done = context.WithTimeout(ctx, addressTime)
		}
		conn, err := dial(share, "tcp", netip.AddrPortFrom(a, t.port).String())
		done()
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// How long reaching an endpoint may take: its name, the connection and TLS.
const (
	connectTime   = 10 * time.Second
	addressTime   = 3 * time.Second
	addressesMost = 4
)

// alternate keeps the first few addresses, of both families in turn: where one
// of them leads nowhere, the other is asked soon.
func alternate(addrs []netip.Addr) []netip.Addr {
	var six, four, out []netip.Addr
	for _, a := range addrs {
		if a.Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	if len(addrs) > 0 && addrs[0].Is4() {
		six, four = four, six // what the resolver put first stays first
	}
	for i := 0; len(out) < addressesMost && (i < len(six) || i < len(four)); i++ {
		if i < len(six) {
			out = append(out, six[i])
		}
		if i < len(four) {
			out = append(out, four[i])
		}
	}
	return out[:min(len(out), addressesMost)]
}
