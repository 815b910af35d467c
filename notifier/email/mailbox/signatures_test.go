package mailbox

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
)

// signedMail is one Ed25519 signature over a small mail, and its zone.
func signedMail(t testing.TB) (string, map[string]string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = dkim.Sign(&out, strings.NewReader(sampleMail(1)), &dkim.SignOptions{Domain: "example.com", Selector: "e1", Signer: crypto.Signer(private)})
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), map[string]string{"e1._domainkey.example.com": "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}
}

func lookup(zone map[string]string) func(string) ([]string, error) {
	return func(name string) ([]string, error) {
		if r, ok := zone[name]; ok {
			return []string{r}, nil
		}
		return nil, errors.New("no such record")
	}
}

func TestSignaturesAreCheckedWithTheGivenKeys(t *testing.T) {
	mail, zone := signedMail(t)
	got := Verify([]byte(mail), lookup(zone))
	if len(got) != 1 || got[0].Err != nil || got[0].Domain != "example.com" || got[0].Selector != "e1" || got[0].Algorithm != "ed25519-sha256" {
		t.Errorf("%+v", got)
	}
	if got := Verify([]byte(strings.Replace(mail, "body", "bode", 1)), lookup(zone)); len(got) != 1 || got[0].Err == nil {
		t.Errorf("changed: %+v", got)
	}
	if got := Verify([]byte(mail), lookup(nil)); len(got) != 1 || got[0].Err == nil {
		t.Errorf("no key: %+v", got)
	}
	if got := Verify([]byte(sampleMail(1)), lookup(zone)); len(got) != 0 {
		t.Errorf("unsigned: %+v", got)
	}
	sig, _, _ := strings.Cut(mail, "\r\nFrom:")
	many := Verify([]byte(strings.Repeat(sig+"\r\n", 20)+mail), lookup(zone))
	if len(many) != 21 || many[20].Err == nil || many[0].Err != nil {
		t.Errorf("%d signatures, %+v", len(many), many)
	}
	if got := Verify([]byte("DKIM-Signature: nonsense"), lookup(zone)); len(got) != 1 || got[0].Err == nil {
		t.Errorf("nonsense: %+v", got)
	}
	b := start(t, func(o *Options) { o.LookupTXT = lookup(zone) })
	if got := b.Verify(Mail{Data: []byte(mail)}); len(got) != 1 || got[0].Err != nil {
		t.Errorf("by the mailbox: %+v", got)
	}
	if got := start(t, nil).Verify(Mail{Data: []byte(mail)}); got != nil {
		t.Errorf("without keys: %+v", got)
	}
}
