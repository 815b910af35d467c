package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/store"
)

type incidentListCmd struct {
	Kind  string `placeholder:"KIND" help:"Only incident, maintenance or post."`
	Open  bool   `help:"Only what is still going on."`
	Limit int    `default:"50" placeholder:"N" help:"How many, 1 to 200 (default: 50)."`
	JSON  bool   `name:"json" help:"Print a JSON array."`
	Base
}

func (c *incidentListCmd) Run(a *app) error {
	if c.Limit < 1 || c.Limit > 200 {
		return &usageError{"--limit must be 1 to 200"}
	}
	kinds := []notifier.Kind{notifier.KindIncident, notifier.KindMaintenance, notifier.KindPost}
	if c.Kind != "" && !slices.Contains(kinds, notifier.Kind(c.Kind)) {
		return notifier.Invalidf("kind", "%q is not one of %s", c.Kind, all(kinds, ""))
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		list, more, err := db.Incidents(ctx, notifier.IncidentQuery{Kind: notifier.Kind(c.Kind), Open: c.Open, Limit: c.Limit})
		if err != nil {
			return err
		}
		if c.JSON {
			out := []any{}
			for _, i := range list {
				out = append(out, incidentJSON(i))
			}
			return printJSON(a.out, out)
		}
		if len(list) == 0 {
			fmt.Fprintln(a.out, "none; allclear incident open TITLE announces one")
			return nil
		}
		t := newTable("id", "opened", "state", "severity", "title")
		for _, i := range list {
			t.add(i.ID, i.OpenedAt.UTC().Format("2006-01-02 15:04Z"), stateWord(i), i.Severity, i.Title)
		}
		if err := t.print(a.out); err != nil {
			return err
		}
		if more != "" {
			fmt.Fprintf(a.out, "and older ones (--limit shows more)\n")
		}
		return nil
	})
}

// stateWord is the one word that says how an announcement stands.
func stateWord(i notifier.Incident) string {
	switch {
	case i.State != notifier.Published:
		return string(i.State)
	case i.Kind == notifier.KindPost:
		return "post"
	}
	return words(string(i.Status))
}

type incidentShowCmd struct {
	ID   string `arg:"" help:"The incident."`
	JSON bool   `name:"json" help:"Print one JSON object."`
	Base
}

func (c *incidentShowCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		i, err := db.Incident(ctx, c.ID)
		if err != nil {
			return noIncident(err, c.ID)
		}
		progress, refusals := map[int64]notifier.Progress{}, map[int64][]string{}
		for _, u := range i.Updates {
			if u.Event == 0 {
				continue
			}
			story, err := db.Story(ctx, u.Event)
			if err != nil {
				return err
			}
			if progress[u.Event], err = db.Progress(ctx, story.Event.ID); err != nil {
				return err
			}
			if progress[u.Event].Counts[notifier.Failed] > 0 && !c.JSON {
				if refusals[u.Event], err = whyFailed(ctx, db, story.Event.ID); err != nil {
					return err
				}
			}
		}
		if c.JSON {
			return printJSON(a.out, incidentJSON(i))
		}
		if err := printIncident(a.out, i, progress, refusals, db.Now()); err != nil {
			return err
		}
		held, err := db.HeldUpdates(ctx, i.ID)
		if err != nil {
			return err
		}
		return printHeld(a.out, held)
	})
}

// printHeld shows the updates that wait for a notice, and what keeps them.
func printHeld(w io.Writer, held []notifier.HeldUpdate) error {
	var b strings.Builder
	for _, h := range held {
		if h.Notice == notifier.NoticeCancelled {
			fmt.Fprintf(&b, "\nwaited for notice %s, which was cancelled: it is never published; publish it without --after-notice, or take it back  (update %s)\n", h.After.ID, h.ID)
		} else {
			fmt.Fprintf(&b, "\nwaits for notice %s (%s) to be %s  (update %s)\n", h.After.ID, words(string(h.Notice)), h.After.When, h.ID)
		}
		if h.Trouble != "" {
			fmt.Fprintf(&b, "  cannot be published: %s\n", h.Trouble)
		}
		for _, l := range strings.Split(strings.TrimSpace(h.Saying.Body), "\n") {
			b.WriteString(strings.TrimRight("  "+l, " ") + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printIncident(w io.Writer, i notifier.Incident, progress map[int64]notifier.Progress, refusals map[int64][]string, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s %s", i.Title, i.Kind, i.ID)
	if state := stateWord(i); state != string(i.Kind) {
		b.WriteString(", " + state)
	}
	if i.Severity > notifier.SeverityNone {
		fmt.Fprintf(&b, ", %s", i.Severity)
	}
	fmt.Fprintf(&b, "\ncomponents  %s\nopened      %s\n", all(i.Components, "all"), stamp(i.OpenedAt))
	if line := impactLine(i.Impact); line != "" {
		fmt.Fprintf(&b, "numbers     %s\n", line)
	}
	if i.Kind == notifier.KindMaintenance {
		fmt.Fprintf(&b, "planned     %s to %s\n", stamp(i.StartsAt), stamp(i.EndsAt))
	}
	if !i.ResolvedAt.IsZero() {
		fmt.Fprintf(&b, "over        %s, after %s\n", stamp(i.ResolvedAt), i.ResolvedAt.Sub(i.OpenedAt).Round(time.Second))
	}
	for _, u := range i.Updates {
		fmt.Fprintf(&b, "\n%s  %s  (update %s)\n", stamp(u.At), words(string(u.Status)), u.ID)
		body := notifier.PrintTimes(u.Body, stamp)
		for _, l := range strings.Split(strings.TrimSpace(body), "\n") {
			b.WriteString(strings.TrimRight("  "+l, " ") + "\n")
		}
		if p, ok := progress[u.Event]; ok {
			fmt.Fprintf(&b, "  mail: %s\n", progressLine(p, now))
			for _, why := range refusals[u.Event] {
				fmt.Fprintf(&b, "  failed: %s\n", why)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// mostFailures is how many failed deliveries incident show spells out.
const mostFailures = 5

// whyFailed tells what was answered to an event's first failed deliveries.
func whyFailed(ctx context.Context, db *store.Store, event string) ([]string, error) {
	page, next, err := db.Deliveries(ctx, notifier.DeliveryQuery{Event: event, State: notifier.Failed, Limit: mostFailures})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range page {
		out = append(out, fmt.Sprintf("%s  %s (%s)", d.ID, answered(d), d.Relay))
	}
	if next != "" {
		out = append(out, "and more")
	}
	return out, nil
}

// progressLine says how an event's deliveries fare: "done, 3,975 sent, 2 failed".
func progressLine(p notifier.Progress, now time.Time) string {
	switch {
	case p.Event.Held(now):
		return "held until " + stamp(p.Event.HeldUntil) + ", nobody told yet; allclear incident release sends it now (event " + p.Event.ID + ")"
	case p.Event.Unsaid():
		return "taken back while it was held, nobody was told (event " + p.Event.ID + ")"
	}
	parts := []string{string(p.State())}
	for _, s := range notifier.DeliveryStates {
		if n := p.Counts[s]; n > 0 {
			parts = append(parts, count(n)+" "+string(s))
		}
	}
	if p.Total == 0 {
		parts = append(parts, "nobody to tell yet")
	}
	return strings.Join(parts, ", ") + " (event " + p.Event.ID + ")"
}

func incidentJSON(i notifier.Incident) any {
	type update struct {
		ID     string          `json:"id"`
		Status notifier.Status `json:"status"`
		Body   string          `json:"body"`
		At     *time.Time      `json:"at"`
	}
	updates := []update{}
	for _, u := range i.Updates {
		updates = append(updates, update{u.ID, u.Status, u.Body, jsonTime(u.At)})
	}
	return struct {
		ID         string                `json:"id"`
		Title      string                `json:"title"`
		Kind       notifier.Kind         `json:"kind"`
		Severity   notifier.Severity     `json:"severity"`
		Status     notifier.Status       `json:"status"`
		State      notifier.PublishState `json:"state"`
		Components []string              `json:"components"`
		Impact     notifier.Impact       `json:"impact"`
		OpenedAt   *time.Time            `json:"opened_at"`
		ResolvedAt *time.Time            `json:"resolved_at"`
		StartsAt   *time.Time            `json:"starts_at"`
		EndsAt     *time.Time            `json:"ends_at"`
		Updates    []update              `json:"updates,omitempty"`
	}{
		i.ID, i.Title, i.Kind, i.Severity, i.Status, i.State, append([]string{}, i.Components...), i.Impact,
		jsonTime(i.OpenedAt), jsonTime(i.ResolvedAt), jsonTime(i.StartsAt), jsonTime(i.EndsAt), updates,
	}
}

// impactLine is what readers feel, under the names of the flags that say it.
func impactLine(i notifier.Impact) string {
	var parts []string
	for _, f := range []struct {
		name, unit string
		value      *float64
		times      float64
	}{
		{"delay-min", " min", i.DelayMinMinutes, 1}, {"delay-max", " min", i.DelayMaxMinutes, 1},
		{"error-rate", " %", i.ErrorRate, 100}, {"affected-share", " %", i.AffectedShare, 100}, {"per-second", "", i.PerSecond, 1},
	} {
		if f.value != nil {
			parts = append(parts, f.name+" "+strconv.FormatFloat(*f.value*f.times, 'g', 6, 64)+f.unit)
		}
	}
	return strings.Join(parts, ", ")
}
