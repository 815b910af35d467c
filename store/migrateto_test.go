package store

import "testing"

// MigrateTo brings the schema down, or up, to a version.
func (s *Store) MigrateTo(t testing.TB, version int64) {
	t.Helper()
	p, err := s.provider()
	if err != nil {
		t.Fatal(err)
	}
	have, err := s.version(t.Context(), s.writer)
	if err != nil {
		t.Fatal(err)
	}
	if have > version {
		_, err = p.DownTo(t.Context(), version)
	} else {
		_, err = p.UpTo(t.Context(), version)
	}
	if err != nil {
		t.Fatal(err)
	}
}
