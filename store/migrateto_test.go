package store

import "testing"

// MigrateTo brings the schema down, or up, to a version.
func (s *Store) MigrateTo(t testing.TB, version int64) {
	t.Helper()
	p, err := s.provider()
	if err != nil {
		t.Fatal(err)
	}
	have, err := s.applied(t.Context(), s.writer)
	if err != nil {
		t.Fatal(err)
	}
	if len(have) > 0 && have[len(have)-1] > version {
		_, err = p.DownTo(t.Context(), version)
	} else {
		_, err = p.UpTo(t.Context(), version)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Lose takes one version of the schema back, and none that came behind it.
func (s *Store) Lose(t testing.TB, version int64) {
	t.Helper()
	p, err := s.provider()
	if err == nil {
		_, err = p.ApplyVersion(t.Context(), version, false)
	}
	if err != nil {
		t.Fatal(err)
	}
}
