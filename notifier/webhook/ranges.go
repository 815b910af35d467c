package webhook

import "net/netip"

// span is a stretch of addresses that are nobody's public server.
type span struct {
	prefix netip.Prefix
	what   string // "it is ..."
}

// spans are looked through in this order. What is missing here and special all
// the same is refused by code.dny.dev/ssrf, which follows IANA's registries.
var spans = []span{
	{netip.MustParsePrefix("169.254.169.254/32"), "where clouds keep the secrets of a machine"},
	{netip.MustParsePrefix("169.254.170.0/24"), "where clouds keep the secrets of a container"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a service of the cloud for its machines"},
	{netip.MustParsePrefix("100.100.100.200/32"), "where clouds keep the secrets of a machine"},
	{netip.MustParsePrefix("192.0.0.192/32"), "where clouds keep the secrets of a machine"},
	{netip.MustParsePrefix("fd00:ec2::/32"), "where clouds keep the secrets of a machine"},
	{netip.MustParsePrefix("fd20:ce::254/128"), "where clouds keep the secrets of a machine"},

	{netip.MustParsePrefix("0.0.0.0/8"), "of this network only (RFC 791)"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by a carrier's customers (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "this machine itself (loopback)"},
	{netip.MustParsePrefix("169.254.0.0/16"), "of the local link (RFC 3927)"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private (RFC 1918)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "kept for protocols (RFC 6890)"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation (RFC 5737)"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a relay of 6to4 (RFC 7526)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private (RFC 1918)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for measurements (RFC 2544)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation (RFC 5737)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast (RFC 5771)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112)"},

	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "this machine itself (loopback)"},
	{netip.MustParsePrefix("::ffff:0:0/96"), "an IPv4 address in disguise (mapped)"},
	{netip.MustParsePrefix("::/96"), "an IPv4 address in disguise (compatible)"},
	{netip.MustParsePrefix("64:ff9b::/96"), "an IPv4 address in disguise (NAT64, RFC 6052)"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "an IPv4 address in disguise (local NAT64, RFC 8215)"},
	{netip.MustParsePrefix("100::/64"), "a sink (RFC 6666)"},
	{netip.MustParsePrefix("2001::/32"), "an IPv4 address in disguise (Teredo, RFC 4380)"},
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation (RFC 3849)"},
	{netip.MustParsePrefix("2002::/16"), "an IPv4 address in disguise (6to4, RFC 3056)"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation (RFC 9637)"},
	{netip.MustParsePrefix("fc00::/7"), "private (RFC 4193)"},
	{netip.MustParsePrefix("fe80::/10"), "of the local link (RFC 4291)"},
	{netip.MustParsePrefix("fec0::/10"), "of the local site (RFC 3879)"},
	{netip.MustParsePrefix("ff00::/8"), "multicast (RFC 4291)"},
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")
	compatible = netip.MustParsePrefix("::/96")
)

// special says what ip is where it is no public server's; "" otherwise.
func special(ip netip.Addr) string {
	for _, s := range spans {
		if s.prefix.Contains(ip) {
			return s.what
		}
	}
	if v4, ok := inside(ip); ok && special(v4) != "" {
		return "an IPv4 address in disguise (" + special(v4) + ")"
	}
	return ""
}

// inside is the IPv4 address that an IPv6 one stands for on its way: whoever
// opens such a stretch to webhooks opens what is behind it no further.
func inside(ip netip.Addr) (netip.Addr, bool) {
	if !ip.Is6() {
		return netip.Addr{}, false
	}
	b := ip.As16()
	v4 := func(i int) (netip.Addr, bool) { return netip.AddrFrom4([4]byte(b[i : i+4])), true }
	switch {
	case nat64.Contains(ip), localNAT64.Contains(ip), ip.Is4In6(), compatible.Contains(ip) && ip != netip.IPv6Loopback():
		return v4(12)
	case b[0] == 0x20 && b[1] == 0x02: // 6to4
		return v4(2)
	case b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0: // Teredo: every bit the other way round
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true
	case (b[8] == 0 || b[8] == 2) && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214
		return v4(12)
	}
	return netip.Addr{}, false
}
