package gate

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestOnlyATrustedProxySaysWhereAVisitorComesFrom(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		about, peer string
		forwarded   []string
		want        string
	}{
		{"nobody before it", "192.0.2.1:99", nil, "192.0.2.1"},
		{"a stranger claims another address", "192.0.2.1:99", []string{"198.51.100.7"}, "192.0.2.1"},
		{"our proxy says", "127.0.0.1:99", []string{"198.51.100.7"}, "198.51.100.7"},
		{"a visitor claims, our proxy appends", "127.0.0.1:99", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"two proxies of ours", "127.0.0.1:99", []string{"203.0.113.9, 198.51.100.7, 10.1.2.3"}, "198.51.100.7"},
		{"as two headers", "127.0.0.1:99", []string{"203.0.113.9", "198.51.100.7"}, "198.51.100.7"},
		{"a visitor claims to be our proxy", "127.0.0.1:99", []string{"203.0.113.9, 10.9.9.9, 198.51.100.7"}, "198.51.100.7"},
		{"only proxies of ours", "127.0.0.1:99", []string{"10.1.1.1, 10.1.2.3"}, "10.1.1.1"},
		{"with a port", "127.0.0.1:99", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"version 6 with a port", "[::1]:99", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"version 6 in brackets", "[::1]:99", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"version 4 in version 6", "[::ffff:127.0.0.1]:99", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"nonsense ends the trust", "127.0.0.1:99", []string{"198.51.100.7, unknown"}, "127.0.0.1"},
		{"nonsense further back is not reached", "127.0.0.1:99", []string{"<script>, 198.51.100.7"}, "198.51.100.7"},
		{"an empty header", "127.0.0.1:99", []string{""}, "127.0.0.1"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := Client(r, trusted); got.String() != c.want {
			t.Errorf("%s: %s", c.about, got)
		}
	}
	if got := Client(&http.Request{RemoteAddr: "@"}, trusted); got.IsValid() {
		t.Errorf("a socket without an address is %s", got)
	}
}
