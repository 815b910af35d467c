package email

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"allclear/notifier/email/emailtest"
)

// zone answers for DNS; a record "?" is no answer.
type zone map[string][]string

func (z zone) lookup(_ context.Context, name string) ([]string, error) {
	switch found, ok := z[name]; {
	case !ok:
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	case found[0] == "?":
		return nil, errors.New("no answer")
	default:
		return found, nil
	}
}

func TestACheckupNamesWhatReceiversWillNotLike(t *testing.T) {
	signer, err := GenerateKey(Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	key := func(domain string) []Key { return []Key{{Domain: domain, Selector: "s", Signer: signer}} }
	published, err := recordValue(key("a.example")[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from, bounce string
		keys         []Key
		dns          zone
		want         []string // one of each line, behind + where it is in order
	}{
		"all is well": {"a.example", "", key("a.example"), zone{"s._domainkey.a.example": {published}, "a.example": {"google=1", "V=SPF1 mx -all"}, "_dmarc.a.example": {"v=DMARC1; p=reject"}},
			[]string{"+DKIM holds this key", "+SPF one record. Whether it names the address that your relay sends from is not looked at", "+DMARC asks for reject, and the signature's domain (d=a.example) fits"}},
		"nothing is there": {"a.example", "b.example", key("a.example"), zone{},
			[]string{"-DKIM has no TXT record; publish", "-SPF a.example (the sender's domain) has no record", "-SPF b.example (the domain that returned mail goes to) has no record", "-DMARC publish _dmarc.a.example"}},
		"several": {"a.example", "", nil, zone{"a.example": {"v=spf1 -all", "v=spf1 mx -all", "v=spf10 x"}, "_dmarc.a.example": {"v=DMARC1; p=none", "v=DMARC1;p=reject"}},
			[]string{"-DKIM unsigned", "-SPF has 2 records", "-DMARC has 2 records"}},
		"DNS is silent": {"a.example", "", key("a.example"), zone{"s._domainkey.a.example": {"?"}, "a.example": {"?"}, "_dmarc.a.example": {"?"}},
			[]string{"-DKIM could not be looked up", "-SPF could not be looked up", "-DMARC could not be looked up"}},
		"the organization's policy": {"status.a.example", "", key("a.example"), zone{"s._domainkey.a.example": {published}, "status.a.example": {"v=spf1 +all"}, "_dmarc.a.example": {"v=DMARC1; p=none; sp=quarantine"}},
			[]string{"+DKIM", "-SPF lets everybody", "+DMARC _dmarc.a.example asks for quarantine"}},
		"strict, and signed by the parent": {"status.a.example", "", key("a.example"), zone{"s._domainkey.a.example": {published}, "status.a.example": {"v=spf1 mx"}, "_dmarc.status.a.example": {"v=DMARC1; p=none; adkim=s"}},
			[]string{"+DKIM", "+SPF", "-DMARC does not fit From's: only SPF stands for it"}},
		"another's signature and bounces": {"a.example", "c.example", key("b.example"), zone{"s._domainkey.b.example": {published}, "a.example": {"v=spf1"}, "c.example": {"v=spf1"}, "_dmarc.a.example": {"v=DMARC1; p=reject"}},
			[]string{"+DKIM", "+SPF", "+SPF", "-DMARC mail fails it; sign with a key of a.example"}},
		"no policy": {"a.example", "", nil, zone{"a.example": {"v=spf1 mx"}, "_dmarc.a.example": {"v=DMARC1; p=hope"}},
			[]string{"-DKIM", "+SPF", "-DMARC names no policy"}},
		"neighbours under a public suffix": {"a.co.uk", "", key("b.co.uk"), zone{"s._domainkey.b.co.uk": {published}, "a.co.uk": {"v=spf1 mx"}, "_dmarc.co.uk": {"v=DMARC1; p=none"}},
			[]string{"+DKIM", "+SPF", "-DMARC a.co.uk has no record"}},
	} {
		found := Checkup{From: c.from, Bounce: c.bounce, Keys: c.keys, Lookup: c.dns.lookup}.Run(t.Context())
		if len(found) != len(c.want) {
			t.Errorf("%s: %+v", name, found)
			continue
		}
		for i, f := range found {
			about, text, _ := strings.Cut(c.want[i][1:], " ")
			if f.OK != (c.want[i][0] == '+') || f.About != about || !strings.Contains(f.Text, text) {
				t.Errorf("%s: line %d is %+v, want %s", name, i+1, f, c.want[i])
			}
		}
	}
}

func TestACheckupAsksEveryRelayAsAMailWould(t *testing.T) {
	good, shut, locked := emailtest.NewServer(t, emailtest.Options{TLS: true}), emailtest.NewServer(t, emailtest.Options{}), emailtest.NewServer(t, emailtest.Options{TLS: true, User: "u", Password: "p"})
	list := []string{good.URL(""), shut.URL(""), strings.Replace(locked.URL(""), "u:p@", "u:wrong@", 1)}
	relays, err := ParseRelays(strings.Join(list, ","))
	if err != nil {
		t.Fatal(err)
	}
	shut.Close()
	found := Checkup{From: "a.example", Relays: relays}.Run(t.Context())
	for i, want := range []string{"unsigned", "answers, by TLS", "does not answer: ", "refuses user and password: "} {
		if f := found[i]; f.OK != (i == 1) || !strings.Contains(f.Text, want) || i > 0 && (f.About != "relay" || !strings.HasPrefix(f.Text, relays[i-1].Name)) {
			t.Errorf("%+v, want %q", f, want)
		}
	}
	if len(good.Messages()) > 0 {
		t.Error("a mail was sent")
	}
}

func TestACheckupDoesNotWaitForARelayThatSaysNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	relays, err := ParseRelays("smtp://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, late := context.WithCancel(t.Context())
	go func() {
		if conn, err := l.Accept(); err == nil {
			defer conn.Close()
			late()
			_, _ = conn.Read(make([]byte, 1)) // until the other side leaves
		}
	}()
	found := Checkup{From: "a.example", Relays: relays}.Run(ctx)
	if f := found[len(found)-1]; f.OK || !strings.Contains(f.Text, relays[0].Name+" does not answer in time") {
		t.Errorf("%+v", f)
	}
}
