package gate

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Client is the address that a request comes from: the peer's, or, where that
// is a trusted proxy, the last one in X-Forwarded-For that is not. What stands
// before it was written by whoever sent the request, and a proxy that writes
// something else than an address is where the trust ends. The zero Addr where
// nothing is known.
func Client(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(client) }) {
			break
		}
		before, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			break
		}
		client = before
	}
	return client
}

// parseHop reads an address with or without a port.
func parseHop(hop string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(hop, "["), "]"))
	if err != nil {
		at, err := netip.ParseAddrPort(hop)
		if err != nil {
			return a, false
		}
		a = at.Addr()
	}
	return a.Unmap().WithZone(""), true
}
