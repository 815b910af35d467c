package email

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"allclear/notifier"
)

func writePEM(t testing.TB, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAKeyIsReadBackAsItWasWritten(t *testing.T) {
	for _, algorithm := range []string{RSA, Ed25519} {
		key, err := GenerateKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "key.pem")
		if err := WriteKey(path, key); err != nil {
			t.Fatal(err)
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		got, warnings, err := LoadKey(path)
		if err != nil || len(warnings) != 0 {
			t.Fatal(warnings, err)
		}
		want, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if have, err := x509.MarshalPKCS8PrivateKey(got); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s: another key came back, %v", algorithm, err)
		}
	}
}

func TestAKeyFileIsNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := GenerateKey(Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteKey(path, key); !errors.Is(err, notifier.ErrConflict) || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file now holds %q", b)
	}
	if err := WriteKey(filepath.Join(t.TempDir(), "no", "folder"), key); err == nil {
		t.Error("written into a folder that is not there")
	}
}

func TestOldAndWeakKeysAreToldApart(t *testing.T) {
	generate := func(bits int) *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	old := writePEM(t, "old.pem", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(generate(2048)))
	if _, w, err := LoadKey(old); err != nil || len(w) != 0 {
		t.Errorf("PKCS#1: %v, %v", w, err)
	}
	if err := os.Chmod(old, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, w, err := LoadKey(old); err != nil || len(w) != 1 || !strings.Contains(w[0], "0644") {
		t.Errorf("readable by all: %v, %v", w, err)
	}
	short := writePEM(t, "short.pem", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(generate(1024)))
	if _, w, err := LoadKey(short); err != nil || len(w) != 1 || !strings.Contains(w[0], "1024 bits") {
		t.Errorf("1024 bits: %v, %v", w, err)
	}
}

func TestABadKeyFileIsNamedWithItsFault(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for fault, path := range map[string]string{
		"no such file":          filepath.Join(t.TempDir(), "missing.pem"),
		"holds no PEM block":    empty,
		"*ecdsa.PrivateKey":     writePEM(t, "ec.pem", "PRIVATE KEY", der),
		"holds a public key":    writePEM(t, "pub.pem", "PUBLIC KEY", []byte("x")),
		"is encrypted":          writePEM(t, "enc.pem", "ENCRYPTED PRIVATE KEY", []byte("x")),
		"readable RSA key":      writePEM(t, "rsa.pem", "RSA PRIVATE KEY", []byte("x")),
		"readable private key":  writePEM(t, "any.pem", "PRIVATE KEY", []byte("x")),
		"holds \"CERTIFICATE\"": writePEM(t, "cert.pem", "CERTIFICATE", []byte("x")),
		"is a directory":        t.TempDir(),
		"RSA key of 512 bits":   writePEM(t, "tiny.pem", "RSA PRIVATE KEY", tinyRSA(t)),
	} {
		_, _, err := LoadKey(path)
		if err == nil || !strings.Contains(err.Error(), fault) || !strings.Contains(err.Error(), path) {
			t.Errorf("want %q and %s in %v", fault, path, err)
		}
	}
}

// tinyRSA is a key that Go makes only when it is told to.
func tinyRSA(t *testing.T) []byte {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	k, err := rsa.GenerateKey(rand.Reader, 512)
	if err != nil {
		t.Fatal(err)
	}
	return x509.MarshalPKCS1PrivateKey(k)
}

func TestTheSettingNamesEveryKey(t *testing.T) {
	dir := t.TempDir()
	for _, a := range []string{RSA, Ed25519} {
		k, err := GenerateKey(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteKey(filepath.Join(dir, a), k); err != nil {
			t.Fatal(err)
		}
	}
	r, e := filepath.Join(dir, RSA), filepath.Join(dir, Ed25519)
	keys, warnings, err := ParseKeys("Example.COM:s1:" + r + ", example.com:e1:" + e)
	if err != nil || len(keys) != 2 || len(warnings) != 0 {
		t.Fatal(keys, warnings, err)
	}
	if keys[0].Domain != "example.com" || keys[0].Selector != "s1" || keys[1].String() != "e1._domainkey.example.com" {
		t.Errorf("%v", keys)
	}
	if keys, _, err := ParseKeys(" "); keys != nil || err != nil {
		t.Errorf("nothing: %v, %v", keys, err)
	}
	for _, bad := range []string{
		"example.com:s1", "example.com", ":s1:" + r, "example.com::" + r, "example.com:s1:", "example.com:s1:" + r + ",",
		"example.com:s1:" + r + ",example.com:S1:" + e, "exa mple.com:s1:" + r, "example.com:s;1:" + r, "-x.com:s1:" + r,
		"example:s1:" + r, strings.Repeat("x", 64) + ".com:s1:" + r, strings.Repeat("x.", 126) + "com:s1:" + r, "example.com:s1:/no/such/file", "exa\r\nmple.com:s:" + r,
	} {
		var invalid *notifier.Invalid
		if keys, _, err := ParseKeys(bad); !errors.As(err, &invalid) || invalid.Field != "dkim" || !strings.HasPrefix(invalid.Message, "entry ") {
			t.Errorf("%q: %v, %v", bad, keys, err)
		}
	}
	if _, err := GenerateKey("dsa"); err == nil {
		t.Error("an unknown algorithm was generated")
	}
}

func TestTheRecordIsWhatReceiversRead(t *testing.T) {
	keys := sampleKeys(t)
	for _, k := range keys {
		line, err := Record(k)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^(r1|e1)\._domainkey\.example\.com TXT "v=DKIM1; k=(rsa|ed25519); p=[A-Za-z0-9+/]+=*"$`).MatchString(line) {
			t.Errorf("record %q", line)
		}
		p := line[strings.Index(line, "p=")+2 : len(line)-1]
		if raw, err := base64.StdEncoding.DecodeString(p); err != nil || strings.Contains(line, "ed25519") && len(raw) != 32 {
			t.Errorf("%d bytes of key, %v", len(raw), err)
		}
		zone, err := ZoneRecord(k)
		if err != nil {
			t.Fatal(err)
		}
		var joined string
		for _, m := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(zone, -1) {
			if len(m[1]) > 255 {
				t.Errorf("a string of %d bytes", len(m[1]))
			}
			joined += m[1]
		}
		if `"`+joined+`"` != strings.SplitN(line, " TXT ", 2)[1] || !strings.HasPrefix(zone, k.String()+". IN TXT (") || !strings.HasSuffix(zone, " )") {
			t.Errorf("zone record %s", zone)
		}
	}
	for _, k := range []Key{{}, {Domain: "example.com", Selector: "s"}, {Domain: "example.com", Selector: `s" x`, Signer: keys[0].Signer}} {
		if line, err := Record(k); err == nil {
			t.Errorf("%q was made", line)
		}
	}
}

func TestThePublishedRecordIsCompared(t *testing.T) {
	keys := sampleKeys(t)
	zone := published(t, keys)
	for i, k := range keys {
		own, other := zone[k.String()], zone[keys[1-i].String()]
		answers := map[Published][][]string{
			PublishedHere:    {{own}, {strings.ReplaceAll(own, "; ", ";")}, {own + "; t=y"}, {own + "; h=sha256; s=email;"}, {strings.Replace(own, "p=", "p= ", 1)}},
			PublishedMissing: {nil},
			PublishedOther:   {{other}, {strings.Replace(other, "k=", "k=", 1)}},
			PublishedSeveral: {{own, other}, {own, own}},
			PublishedRevoked: {{"v=DKIM1; p="}, {"p=;"}},
			PublishedBroken:  {{"v=spf1 -all"}, {"hello"}, {""}, {own + "; p=x"}, {"v=DKIM2; p=x"}, {own + "; h=sha1"}},
		}
		for want, sets := range answers {
			for _, records := range sets {
				f := Check(t.Context(), func(_ context.Context, name string) ([]string, error) {
					if name != k.String() {
						return nil, fmt.Errorf("asked for %s", name)
					}
					return records, nil
				}, k)
				if f.State != want || f.OK() != (want == PublishedHere) || !strings.HasPrefix(f.Sentence, k.String()+" ") || !strings.HasSuffix(f.Sentence, ".") {
					t.Errorf("%q: %+v, want %s", records, f, want)
				}
			}
		}
		for want, err := range map[Published]error{PublishedMissing: notFound(k.String()), PublishedUnknown: errors.New("time-out")} {
			if f := Check(t.Context(), func(context.Context, string) ([]string, error) { return nil, err }, k); f.State != want {
				t.Errorf("%v: %+v", err, f)
			}
		}
	}
}

func TestAnRSAKeyPublishedBareIsTheSameKey(t *testing.T) {
	signer, err := GenerateKey(RSA)
	if err != nil {
		t.Fatal(err)
	}
	bare := "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(signer.Public().(*rsa.PublicKey)))
	f := Check(t.Context(), func(context.Context, string) ([]string, error) { return []string{bare}, nil }, Key{Domain: "example.com", Selector: "s", Signer: signer})
	if !f.OK() {
		t.Error(f)
	}
}

func FuzzParseKeysNeverPanicsAndNeverInventsAKey(f *testing.F) {
	for _, s := range []string{"", "example.com:s:/dev/null", "a:b:c,d:e:f", "x.y:s:", ":::", "example.com:s:keys.go", ",", "a.b:" + strings.Repeat("s", 300) + ":x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "/") {
			t.Skip("only files of this folder")
		}
		keys, _, err := ParseKeys(s)
		if err == nil && strings.TrimSpace(s) != "" && len(keys) == 0 {
			t.Errorf("%q is neither keys nor an error", s)
		}
		for _, k := range keys {
			if k.Signer == nil || k.checkName() != nil {
				t.Errorf("%q gave %+v", s, k)
			}
		}
	})
}

func FuzzParseKeyNeverPanics(f *testing.F) {
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: x\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		if k, err := parseKey(text); (k == nil) == (err == nil) {
			t.Errorf("%v, %v", k, err)
		}
	})
}

func FuzzRecordTagsNeverPanics(f *testing.F) {
	f.Add("v=DKIM1; k=rsa; p=AAAA")
	f.Add(";;=;p")
	f.Fuzz(func(t *testing.T, s string) {
		tags, ok := recordTags(s)
		if ok && tags["p"] != "" {
			sameKey(RSA, tags["p"], "x")
		}
	})
}
