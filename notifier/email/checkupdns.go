package email

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"allclear/notifier"
)

// records are a name's TXT records that begin so, as a word; no record at all is
// no error.
func (c Checkup) records(ctx context.Context, name, version, end string) ([]string, error) {
	all, err := c.Lookup(ctx, name)
	var dns *net.DNSError
	if err != nil && !(errors.As(err, &dns) && dns.IsNotFound) {
		return nil, err
	}
	var out []string
	for _, r := range all {
		// RFC 7208 section 4.5: "v=spf10" is another version.
		if n := len(version); len(r) >= n && strings.EqualFold(r[:n], version) && (len(r) == n || strings.ContainsRune(end, rune(r[n]))) {
			out = append(out, r)
		}
	}
	return out, nil
}

// spf looks whether a domain says who may send for it (RFC 7208). Whether that
// holds for our mail is the receiver's to find: it sees the relay's address, which
// we do not.
func (c Checkup) spf(ctx context.Context, domain string) notifier.Finding {
	whose := "the sender's domain"
	if domain == c.envelope() && domain != c.From {
		whose = "the domain that returned mail goes to"
	}
	found, err := c.records(ctx, domain, "v=spf1", " ")
	switch {
	case err != nil:
		return warned("SPF", "%s could not be looked up: %s.", domain, err)
	case len(found) == 0:
		return warned("SPF", "%s (%s) has no record that begins with v=spf1; publish one that names your relay: %s TXT \"v=spf1 a:RELAY -all\".", domain, whose, domain)
	case len(found) > 1:
		return warned("SPF", "%s (%s) has %d records that begin with v=spf1, which receivers take for an error; make them one.", domain, whose, len(found))
	case strings.HasSuffix(strings.ToLower(found[0]), "+all"):
		return warned("SPF", "%s (%s) lets everybody send for it (+all), which counts against it; end the record with -all.", domain, whose)
	}
	return fine("SPF", "%s (%s) has one record. Whether it names the address that your relay sends from is not looked at: that is not known here.", domain, whose)
}

// dmarc looks whether receivers are told what to do with mail that is not ours
// (RFC 7489), and whether our own would pass.
func (c Checkup) dmarc(ctx context.Context) notifier.Finding {
	at, whole := c.From, organization(c.From)
	found, err := c.records(ctx, "_dmarc."+at, "v=DMARC1", " ;\t")
	if err == nil && len(found) == 0 && whole != at {
		at = whole
		found, err = c.records(ctx, "_dmarc."+at, "v=DMARC1", " ;\t")
	}
	switch {
	case err != nil:
		return warned("DMARC", "_dmarc.%s could not be looked up: %s.", at, err)
	case len(found) == 0:
		return warned("DMARC", "%s has no record, and large providers want one of whoever sends much; publish _dmarc.%s TXT \"v=DMARC1; p=none\", and a stricter policy later.", c.From, whole)
	case len(found) > 1:
		return warned("DMARC", "_dmarc.%s has %d records, and receivers heed none of several; leave one.", at, len(found))
	}
	tags, ok := recordTags(found[0])
	policy := strings.ToLower(tags["p"])
	if sub := strings.ToLower(tags["sp"]); at != c.From && sub != "" {
		policy = sub
	}
	if !ok || !slices.Contains([]string{"none", "quarantine", "reject"}, policy) {
		return warned("DMARC", "_dmarc.%s names no policy that is one; write p=none, p=quarantine or p=reject.", at)
	}
	by, ok := c.alignment(tags)
	if !ok {
		return warned("DMARC", "_dmarc.%s asks for %s, and %s; sign with a key of %s.", at, policy, by, c.From)
	}
	return fine("DMARC", "_dmarc.%s asks for %s, and %s.", at, policy, by)
}

// alignment says in words whether a signature stands for From's domain, and
// where mail is not signed, whether the envelope's sender does.
func (c Checkup) alignment(tags map[string]string) (by string, ok bool) {
	signs := "mail is not signed"
	for i, k := range c.Keys {
		if aligned(k.Domain, c.From, tags["adkim"]) {
			return fmt.Sprintf("the signature's domain (d=%s) fits From's", k.Domain), true
		}
		if i == 0 {
			signs = fmt.Sprintf("the signature's domain (d=%s) does not fit From's", k.Domain)
		}
	}
	if aligned(c.envelope(), c.From, tags["aspf"]) {
		return signs + ": only SPF stands for it, which a forwarder breaks", len(c.Keys) == 0 // which is told as DKIM's
	}
	return signs + ", nor does the domain that returned mail goes to fit: mail fails it", false
}

// aligned reports whether a domain stands for From's (RFC 7489 section 3.1): in
// the strict mode it must be the same, else of the same organization.
func aligned(domain, from, mode string) bool {
	domain, from = strings.ToLower(domain), strings.ToLower(from)
	return domain == from || !strings.EqualFold(mode, "s") && organization(domain) == organization(from)
}

// organization is the domain that somebody registered, as the public suffix list
// has it (RFC 7489 section 3.2).
func organization(domain string) string {
	whole, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain // a public suffix itself
	}
	return whole
}
