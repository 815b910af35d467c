package templates

import (
	"math"

	"golang.org/x/text/number"
)

func (c *catalogue) percent(share float64) string {
	return c.numbers.Sprint(number.Percent(share, digits(100*share)))
}

// digits are one behind the point, and as many as tell a small number from none.
func digits(v float64) number.Option {
	if v > 0 && v < 1 {
		return number.MaxFractionDigits(1 - int(math.Floor(math.Log10(v))))
	}
	return number.MaxFractionDigits(1)
}
