package subscribers

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestAShortLinkLeadsToItsPhoneAndNoOther(t *testing.T) {
	l, other := NewLinks([]byte("secret")), NewLinks([]byte("another"))
	rapid.Check(t, func(t *rapid.T) {
		n := Number(rapid.Int64Range(1, 1<<32-1).Draw(t, "n"))
		token := l.Short(n)
		if got, err := l.OpenShort(token); err != nil || got != n || len(token) != ShortSize {
			t.Fatalf("%s: %s %v", token, got, err)
		}
		if _, err := other.OpenShort(token); !errors.Is(err, ErrLink) {
			t.Fatal("another secret opens it")
		}
		b := []byte(token)
		i := rapid.IntRange(0, len(b)-1).Draw(t, "i")
		if b[i]++; b[i] == '[' || b[i] == '{' || b[i] == ':' {
			b[i] = '_'
		}
		if got, err := l.OpenShort(string(b)); err == nil {
			t.Fatalf("%s, altered from %s, opens %s", b, token, got)
		}
	})
	for _, bad := range []string{"", "x", l.Short(1) + "A", l.Short(1)[1:], "????????????????"} {
		if _, err := l.OpenShort(bad); err == nil {
			t.Errorf("%q opens", bad)
		}
	}
	if l.Short(0)+l.Short(1<<32) != "" {
		t.Error("a number that no row has made a token")
	}
}
