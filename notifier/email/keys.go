package email

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"allclear/notifier"
)

// The algorithms of DKIM keys. Publish RSA in any case: some large receivers
// ignore Ed25519.
const (
	RSA     = "rsa"     // 2048 bits, RFC 8301
	Ed25519 = "ed25519" // RFC 8463
)

// GenerateKey makes a new private key. An unknown algorithm is an *Invalid.
func GenerateKey(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case RSA:
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("generate RSA key: %w", err)
		}
		return k, nil
	case Ed25519:
		_, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("generate Ed25519 key: %w", err)
		}
		return k, nil
	}
	return nil, notifier.Invalidf("algorithm", "%q is not one of rsa, ed25519", algorithm)
}

// WriteKey writes a private key as PKCS#8 in PEM, readable by its owner only. A
// file that is there already is a Refusal (ErrConflict): losing a key in use
// would break every signature.
func WriteKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode private key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return notifier.Refuse(notifier.ErrConflict, "%s exists already; a key file is never overwritten", path)
	}
	if err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(path) // half a key is none
		return fmt.Errorf("write key file %s: %w", path, err)
	}
	return nil
}

// LoadKey reads a private key in PEM, PKCS#8 or PKCS#1. The warnings say what
// is allowed but not wise. A bad file is an *Invalid that names it.
func LoadKey(path string) (crypto.Signer, []string, error) {
	bad := func(format string, args ...any) (crypto.Signer, []string, error) {
		return nil, nil, notifier.Invalidf("key file "+path, format, args...)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read key file: %w", err)
	}
	defer f.Close()
	var warnings []string
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		warnings = append(warnings, fmt.Sprintf("key file %s can be read by others (mode %04o); chmod 600 mends it", path, info.Mode().Perm()))
	}
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return nil, nil, fmt.Errorf("read key file: %w", err)
	}
	key, err := parseKey(text)
	if err != nil {
		return bad("%s", err)
	}
	if k, ok := key.(*rsa.PrivateKey); ok {
		switch bits := k.N.BitLen(); {
		case bits < 1024:
			return bad("RSA key of %d bits; receivers refuse fewer than 1024 (RFC 8301), use 2048", bits)
		case bits < 2048:
			warnings = append(warnings, fmt.Sprintf("key file %s holds an RSA key of %d bits; 2048 is what receivers expect", path, bits))
		}
	}
	return key, warnings, nil
}

func parseKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("holds no PEM block")
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			return nil, errors.New("is encrypted; a key without passphrase is needed")
		}
		k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds no readable RSA key: %w", err)
		}
		return k, nil
	case "PRIVATE KEY":
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds no readable private key: %w", err)
		}
		switch k := k.(type) {
		case *rsa.PrivateKey:
			return k, nil
		case ed25519.PrivateKey:
			return k, nil
		}
		return nil, fmt.Errorf("holds a key of type %T; DKIM knows RSA and Ed25519", k)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("is encrypted; a key without passphrase is needed")
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, errors.New("holds a public key; the private one is needed")
	}
	return nil, fmt.Errorf("holds %q where PRIVATE KEY is needed", notifier.Clip(block.Type))
}

// ParseKeys reads "domain:selector:keyfile,..." and loads every file. A wrong
// entry is an *Invalid that names it. The empty string is no keys.
func ParseKeys(s string) ([]Key, []string, error) {
	var keys []Key
	var warnings []string
	seen := map[string]bool{}
	if strings.TrimSpace(s) == "" {
		return nil, nil, nil
	}
	for i, entry := range strings.Split(s, ",") {
		bad := func(format string, args ...any) ([]Key, []string, error) {
			return nil, nil, notifier.Invalidf("dkim", "entry %d: %s", i+1, fmt.Sprintf(format, args...))
		}
		parts := strings.SplitN(strings.TrimSpace(entry), ":", 3)
		if len(parts) != 3 || parts[2] == "" {
			return bad("%q is not domain:selector:keyfile", notifier.Clip(entry))
		}
		k := Key{Domain: strings.ToLower(parts[0]), Selector: parts[1]}
		if err := k.checkName(); err != nil {
			return bad("%s", err)
		}
		if name := strings.ToLower(k.String()); seen[name] {
			return bad("%s is named twice; keys of one domain need selectors of their own", k)
		} else {
			seen[name] = true
		}
		signer, w, err := LoadKey(parts[2])
		if err != nil {
			return bad("%s", err)
		}
		k.Signer = signer
		keys, warnings = append(keys, k), append(warnings, w...)
	}
	return keys, warnings, nil
}

// checkName keeps everything out of d= and s= that is not a host name: both
// stand in a header and in a DNS query.
func (k Key) checkName() error {
	if !hostName(k.Domain) || !strings.Contains(k.Domain, ".") {
		return notifier.Invalidf("domain", "%q is not a domain like example.com", notifier.Clip(k.Domain))
	}
	if !hostName(k.Selector) {
		return notifier.Invalidf("selector", "%q is not a selector like s2026", notifier.Clip(k.Selector))
	}
	if len(k.String()) > 253 {
		return notifier.Invalidf("selector", "%d characters in %s...; DNS allows 253", len(k.String()), k.String()[:32])
	}
	return nil
}

func hostName(s string) bool {
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || !markText(label) {
			return false
		}
	}
	return true
}
