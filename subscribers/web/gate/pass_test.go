package gate

import (
	"errors"
	"testing"
	"time"
)

func TestAPassIsAboutOneNumberForADay(t *testing.T) {
	g := New(secret, "phone")
	token := g.Pass("+4740000000", noon)
	for _, c := range []struct {
		gate         *Gate
		token, about string
		after        time.Duration
		want         error
	}{
		{g, token, "+4740000000", 0, nil}, {g, token, "+4740000000", MostAge, nil}, {g, token, "+4740000000", MostAge + time.Second, ErrLate},
		{g, token, "+4740000001", 0, ErrForged}, {g, token[:len(token)-1] + "_", "+4740000000", 0, ErrForged}, {g, "", "", 0, ErrForged},
		{New(secret, "subscribe"), token, "+4740000000", 0, ErrForged}, {g, g.Form(noon), "+4740000000", 0, ErrForged},
		{g, g.Challenge("+4740000000", 4, noon).Token, "+4740000000", 0, ErrForged},
	} {
		if err := c.gate.CheckPass(c.token, c.about, noon.Add(c.after)); !errors.Is(err, c.want) {
			t.Errorf("%q about %s after %s: %v, want %v", c.token, c.about, c.after, err, c.want)
		}
	}
	if err := g.CheckForm(token, noon.Add(time.Minute)); !errors.Is(err, ErrForged) {
		t.Errorf("a pass is good as a form: %v", err)
	}
}
