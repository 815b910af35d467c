package gate

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

var (
	secret = []byte("a secret of thirty-two bytes, yes")
	noon   = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

func TestAFormIsGoodNeitherAtOnceNorForEver(t *testing.T) {
	g := New(secret, "subscribe")
	token := g.Form(noon)
	for _, c := range []struct {
		after time.Duration
		want  error
	}{
		{-time.Hour, ErrEarly}, {0, ErrEarly}, {LeastAge - time.Millisecond, ErrEarly}, {LeastAge, nil}, {MostAge, nil}, {MostAge + time.Millisecond, ErrLate},
	} {
		if err := g.CheckForm(token, noon.Add(c.after)); !errors.Is(err, c.want) {
			t.Errorf("after %s: %v", c.after, err)
		}
	}
}

func TestAnAlteredTokenIsForged(t *testing.T) {
	g := New(secret, "subscribe")
	form, challenge := g.Form(noon), g.Challenge("ann@example.com", 4, noon)
	later := noon.Add(time.Minute)
	check := func(what, token string) {
		t.Helper()
		if err := g.CheckForm(token, later); !errors.Is(err, ErrForged) {
			t.Errorf("%s as a form: %v", what, err)
		}
		if p, err := g.Check(token, "ann@example.com", challenge.Solve(), challenge.Code, later); p != None || !errors.Is(err, ErrForged) {
			t.Errorf("%s as a challenge: %v, %v", what, p, err)
		}
	}
	for _, token := range []string{form, challenge.Token} {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range len(raw) * 8 {
			bent := append([]byte{}, raw...)
			bent[bit/8] ^= 1 << (bit % 8)
			check("a bent one", base64.RawURLEncoding.EncodeToString(bent))
		}
	}
	check("nothing", "")
	check("line ends only", strings.Repeat("\n", len(form)))
	check("line ends within", form[:len(form)-8]+strings.Repeat("\r\n", 4))
	check("a shorter one", form[1:])
	check("a longer one", form+"A")
	check("another purpose's", New(secret, "elsewhere").Form(noon))
	check("another service's", New([]byte("another secret, of more bytes too"), "subscribe").Form(noon))
	if err := g.CheckForm(challenge.Token, later); !errors.Is(err, ErrForged) {
		t.Errorf("a challenge as a form: %v", err)
	}
	if _, err := g.Check(form, "", "", "", later); !errors.Is(err, ErrForged) {
		t.Errorf("a form as a challenge: %v", err)
	}
}

func TestAChallengeIsAnsweredByWorkOrByItsCode(t *testing.T) {
	g := New(secret, "subscribe")
	c := g.Challenge("ann@example.com", 8, noon)
	if len(c.Code) != 6 || strings.Trim(c.Code, "0123456789") != "" {
		t.Errorf("the code is %q", c.Code)
	}
	wrong := "999999"
	if wrong == c.Code {
		wrong = "999998"
	}
	for _, x := range []struct {
		about, number, code string
		after               time.Duration
		want                Proof
		err                 error
	}{
		{"ann@example.com", c.Solve(), "", time.Second, Worked, nil},
		{"ann@example.com", "", c.Code, time.Second, Copied, nil},
		{"ann@example.com", c.Solve(), wrong, time.Second, Worked, nil},
		{"ann@example.com", "", wrong, time.Second, None, nil},
		{"ann@example.com", "", "", time.Second, None, nil},
		{"ann@example.com", strings.Repeat("0", 21), "", time.Second, None, nil},
		{"bob@example.com", c.Solve(), c.Code, time.Second, None, ErrForged}, // worth nothing for anybody else
		{"ann@example.com", c.Solve(), "", ChallengeLife + time.Second, None, ErrLate},
		{"ann@example.com", "", c.Code, -time.Second, None, ErrLate},
	} {
		if got, err := g.Check(c.Token, x.about, x.number, x.code, noon.Add(x.after)); got != x.want || !errors.Is(err, x.err) {
			t.Errorf("%+v: %v, %v", x, got, err)
		}
	}
}

// The work is what the token says: nobody makes it easier by what they send.
func TestTheWorkIsAsHardAsItWasSet(t *testing.T) {
	g := New(secret, "subscribe")
	easy, hard := g.Challenge("a", 1, noon), g.Challenge("a", 12, noon)
	for n := range 100 {
		number := strings.Repeat("1", n%20+1)
		if p, _ := g.Check(hard.Token, "a", number, "", noon); p == Worked && zeros(hard.Token, number) < 12 {
			t.Errorf("%q passes", number)
		}
	}
	if p, _ := g.Check(hard.Token, "a", hard.Solve(), "", noon); p != Worked {
		t.Error("the work does not pass")
	}
	if easy.Bits != 1 || g.Challenge("a", 99, noon).Bits != MostBits || g.Challenge("a", -3, noon).Bits != 1 {
		t.Error("the work is out of bounds")
	}
	if len(hard.Token)+1+20 > 55 {
		t.Error("the script hashes one block only")
	}
}

func FuzzTokens(f *testing.F) {
	g := New(secret, "subscribe")
	f.Add(g.Form(noon), "ann@example.com", "1", "123456")
	f.Add(g.Challenge("ann@example.com", 3, noon).Token, "ann@example.com", "7", "000000")
	f.Add("", "", "", "")
	made := map[string]bool{g.Form(noon): true, g.Challenge("ann@example.com", 3, noon).Token: true}
	f.Fuzz(func(t *testing.T, token, about, number, code string) {
		later := noon.Add(time.Minute)
		if err := g.CheckForm(token, later); err == nil && !made[token] {
			t.Errorf("took %q", token)
		}
		if _, err := g.Check(token, about, number, code, later); err == nil && !made[token] {
			t.Errorf("took %q", token)
		}
	})
}
