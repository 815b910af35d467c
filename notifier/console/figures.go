package console

import (
	"math"
	"net/url"
	"strconv"
	"strings"

	"allclear/notifier"
)

// figure is one number of what readers felt, as forms have it.
type figure struct {
	name string // of the field
	unit string // "%": shares are written of 100, and kept of 1
	of   func(*notifier.Impact) **float64
	most float64 // as it is written
	no   string  // what a wrong one is not
}

func figures() []figure {
	return []figure{
		{"delay_min", "", func(i *notifier.Impact) **float64 { return &i.DelayMinMinutes }, 1e6, "number of minutes"},
		{"delay_max", "", func(i *notifier.Impact) **float64 { return &i.DelayMaxMinutes }, 1e6, "number of minutes"},
		{"error_rate", "%", func(i *notifier.Impact) **float64 { return &i.ErrorRate }, 100, "share of 100; write 5 or 2.5"},
		{"affected_share", "%", func(i *notifier.Impact) **float64 { return &i.AffectedShare }, 100, "share of 100; write 5 or 2.5"},
		{"per_second", "", func(i *notifier.Impact) **float64 { return &i.PerSecond }, 1e12, "number"},
	}
}

// impact reads the figures of a form.
func impact(form url.Values) (notifier.Impact, error) {
	var i notifier.Impact
	for _, f := range figures() {
		given := strings.TrimSpace(form.Get(f.name))
		if given == "" {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(given, f.unit)), 64)
		if err != nil || !(n >= 0 && n <= f.most) {
			return i, notifier.Invalidf(f.name, "%q is no %s", notifier.Clip(given), f.no)
		}
		if f.unit == "%" {
			n /= 100
		}
		*f.of(&i) = &n
	}
	if i.DelayMinMinutes != nil && i.DelayMaxMinutes != nil && *i.DelayMinMinutes > *i.DelayMaxMinutes {
		return i, notifier.Invalidf("delay_min", "is more than the delay that it goes to")
	}
	return i, nil
}

// written are the figures as the fields of a form take them again; "" is unknown.
func written(i notifier.Impact) url.Values {
	out := url.Values{}
	for _, f := range figures() {
		kept := *f.of(&i)
		if kept == nil {
			continue
		}
		n := *kept
		if f.unit == "%" {
			n = math.Round(n*100*1e6) / 1e6 // 0.07 is 7, and not 7.000000000000001
		}
		out.Set(f.name, strconv.FormatFloat(n, 'f', -1, 64))
	}
	return out
}

// figuresOf are the figures that stand in a form, and nothing else of it.
func figuresOf(form url.Values) string {
	out := url.Values{}
	for _, f := range figures() {
		if v := strings.TrimSpace(form.Get(f.name)); v != "" {
			out.Set(f.name, v)
		}
	}
	return out.Encode()
}

// Figured reports whether a form has figures.
func (p writePage) Figured() bool { return figuresOf(p.Form) != "" }

// Figured reports whether a form has figures.
func (p correctPage) Figured() bool { return figuresOf(p.Form) != "" }

// Blank is what no figure means.
func (p writePage) Blank() string {
	if p.Of == nil {
		return ""
	}
	return "What is left empty stays as it was."
}

// Blank is what no figure means.
func (p correctPage) Blank() string { return "What is left empty is not known." }

// felt is one figure for people.
type felt struct{ What, N string }

// feltOf are the figures of an incident that are known.
func feltOf(i notifier.Impact) []felt {
	var out []felt
	w := written(i)
	switch least, most := w.Get("delay_min"), w.Get("delay_max"); {
	case least != "" && most != "" && least != most:
		out = append(out, felt{"Delay", least + " to " + most + " min"})
	case most != "":
		out = append(out, felt{"Delay", "up to " + most + " min"})
	case least != "":
		out = append(out, felt{"Delay", least + " min and more"})
	}
	for _, f := range []felt{{"Requests that fail", "error_rate"}, {"Users affected", "affected_share"}} {
		if v := w.Get(f.N); v != "" {
			out = append(out, felt{f.What, v + " %"})
		}
	}
	if v := w.Get("per_second"); v != "" {
		out = append(out, felt{"A second", v})
	}
	return out
}
