package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// minSecret is the least length of ALLCLEAR_SECRET in bytes.
const minSecret = 32

// stateFolder is where the journal and generated secrets are kept.
func (s *Storage) stateFolder(env *environment) (string, error) {
	if s.State != "" {
		return s.State, nil
	}
	pg, err := s.postgres()
	if err != nil {
		return "", err
	}
	if !pg {
		return strings.TrimSuffix(s.Database, filepath.Ext(s.Database)) + ".state", nil
	}
	if d := env.stateHome(); d != "" {
		return d, nil
	}
	return "", wrong("STATE", "is not set, and there is no home folder to keep state in")
}

// secretOrigin is where the service's key comes from.
type secretOrigin int

const (
	secretSet  secretOrigin = iota // the setting
	secretKept                     // the state folder, where an earlier start left it
	secretMade                     // made just now
)

// secret is the service's key. Where none is set it is the one in the state
// folder, made there where missing.
func (s *Storage) secret(env *environment) (key []byte, from secretOrigin, err error) {
	if s.Secret != "" {
		if len(s.Secret) < minSecret {
			return nil, secretSet, wrong("SECRET", "%d bytes; at least %d are needed (openssl rand -base64 32 makes one)", len(s.Secret), minSecret)
		}
		return []byte(s.Secret), secretSet, nil
	}
	folder, err := s.stateFolder(env)
	if err != nil {
		return nil, secretKept, err
	}
	path := filepath.Join(folder, "secret")
	from = secretKept
	key, err = readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSecret(path); err != nil {
			return nil, secretMade, err
		}
		from = secretMade
		key, err = readSecret(path)
	}
	return key, from, err
}

func readSecret(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the service's secret: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if len(key) < minSecret {
		return nil, wrong("SECRET", "is not set, and %s is too short to be the generated one; restore it from a backup, or remove it to start with a new one (links in mails sent so far will stop working)", path)
	}
	return []byte(key), nil
}

// makeSecret writes a new secret that nobody else can read. Two processes that
// start at once agree on one: a link, unlike a rename, never replaces a file.
func makeSecret(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	raw := make([]byte, minSecret)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	f, err := os.CreateTemp(filepath.Dir(path), "secret.new*")
	if err != nil {
		return fmt.Errorf("make the service's secret: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(base64.RawURLEncoding.EncodeToString(raw) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the service's secret: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep the service's secret: %w", err)
	}
	return nil
}
