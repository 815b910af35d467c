package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"allclear/notifier"
)

// rules say how alerts become incidents. They stand in the URL that the
// monitor is given, so that two receivers of one monitor can have different
// ones, and nothing has to be kept in step with it here.
type rules struct {
	componentLabels []string // the first one that an alert has names its component
	severityLabels  []string
	state           notifier.PublishState
	quiet           bool
	source          string // tells monitors of one kind apart
	known           []notifier.Component
}

var (
	usualComponentLabels = []string{"component", "service", "job"}
	usualSeverityLabels  = []string{"severity"}
)

// readRules reads the parameters of an intake's URL. A draft is the default: a
// machine has to be told to publish.
func readRules(v url.Values) (rules, error) {
	r := rules{componentLabels: usualComponentLabels, severityLabels: usualSeverityLabels, state: notifier.Draft}
	known := []string{"component_label", "severity_label", "state", "notify", "source"}
	for given, values := range v {
		if !slices.Contains(known, given) {
			return r, notifier.Invalidf(notifier.Clip(given), "is not a known parameter; known are %s", strings.Join(known, ", "))
		}
		if len(values) > 1 {
			return r, notifier.Invalidf(given, "stands there more than once")
		}
		if len(values[0]) > 200 || !utf8.ValidString(values[0]) || strings.ContainsAny(values[0], "\x00\ufffd") {
			return r, notifier.Invalidf(given, "is longer than 200 bytes, or holds a NUL or broken UTF-8")
		}
	}
	for from, to := range map[string]*[]string{"component_label": &r.componentLabels, "severity_label": &r.severityLabels} {
		if v.Has(from) {
			*to = nil
			for label := range strings.SplitSeq(v.Get(from), ",") {
				if label = strings.TrimSpace(label); label == "" {
					return r, notifier.Invalidf(from, "names no label; several are separated by commas")
				}
				*to = append(*to, label)
			}
		}
	}
	state, err := oneOf(v, "state", []notifier.PublishState{notifier.Draft, notifier.Published})
	if err != nil {
		return r, err
	}
	if state != "" {
		r.state = state
	}
	if v.Get("notify") != "" {
		loud, err := flag(v, "notify")
		if err != nil {
			return r, err
		}
		r.quiet = !loud
	}
	r.source = strings.TrimSpace(v.Get("source"))
	return r, nil
}

// from names a monitor of a kind.
func (r *rules) from(kind string) string {
	if r.source == "" {
		return kind
	}
	return kind + "/" + r.source
}

// opening is what the rules say of every incident that is opened.
func (r *rules) opening(title string) notifier.Announcement {
	return notifier.Announcement{Title: notifier.MonitorTitle(title), State: r.state, Quiet: r.quiet}
}

// component finds the component that an alert's labels name, and warns where
// they name one that is not there: then the incident names none.
func (in *intake) component(labels map[string]string) []string {
	unknown := ""
	for _, label := range in.rules.componentLabels {
		value := strings.TrimSpace(labels[label])
		if value == "" {
			continue
		}
		if key, ok := in.rules.find(value); ok {
			return []string{key}
		}
		if unknown == "" {
			unknown = "there is no component " + strconv.Quote(notifier.Clip(value)) + " (label " + label + "); the incident names none for it"
		}
	}
	if unknown != "" {
		in.warn(unknown)
	}
	return nil
}

// find looks a component up by its key, else by its name.
func (r *rules) find(value string) (string, bool) {
	for _, same := range []func(notifier.Component) bool{
		func(c notifier.Component) bool { return c.Key == value },
		func(c notifier.Component) bool {
			return strings.EqualFold(c.Key, value) || strings.EqualFold(c.Name, value)
		},
	} {
		if n := slices.IndexFunc(r.known, same); n >= 0 {
			return r.known[n].Key, true
		}
	}
	return "", false
}

// severities are the words that monitors use, and ours.
var severities = map[string]notifier.Severity{
	"critical": notifier.SeverityCritical, "fatal": notifier.SeverityCritical, "emergency": notifier.SeverityCritical, "disaster": notifier.SeverityCritical, "page": notifier.SeverityCritical,
	"error": notifier.SeverityMajor, "major": notifier.SeverityMajor, "high": notifier.SeverityMajor,
	"warning": notifier.SeverityMinor, "warn": notifier.SeverityMinor, "minor": notifier.SeverityMinor, "average": notifier.SeverityMinor,
	"info": notifier.SeverityNone, "information": notifier.SeverityNone, "none": notifier.SeverityNone, "low": notifier.SeverityNone,
}

// severity reads an alert's severity. Without one it is minor: an alert is
// trouble, and of what is of no severity most readers want to hear nothing.
func (in *intake) severity(labels map[string]string) notifier.Severity {
	for _, label := range in.rules.severityLabels {
		value := strings.TrimSpace(labels[label])
		if value == "" {
			continue
		}
		return in.rank(value)
	}
	return notifier.SeverityMinor
}

// rank is a monitor's word for how bad it is in ours.
func (in *intake) rank(word string) notifier.Severity {
	s, known := severities[strings.ToLower(word)]
	if !known {
		in.warn("the severity " + strconv.Quote(notifier.Clip(word)) + " is not known; it counts as minor")
		return notifier.SeverityMinor
	}
	return s
}
