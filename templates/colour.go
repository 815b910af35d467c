package templates

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// The look's accent, the text on it, and the ground it must be read on.
const (
	accentLight    = "#0b5d57"
	accentDark     = "#58c2b8"
	inkLight       = "#ffffff"
	inkDark        = "#06211f"
	surfaceLight   = "#fbfbf9"
	surfaceDark    = "#1b1f23"
	enoughContrast = 4.5 // WCAG 2.2 AA for text
)

// accent is a brand's colour made readable on light and dark ground.
type accent struct{ light, lightInk, dark, darkInk string }

var hexColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// newAccent darkens and lightens colour as far as the two grounds need it.
func newAccent(colour string) (accent, error) {
	if colour == "" {
		return accent{accentLight, inkLight, accentDark, inkDark}, nil
	}
	if !hexColour.MatchString(colour) {
		return accent{}, fmt.Errorf("templates: brand colour %q: write it as #0b5d57", colour)
	}
	a := accent{light: toward(colour, "#000000", surfaceLight), dark: toward(colour, "#ffffff", surfaceDark)}
	a.lightInk, a.darkInk = inkOn(a.light), inkOn(a.dark)
	return a, nil
}

// toward mixes target into colour until it can be read on ground.
func toward(colour, target, ground string) string {
	for step := 0; step <= 20; step++ {
		if c := mix(colour, target, float64(step)/20); contrast(c, ground) >= enoughContrast {
			return c
		}
	}
	return target
}

func inkOn(ground string) string {
	if contrast(inkLight, ground) >= contrast(inkDark, ground) {
		return inkLight
	}
	return inkDark
}

func mix(a, b string, share float64) string {
	x, y := parts(a), parts(b)
	out := "#"
	for i := range x {
		out += fmt.Sprintf("%02x", int(math.Round(x[i]*(1-share)+y[i]*share)))
	}
	return out
}

// contrast is WCAG's ratio of luminance, from 1 to 21.
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
}

func luminance(c string) float64 {
	p := parts(c)
	for i, v := range p {
		v /= 255
		if v <= 0.04045 {
			p[i] = v / 12.92
		} else {
			p[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*p[0] + 0.7152*p[1] + 0.0722*p[2]
}

// parts is red, green and blue of #rrggbb, 0 to 255.
func parts(c string) [3]float64 {
	n, err := strconv.ParseUint(c[1:], 16, 32)
	if err != nil {
		return [3]float64{}
	}
	return [3]float64{float64(n >> 16), float64(n >> 8 & 255), float64(n & 255)}
}

// fill puts the accent into a mail's style sheet.
func (a accent) fill(css string) string {
	return strings.NewReplacer("$accent-dark-ink", a.darkInk, "$accent-dark", a.dark, "$accent-ink", a.lightInk, "$accent", a.light).Replace(css)
}

// properties is the accent for the pages' style sheet.
func (a accent) properties() string {
	return ":root{--accent:" + a.light + ";--accent-ink:" + a.lightInk + "}\n" +
		"@media(prefers-color-scheme:dark){:root{--accent:" + a.dark + ";--accent-ink:" + a.darkInk + "}}\n"
}
