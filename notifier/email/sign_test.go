package email

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"allclear/notifier"
)

// lacking ends a test that needs a part from outside: skipped where somebody
// tries things out, failed where nothing may be left out.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ALLCLEAR_TEST_STRICT") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// sampleKeys makes a key of each algorithm.
func sampleKeys(t testing.TB) []Key {
	t.Helper()
	var keys []Key
	for selector, algorithm := range map[string]string{"r1": RSA, "e1": Ed25519} {
		signer, err := GenerateKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, Key{Domain: "example.com", Selector: selector, Signer: signer})
	}
	return keys
}

// published answers TXT queries with the keys' records.
func published(t testing.TB, keys []Key) map[string]string {
	t.Helper()
	zone := map[string]string{}
	for _, k := range keys {
		line, err := Record(k)
		if err != nil {
			t.Fatal(err)
		}
		name, value, _ := strings.Cut(line, " TXT ")
		zone[name] = strings.Trim(value, `"`)
	}
	return zone
}

// verdicts verifies with go-msgauth: one entry per signature, nil where it holds.
func verdicts(t testing.TB, zone map[string]string, data []byte) []error {
	t.Helper()
	found, err := dkim.VerifyWithOptions(bytes.NewReader(data), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if r, ok := zone[name]; ok {
			return []string{r}, nil
		}
		return nil, errors.New("no such record: " + name)
	}})
	if err != nil {
		t.Fatal(err)
	}
	var out []error
	for _, v := range found {
		out = append(out, v.Err)
	}
	return out
}

func bothHold(t testing.TB, zone map[string]string, data []byte) bool {
	t.Helper()
	v := verdicts(t, zone, data)
	return len(v) == 2 && v[0] == nil && v[1] == nil
}

func signedMail(t testing.TB, keys []Key) []byte {
	t.Helper()
	c := sampleCompositor(t, func(o *CompositorOptions) {
		o.Signers = keys
		o.MailtoUnsubscribe = func(notifier.DeliveryID) string { return "mailto:leave@in.example.com" }
	})
	return composed(t, c, sampleLetter()).Data
}

func TestEveryKeySignsTheMailOnItsOwn(t *testing.T) {
	keys := sampleKeys(t)
	zone := published(t, keys)
	data := signedMail(t, keys)
	if !bothHold(t, zone, data) {
		t.Fatalf("%v\n%s", verdicts(t, zone, data), data)
	}
	wellFormed(t, data)
	unsigned := composed(t, sampleCompositor(t, func(o *CompositorOptions) {
		o.MailtoUnsubscribe = func(notifier.DeliveryID) string { return "mailto:leave@in.example.com" }
	}), sampleLetter()).Data
	if !bytes.HasSuffix(data, unsigned) {
		t.Error("signing changed the mail")
	}
	// Each holds without the other.
	for _, k := range keys {
		alone := signedMail(t, []Key{k})
		if v := verdicts(t, zone, alone); len(v) != 1 || v[0] != nil {
			t.Errorf("%s: %v", k, v)
		}
	}
}

func TestAHeaderAddedOnTheWayBreaksBothSignatures(t *testing.T) {
	keys := sampleKeys(t)
	zone := published(t, keys)
	data := signedMail(t, keys)
	for _, name := range oversigned {
		for where, spoiled := range map[string][]byte{
			"above": append([]byte(name+": x\r\n"), data...),
			"below": bytes.Replace(data, []byte("MIME-Version: 1.0\r\n"), []byte("MIME-Version: 1.0\r\n"+name+": x\r\n"), 1),
		} {
			for i, err := range verdicts(t, zone, spoiled) {
				if err == nil {
					t.Errorf("%s added %s: signature %d still holds", name, where, i)
				}
			}
		}
	}
	for what, spoiled := range map[string][]byte{
		"body":    bytes.Replace(data, []byte("nothing is lost"), []byte("all is lost!!!!"), 1),
		"List-Id": bytes.Replace(data, []byte("<status.example.com>"), []byte("<other.example.com>"), 1),
		"To":      bytes.Replace(data, []byte("To: ada@"), []byte("To: eve@"), 1),
	} {
		for i, err := range verdicts(t, zone, spoiled) {
			if err == nil {
				t.Errorf("%s changed: signature %d still holds", what, i)
			}
		}
	}
	// What every relay does is no harm.
	if !bothHold(t, zone, append([]byte("Received: from a by b; Mon, 23 Nov 2026 16:11:06 +0000\r\n"), data...)) {
		t.Error("a Received line broke a signature")
	}
}

func TestHeadersAreSignedOnceMoreThanTheyOccur(t *testing.T) {
	keys := sampleKeys(t)
	data := signedMail(t, keys)
	m := parsed(t, data)
	for _, sig := range m.Header["Dkim-Signature"] {
		h := regexp.MustCompile(`\bh=([^;]*);`).FindStringSubmatch(sig)
		if h == nil {
			t.Fatalf("no h= in %s", sig)
		}
		count := map[string]int{}
		for _, n := range strings.Split(h[1], ":") {
			count[strings.ToLower(strings.TrimSpace(n))]++
		}
		for _, name := range oversigned {
			present := len(m.Header[textprotoName(name)])
			if count[strings.ToLower(name)] != present+1 {
				t.Errorf("%s is signed %d times and occurs %d times", name, count[strings.ToLower(name)], present)
			}
		}
		for _, name := range []string{"list-id", "auto-submitted", "feedback-id"} {
			if count[name] != 1 {
				t.Errorf("%s is signed %d times", name, count[name])
			}
		}
		if !strings.Contains(sig, "c=relaxed/relaxed") || strings.Contains(sig, " l=") {
			t.Errorf("canonicalisation or length: %s", sig)
		}
	}
	for _, line := range strings.Split(string(data), "\r\n") {
		if len(line) > maxLine {
			t.Errorf("line of %d bytes", len(line))
		}
	}
}

func textprotoName(name string) string {
	switch name {
	case "Message-ID":
		return "Message-Id"
	case "MIME-Version":
		return "Mime-Version"
	}
	return name
}

func TestASignatureCanBeGivenALife(t *testing.T) {
	keys := sampleKeys(t)
	now := time.Now()
	for life, want := range map[time.Duration]bool{0: true, time.Hour: true} {
		c := sampleCompositor(t, func(o *CompositorOptions) {
			o.Signers, o.SignatureLife, o.Now = keys, life, func() time.Time { return now }
		})
		if got := bothHold(t, published(t, keys), composed(t, c, sampleLetter()).Data); got != want {
			t.Errorf("life %s: %v", life, got)
		}
	}
	c := sampleCompositor(t, func(o *CompositorOptions) {
		o.Signers, o.SignatureLife, o.Now = keys, time.Hour, func() time.Time { return now.Add(-2 * time.Hour) }
	})
	for _, err := range verdicts(t, published(t, keys), composed(t, c, sampleLetter()).Data) {
		if err == nil {
			t.Error("an expired signature holds")
		}
	}
}

// brokenSigner fails as a hardware or library signer may.
type brokenSigner struct{ crypto.Signer }

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("token removed")
}

func TestABrokenKeyStopsTheStart(t *testing.T) {
	for what, k := range map[string]Key{
		"signer":    {Domain: "example.com", Selector: "s", Signer: brokenSigner{sampleKeys(t)[0].Signer}},
		"no signer": {Domain: "example.com", Selector: "s"},
		"no domain": {Selector: "s", Signer: sampleKeys(t)[0].Signer},
	} {
		o := CompositorOptions{From: sampleCompositor(t, nil).o.From, Now: sampleTime, Signers: []Key{k}}
		if _, err := NewCompositor(o); err == nil || !strings.Contains(err.Error(), "s._domainkey.") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAKeyOfAnotherDomainIsWarnedOf(t *testing.T) {
	signer := sampleKeys(t)[0].Signer
	for domain, warned := range map[string]bool{"example.com": false, "mail.example.com": false, "com": false, "example.org": true, "notexample.com": true} {
		c := sampleCompositor(t, func(o *CompositorOptions) { o.Signers = []Key{{Domain: domain, Selector: "s", Signer: signer}} })
		if got := len(c.Warnings()) > 0; got != warned {
			t.Errorf("%s: %q", domain, c.Warnings())
		}
	}
	if w := sampleCompositor(t, nil).Warnings(); len(w) != 0 {
		t.Errorf("unsigned mail is warned of as misaligned: %q", w)
	}
}

// elsewhere runs another language's verifier: file and zone as arguments, one
// JSON object {"rsa-sha256": bool, ...} as answer.
func elsewhere(t *testing.T, zone map[string]string, data []byte, command ...string) map[string]bool {
	t.Helper()
	dir := t.TempDir()
	names, err := json.Marshal(zone)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"mail": data, "zone": names} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], append(command[1:], filepath.Join(dir, "mail"), filepath.Join(dir, "zone"))...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command[0], err, stderr.String())
	}
	verdict := map[string]bool{}
	if err := json.Unmarshal(out, &verdict); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return verdict
}

func TestPythonVerifiesBothAlgorithms(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's own, which python3-dkim belongs to
	if exec.Command(python, "-c", "import dkim, nacl").Run() != nil {
		lacking(t, "dkimpy is missing: apt-get install -y python3-dkim python3-nacl")
	}
	keys := sampleKeys(t)
	zone, data := published(t, keys), signedMail(t, keys)
	if v := elsewhere(t, zone, data, python, "testdata/verify.py"); !v["rsa-sha256"] || !v["ed25519-sha256"] || len(v) != 2 {
		t.Errorf("dkimpy says %v of\n%s", v, data)
	}
	ours, _ := twins(t, keys, time.Now, func(o *CompositorOptions) { o.From.Name, o.SignatureLife = strings.Repeat("Störung, ", 20), time.Hour })
	for _, name := range []string{"indented", "only empty lines", "other scripts", "mark in the subject", "no blanks", "incident-opened.de.utc.html"} {
		data := composed(t, ours, shapes()[name]).Data
		if v := elsewhere(t, zone, data, python, "testdata/verify.py"); !v["rsa-sha256"] || !v["ed25519-sha256"] {
			t.Errorf("%s: dkimpy says %v of\n%s", name, v, data)
		}
	}
	if v := elsewhere(t, zone, append([]byte("Subject: x\r\n"), data...), python, "testdata/verify.py"); v["rsa-sha256"] || v["ed25519-sha256"] {
		t.Errorf("dkimpy lets a second Subject through: %v", v)
	}
}

func TestPerlVerifiesRSA(t *testing.T) {
	if exec.Command("perl", "-MMail::DKIM", "-MJSON::PP", "-e", "1").Run() != nil {
		lacking(t, "Mail::DKIM is missing: apt-get install -y libmail-dkim-perl")
	}
	keys := sampleKeys(t)
	zone, data := published(t, keys), signedMail(t, keys)
	v := elsewhere(t, zone, data, "perl", "testdata/verify.pl")
	if !v["rsa-sha256"] {
		t.Errorf("Mail::DKIM says %v of\n%s", v, data)
	}
	// Versions before 1.20240619 do not know Ed25519; the others must agree.
	if knows := exec.Command("perl", "-MMail::DKIM::Algorithm::ed25519_sha256", "-e", "1").Run() == nil; knows && !v["ed25519-sha256"] {
		t.Errorf("Mail::DKIM knows Ed25519 and says %v", v)
	}
	if v := elsewhere(t, zone, append([]byte("Subject: x\r\n"), data...), "perl", "testdata/verify.pl"); v["rsa-sha256"] {
		t.Errorf("Mail::DKIM lets a second Subject through: %v", v)
	}
}

func BenchmarkComposeSigned(b *testing.B) {
	c := sampleCompositor(b, func(o *CompositorOptions) { o.Signers = sampleKeys(b) })
	m := sampleMessage(longLetter())
	b.ReportAllocs()
	for b.Loop() {
		e, err := c.Compose(m)
		if err != nil {
			b.Fatal(err)
		}
		c.release(e)
	}
}

func notFound(name string) error {
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}
