package webhook

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// Spellings that some program or other takes for an address, or that hide where
// a request goes (STANDARDS on SSRF). All of them are refused before anything
// is looked up.
var tricks = []string{
	"",
	"https://",
	"https:///hook",
	"https:hook",
	"//example.com/",
	"example.com",
	"ftp://example.com/",
	"file:///etc/passwd",
	"gopher://127.0.0.1:6379/_INFO",
	"javascript:alert(1)",
	"http://2130706433/",
	"http://0x7f000001/",
	"http://0x7f.1/",
	"http://0x7f.0x0.0x0.0x1/",
	"http://0177.0.0.1/",
	"http://017700000001/",
	"http://127.1/",
	"http://127.0.1/",
	"http://127.0.0.1.5/",
	"http://1/",
	"http://0/",
	"http://0x/",
	"http://example.0x1f/",
	"http://example.123/",
	"http://256.256.256.256/",
	"http://127.0.0.01/",
	"http://①②⑦.1/",
	"http://[::ffff:127.0.0.1]/",
	"http://[::ffff:7f00:1]/",
	"http://[0:0:0:0:0:ffff:127.0.0.1]/",
	"http://[fe80::1%25eth0]/",
	"http://[fe80::1%eth0]/",
	"http://[::1/",
	"http://::1/",
	"http://[127.0.0.1]/",
	"https://user@example.com/",
	"https://user:pass@example.com/",
	"https://@example.com/",
	"https://example.com@127.0.0.1/",
	"http://a@127.0.0.1#@b",
	"https://example.com#@127.0.0.1/",
	"https://example.com/#",
	`https://example.com\@127.0.0.1/`,
	`https:\\127.0.0.1\`,
	"https://example.com\n.evil.test/",
	"https://exam\tple.com/",
	" https://example.com/",
	"https://example.com/a b",
	"https://exa%6dple.com/",
	"https://%31%32%37.0.0.1/",
	"https://example.com%00.evil.test/",
	"https://example.com:0/",
	"https://example.com:65536/",
	"https://example.com:-1/",
	"https://example.com:44 3/",
	"https://example.com:443:80/",
	"https://.example.com/",
	"https://example..com/",
	"https://example.com../",
	"https://./",
	"https://ex_ample!.com/",
	"https://example.com/" + strings.Repeat("a", longestURL),
}

func TestTrickySpellingsAreNoTargets(t *testing.T) {
	for _, raw := range tricks {
		if got, err := parseTarget(raw); err == nil {
			t.Errorf("%q is taken for %s", raw, got.key())
		}
	}
}

// Every way in which inet_aton reads an address: one to four parts, each in
// decimal, octal or hex, with zeros before it or not. Only the plain one is an
// address here; all the others are not even looked up.
func TestAnAddressHasOneSpelling(t *testing.T) {
	spell := []func(uint32) string{
		func(n uint32) string { return strconv.FormatUint(uint64(n), 10) },
		func(n uint32) string { return "0" + strconv.FormatUint(uint64(n), 8) },
		func(n uint32) string { return "000" + strconv.FormatUint(uint64(n), 8) },
		func(n uint32) string { return "0x" + strconv.FormatUint(uint64(n), 16) },
		func(n uint32) string { return "0X000" + strings.ToUpper(strconv.FormatUint(uint64(n), 16)) },
	}
	var spellings func(parts []uint32) []string
	spellings = func(parts []uint32) []string {
		if len(parts) == 0 {
			return []string{""}
		}
		var out []string
		for _, rest := range spellings(parts[1:]) {
			for _, s := range spell {
				out = append(out, strings.TrimSuffix(s(parts[0])+"."+rest, "."))
			}
		}
		return out
	}
	asked := 0
	for _, ip := range []string{"127.0.0.1", "169.254.169.254", "10.1.2.3", public4} {
		b := netip.MustParseAddr(ip).As4()
		n := binary.BigEndian.Uint32(b[:])
		for _, parts := range [][]uint32{{n}, {n >> 24, n & 0xffffff}, {n >> 24, n >> 16 & 0xff, n & 0xffff}, {n >> 24, n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff}} {
			for _, s := range spellings(parts) {
				for _, dot := range []string{"", "."} {
					got, err := parseTarget("https://" + s + dot + "/")
					if (err == nil) != (s == ip) || err == nil && got.host != ip {
						t.Errorf("%s%s: %v, %v", s, dot, got, err)
					}
					asked++
				}
			}
		}
	}
	if asked < 6000 {
		t.Errorf("%d spellings", asked)
	}
}

func TestWhatIsRefusedIsNeverQuotedFromItsPathOrQuery(t *testing.T) {
	for _, raw := range []string{
		"ftp://example.com/SECRET?SECRET", "https://SECRET:SECRET@example.com/SECRET", "https://example.com:0/SECRET",
		"https://127.1/SECRET?SECRET", "https://exa mple.com/SECRET", "https://%zz/SECRET", "https://example.com/#SECRET",
	} {
		_, err := parseTarget(raw)
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestAnHonestURLIsReadInOneWay(t *testing.T) {
	for raw, want := range map[string]string{
		"https://example.com":                    "https://example.com:443 example.com",
		"https://Example.COM:443/Hook?x=Y":       "https://example.com:443 example.com",
		"https://example.com./":                  "https://example.com:443 example.com",
		"https://example.com:8443/":              "https://example.com:8443 example.com:8443",
		"http://example.com/":                    "http://example.com:80 example.com",
		"https://bücher.example/":                "https://xn--bcher-kva.example:443 xn--bcher-kva.example",
		"https://ＥＸＡＭＰＬＥ.com/":                   "https://example.com:443 example.com",
		"https://192.0.2.7/":                     "https://192.0.2.7:443 192.0.2.7",
		"https://①②⑦.⓪.⓪.①/":                     "https://127.0.0.1:443 127.0.0.1", // and 127.0.0.1 is refused by its address
		"https://127。0。0。1/":                     "https://127.0.0.1:443 127.0.0.1",
		"https://[2606:4700::1111]/":             "https://[2606:4700::1111]:443 [2606:4700::1111]",
		"https://[2606:4700:0:0::1111]:8443/a?b": "https://[2606:4700::1111]:8443 [2606:4700::1111]:8443",
		"https://169.254.169.254.nip.io/":        "https://169.254.169.254.nip.io:443 169.254.169.254.nip.io",
		"https://localhost./":                    "https://localhost:443 localhost",
		"https://my_host.example.com/":           "",
	} {
		got, err := parseTarget(raw)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is taken for %s", raw, got.key())
		case want != "" && err != nil:
			t.Errorf("%q: %v", raw, err)
		case want != "" && got.key()+" "+got.url.Host != want:
			t.Errorf("%q: %s %s, want %s", raw, got.key(), got.url.Host, want)
		}
	}
}

// Whatever is taken for a target: its host is one address in its usual spelling,
// or a name that no resolver takes for an address, and what is asked for later is
// read in the same way again.
func FuzzTarget(f *testing.F) {
	for _, raw := range tricks {
		f.Add(raw)
	}
	f.Add("https://example.com:8443/a?b=c")
	f.Add("https://[2606:4700::1111]/")
	f.Add("https://xn--bcher-kva.example/")
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parseTarget(raw)
		if err != nil {
			if refused := (*Refused)(nil); !errors.As(err, &refused) {
				t.Fatalf("%q: %T", raw, err)
			}
			return
		}
		host, port, err := net.SplitHostPort(got.address())
		if err != nil || host != got.host || port == "0" {
			t.Fatalf("%q: %q", raw, got.address())
		}
		if ip, err := netip.ParseAddr(host); err == nil {
			if ip != got.ip || ip.Zone() != "" || ip.Is4In6() {
				t.Fatalf("%q: %s", raw, ip)
			}
		} else if got.ip.IsValid() || net.ParseIP(host) != nil || isNumber(host[strings.LastIndexByte(host, '.')+1:]) {
			t.Fatalf("%q: %q may be an address", raw, host)
		}
		if got.url.User != nil || got.url.Fragment != "" || got.url.Scheme != "http" && got.url.Scheme != "https" {
			t.Fatalf("%q: %s", raw, got.url)
		}
		again, err := parseTarget(got.url.String())
		if err != nil && len(got.url.String()) <= longestURL || err == nil && again.key() != got.key() {
			t.Fatalf("%q is read as %s, and that as %v: %v", raw, got.url, again, err)
		}
		if strings.ContainsAny(got.url.RequestURI()+got.url.Host, " \r\n\t\x00") {
			t.Fatalf("%q breaks the request's first lines", raw)
		}
	})
}
