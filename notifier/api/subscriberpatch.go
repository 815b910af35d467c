package api

import (
	"context"
	"slices"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// subscriberPatch is what a PATCH changes: what is not named stays, and a null
// sets back to the default (RFC 7396).
type subscriberPatch struct {
	State      *subscribers.State    `json:"state"`
	Components *[]string             `json:"components"`
	Severity   *string               `json:"severity"`
	Kinds      *[]notifier.Kind      `json:"kinds"`
	Cadence    *subscribers.Cadence  `json:"cadence"`
	Timezone   *string               `json:"timezone"`
	Language   *string               `json:"language"`
	Group      *bool                 `json:"group"`
	Contact    *string               `json:"contact"`
	Format     *notifier.Format      `json:"format"`
	Types      *[]notifier.EventType `json:"types"`
	Quiet      *notifier.Quiet       `json:"quiet"`
	Hour       *int                  `json:"hour"`
	Weekday    *subscribers.Weekday  `json:"weekday"`
	Critical   *bool                 `json:"critical"`
	AllQuiet   *bool                 `json:"all_quiet"`
	Mine       *bool                 `json:"mine"`
	Again      bool                  `json:"again"` // it left once and has asked to come back
	Second     *secondShape          `json:"second"`

	nulls []string
}

// names reports whether the patch has a field: with a value, or with null.
func (p subscriberPatch) names(field string, valued bool) bool {
	return valued || slices.Contains(p.nulls, field)
}

// unset sets a field back to its default.
var unset = map[string]func(*subscribers.Subscriber){
	"components": func(s *subscribers.Subscriber) { s.Filter.Components = nil },
	"severity":   func(s *subscribers.Subscriber) { s.Filter.Severity = notifier.SeverityNone },
	"kinds":      func(s *subscribers.Subscriber) { s.Filter.Kinds = nil },
	"cadence":    func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant },
	"timezone":   func(s *subscribers.Subscriber) { s.Timezone = "" },
	"language":   func(s *subscribers.Subscriber) { s.Language = "" },
	"group":      func(s *subscribers.Subscriber) { s.Group = false },
	"contact":    func(s *subscribers.Subscriber) { s.Contact = "" },
	"format":     func(s *subscribers.Subscriber) { s.Format = "" },
	"types":      func(s *subscribers.Subscriber) { s.Filter.Types = nil },
	"quiet":      func(s *subscribers.Subscriber) { s.Quiet = "" },
	"hour":       func(s *subscribers.Subscriber) { s.Hour = 0 },
	"weekday":    func(s *subscribers.Subscriber) { s.Weekday = "" },
	"critical":   func(s *subscribers.Subscriber) { s.Critical = false },
	"all_quiet":  func(s *subscribers.Subscriber) { s.AllQuiet = false },
	"mine":       func(s *subscribers.Subscriber) { s.Filter.Mine = false },
}

// apply changes s; the second address is a row of its own and not among it.
func (p subscriberPatch) apply(ctx context.Context, s *subscribers.Subscriber, now time.Time) error {
	for _, name := range p.nulls {
		if name == "state" {
			return notifier.Invalidf(name, "cannot be null")
		}
		if f := unset[name]; f != nil {
			f(s)
		}
	}
	if err := p.fill(s); err != nil {
		return err
	}
	if !s.Group && p.Contact == nil && s.Channel == notifier.Email { // there is nobody to ask any more
		s.Contact = ""
	}
	was := s.State
	if keep(&s.State, p.State); p.State != nil && s.State == subscribers.Unsubscribed && was == s.State {
		s.Depart("", now)
	}
	if err := s.Validate(); err != nil {
		return err
	}
	return move(ctx, s, was, p.Again, now)
}

// fill takes over the fields that have a value.
func (p subscriberPatch) fill(s *subscribers.Subscriber) error {
	if p.Severity != nil {
		level, err := notifier.ParseSeverity(*p.Severity)
		if err != nil {
			return err
		}
		s.Filter.Severity = level
	}
	if p.Hour != nil {
		hour, err := subscribers.HourOf(*p.Hour)
		if err != nil {
			return err
		}
		s.Hour = hour
	}
	keep(&s.Filter.Components, p.Components)
	keep(&s.Filter.Kinds, p.Kinds)
	keep(&s.Cadence, p.Cadence)
	keep(&s.Timezone, p.Timezone)
	keep(&s.Language, p.Language)
	keep(&s.Group, p.Group)
	keep(&s.Contact, p.Contact)
	keep(&s.Format, p.Format)
	keep(&s.Filter.Types, p.Types)
	keep(&s.Quiet, p.Quiet)
	keep(&s.Weekday, p.Weekday)
	keep(&s.Critical, p.Critical)
	keep(&s.AllQuiet, p.AllQuiet)
	keep(&s.Filter.Mine, p.Mine)
	return nil
}
