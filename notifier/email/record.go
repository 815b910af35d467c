package email

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
)

// Record is the line to publish for k: S._domainkey.D TXT "v=DKIM1; ...".
func Record(k Key) (string, error) {
	value, err := recordValue(k)
	if err != nil {
		return "", err
	}
	return k.String() + ` TXT "` + value + `"`, nil
}

// ZoneRecord is the same for a zone file, where one string holds 255 bytes at
// most (RFC 1035 section 3.3) and a receiver joins them (RFC 6376 section 3.6.2.2).
func ZoneRecord(k Key) (string, error) {
	value, err := recordValue(k)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(k.String() + ". IN TXT (")
	for value != "" {
		n := min(len(value), 255)
		b.WriteString("\n\t\"" + value[:n] + `"`)
		value = value[n:]
	}
	return b.String() + " )", nil
}

func recordValue(k Key) (string, error) {
	if err := k.checkName(); err != nil {
		return "", err
	}
	if k.Signer == nil {
		return "", errors.New("key has no signer")
	}
	return publicValue(k.Signer.Public())
}

func publicValue(pub crypto.PublicKey) (string, error) {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			return "", fmt.Errorf("encode public key: %w", err)
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), nil
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub), nil
	default:
		return "", fmt.Errorf("public key of type %T; DKIM knows RSA and Ed25519", pub)
	}
}

// Published says what DNS holds for a key.
type Published string

// What a lookup can find.
const (
	PublishedHere    Published = "found"     // this key
	PublishedMissing Published = "missing"   // nothing
	PublishedOther   Published = "other key" // another key
	PublishedSeveral Published = "several"   // more than one record: receivers may take any or none
	PublishedRevoked Published = "revoked"   // an empty p=
	PublishedBroken  Published = "broken"    // something that is no key record
	PublishedUnknown Published = "no answer" // DNS could not be asked; nothing is known
)

// Finding is what Check found, with a sentence for the person.
type Finding struct {
	State    Published
	Sentence string
}

// OK reports whether receivers can verify the key's signatures.
func (f Finding) OK() bool { return f.State == PublishedHere }

// Check looks k's record up and compares it. lookup is net.Resolver.LookupTXT
// or a stand-in; it returns one string per record.
func Check(ctx context.Context, lookup func(ctx context.Context, name string) ([]string, error), k Key) Finding {
	say := func(state Published, format string, args ...any) Finding {
		return Finding{State: state, Sentence: k.String() + " " + fmt.Sprintf(format, args...)}
	}
	want, err := recordValue(k)
	if err != nil {
		return say(PublishedBroken, "cannot be compared: %s.", err)
	}
	records, err := lookup(ctx, k.String())
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound, err == nil && len(records) == 0:
		return say(PublishedMissing, "has no TXT record; publish the one that `allclear dkim dns` prints.")
	case err != nil:
		return say(PublishedUnknown, "could not be looked up: %s.", err)
	case len(records) > 1:
		return say(PublishedSeveral, "has %d TXT records; leave exactly one, or receivers may take the wrong one.", len(records))
	}
	tags, ok := recordTags(records[0])
	p, has := tags["p"]
	switch {
	case !ok || !has || tags["v"] != "" && tags["v"] != "DKIM1":
		return say(PublishedBroken, "holds a TXT record that is not a DKIM key.")
	case p == "":
		return say(PublishedRevoked, "is revoked (empty p=); signatures with this key fail. Generate a key under a new selector.")
	}
	wanted, _ := recordTags(want)
	kind := tags["k"]
	if kind == "" {
		kind = RSA // the default of RFC 6376 section 3.6.1
	}
	if kind != wanted["k"] || !sameKey(kind, p, wanted["p"]) {
		return say(PublishedOther, "holds another key than the key file; signatures will fail.")
	}
	if h, limited := tags["h"]; limited && !strings.Contains(":"+h+":", ":sha256:") {
		return say(PublishedBroken, "holds this key, but h=%s forbids SHA-256; signatures will fail.", h)
	}
	if strings.Contains(":"+tags["t"]+":", ":y:") {
		return say(PublishedHere, "holds this key, in test mode (t=y): receivers may treat the mail as unsigned.")
	}
	return say(PublishedHere, "holds this key.")
}

// recordTags reads a tag list (RFC 6376 section 3.2); white space within values is dropped.
func recordTags(record string) (map[string]string, bool) {
	tags := map[string]string{}
	for _, part := range strings.Split(record, ";") {
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		if !ok && name == "" {
			continue
		}
		if _, twice := tags[name]; !ok || twice {
			return tags, false
		}
		tags[name] = strings.Join(strings.Fields(value), "")
	}
	return tags, true
}

// sameKey compares public keys as published. RSA keys may be published with or
// without the algorithm around them (erratum 3017 of RFC 6376).
func sameKey(kind, a, b string) bool {
	if a == b {
		return true
	}
	if kind != RSA {
		return false
	}
	x, y := publishedRSA(a), publishedRSA(b)
	return x != nil && y != nil && x.Equal(y)
}

func publishedRSA(p string) *rsa.PublicKey {
	der, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		return nil
	}
	if k, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return k
	}
	k, _ := x509.ParsePKIXPublicKey(der)
	pub, _ := k.(*rsa.PublicKey)
	return pub
}
