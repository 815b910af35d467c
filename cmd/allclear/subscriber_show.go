package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

type subscriberShowCmd struct {
	Who  string `arg:"" name:"address" help:"The address, or the number (s17)."`
	JSON bool   `name:"json" help:"Print one JSON object."`
	Base
}

// shownSubscriber is one for --json, with what else decides whether it is written to.
type shownSubscriber struct {
	subscriberShape
	Suppression *suppressionJSON `json:"suppression"`
	Endpoint    *endpointShape   `json:"endpoint"`
}

// endpointShape is what is known of an endpoint beside its choices.
type endpointShape struct {
	ConfirmedAt  *time.Time           `json:"contact_confirmed_at"`
	ProvenAt     *time.Time           `json:"proven_at"`
	FailingSince *time.Time           `json:"failing_since"`
	DisabledAt   *time.Time           `json:"disabled_at"`
	DisabledWhy  subscribers.Disabled `json:"disabled_why"`
}

func (c *subscriberShowCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		s, err := findSubscriber(ctx, db, c.Who)
		if err != nil {
			return err
		}
		barred, err := findSuppression(ctx, db, s.Channel, s.Address)
		if err != nil {
			return err
		}
		var hook *subscribers.Hook
		if s.Channel == notifier.Webhook {
			h, err := db.Hook(ctx, s.Number)
			if err != nil {
				return err
			}
			hook = &h
		}
		if c.JSON {
			shown := shownSubscriber{subscriberShape: subscriberJSON(s), Suppression: barred}
			if hook != nil {
				shown.Endpoint = &endpointShape{jsonTime(hook.ContactAt), jsonTime(hook.ProvenAt), jsonTime(hook.FailingSince), jsonTime(hook.DisabledAt), hook.DisabledWhy}
			}
			return printJSON(a.out, shown)
		}
		var out strings.Builder
		fmt.Fprintf(&out, "%s  %s\n", s.Number, s.Address)
		for _, x := range append(shown(s), standing(hook, barred)...) {
			if x.value != "" {
				fmt.Fprintf(&out, "%-11s %s\n", x.name, x.value)
			}
		}
		_, err = a.out.Write([]byte(out.String()))
		return err
	})
}

// shownLine is one line of what is shown; it is left out where its value is "".
type shownLine struct{ name, value string }

func shown(s subscribers.Subscriber) []shownLine {
	service := func(v string) string {
		if v == "" {
			return "the service's"
		}
		return v
	}
	lines := []shownLine{
		{"state", string(s.State)}, {"cadence", string(s.Cadence)}, {"components", all(s.Filter.Components, "all") + onlyMine(s)}, {"severity", s.Filter.Severity.String() + " and up"},
		{"kinds", all(s.Filter.Kinds, "all")}, {"format", string(s.Format)},
	}
	if s.Channel == notifier.Webhook {
		lines = append(lines, shownLine{"types", all(s.Filter.Types, "all")})
	}
	if s.Cadence.Digest() {
		lines = append(lines, shownLine{"digests", digestWords(s)})
	}
	if s.Second.Address != "" {
		lines = append(lines, shownLine{"second", s.Second.Address + ", " + s.Second.Words()})
	}
	if s.SecondNext.Address != "" {
		lines = append(lines, shownLine{"then", s.SecondNext.Address + ", once it is confirmed"})
	}
	return append(lines, shownLine{"second of", firstOf(s)},
		shownLine{"quiet", string(s.Quiet)}, shownLine{"time zone", service(s.Timezone)}, shownLine{"language", service(s.Language)},
		shownLine{"since", stamp(s.CreatedAt)}, shownLine{"confirmed", stamp(s.ConfirmedAt)}, shownLine{"left", until(s.Unsubscribed)},
		shownLine{"because", s.Left.Reason}, shownLine{"contact", s.Contact}, shownLine{"only", s.Filter.Incident}, shownLine{"until", until(s.PausedUntil)})
}

// onlyMine says of the components that a subscriber chose which of them it means.
func onlyMine(s subscribers.Subscriber) string {
	if s.Filter.Mine {
		return ", only what touches it"
	}
	return ""
}

// standing says why nothing is sent to somebody, beside their own wish.
func standing(h *subscribers.Hook, barred *suppressionJSON) (lines []shownLine) {
	line := func(name, format string, args ...any) {
		lines = append(lines, shownLine{name, fmt.Sprintf(format, args...)})
	}
	switch {
	case h == nil:
	case h.State == subscribers.Pending && h.ContactAt.IsZero():
		line("waits", "for %s to confirm by the link that was mailed", h.Contact)
	case h.State == subscribers.Pending:
		line("waits", "for a test that it answers with 2xx")
	case h.State == subscribers.Quarantined:
		why := map[subscribers.Disabled]string{
			subscribers.DisabledGone: "it answered that it is gone (410); it is called again once it takes a test", subscribers.DisabledByStaff: "staff switched it off",
			subscribers.DisabledFailing: "it did nothing but fail for 5 days; it is called again once it takes a test",
		}[h.DisabledWhy]
		if at := until(h.DisabledAt); at != "" {
			why = at + ", " + why
		}
		line("off", "%s", why)
	case h.State == subscribers.Active && !h.FailingSince.IsZero():
		line("failing", "since %s; after 5 days of nothing else it is switched off", stamp(h.FailingSince))
	}
	switch {
	case barred == nil:
	case barred.Reason == subscribers.ReasonStop:
		line("stopped", "%s, by STOP: no texts are sent; START from this number begins them again", stamp(*barred.CreatedAt))
	default:
		line("suppressed", "%s, %s: nothing is sent", stamp(*barred.CreatedAt), strings.TrimSuffix(string(barred.Reason)+", "+barred.Note, ", "))
	}
	return lines
}

// until is when a pause ends; "" where it does not by itself.
func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp(t)
}
