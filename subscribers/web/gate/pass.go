package gate

import "time"

const kindPass = 'p'

// Pass makes what a visitor who came through a form carries to the step behind
// it: it is about one number, and about no other.
func (g *Gate) Pass(about string, now time.Time) string { return g.seal(kindPass, 0, about, now) }

// CheckPass judges a pass: nil, ErrLate or ErrForged.
func (g *Gate) CheckPass(token, about string, now time.Time) error {
	switch _, age, err := g.open(kindPass, token, about, now); {
	case err != nil:
		return err
	case age > MostAge || age < -MostAge:
		return ErrLate
	}
	return nil
}
