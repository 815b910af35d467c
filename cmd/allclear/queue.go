package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

type queueCmd struct {
	Status queueStatusCmd `cmd:"" help:"What waits, and since when."`
	Retry  queueRetryCmd  `cmd:"" help:"Try again what failed, of an event or one delivery."`
	Pause  queuePauseCmd  `cmd:"" help:"Hold back all, or a channel, lane, relay or domain."`
	Resume queueResumeCmd `cmd:"" help:"Let what was paused go on."`
}

type queueStatusCmd struct {
	JSON bool `name:"json" help:"Print one JSON object."`
	Base
	Doors
}

func (c *queueStatusCmd) Run(a *app) error {
	texts, err := c.sms()
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		depths, err := db.Depths(ctx)
		if err != nil {
			return err
		}
		pulse, err := db.Pulse(ctx)
		if err != nil {
			return err
		}
		holds, err := db.Holds(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a.out, queueJSON(depths, pulse.Pauses, holds))
		}
		t := newTable("channel", "lane", ">pending", ">sending", ">held", "oldest due")
		for _, d := range depths {
			if d.Pending+d.Sending+d.Held == 0 {
				continue
			}
			age := "-"
			if !d.Oldest.IsZero() {
				age = max(db.Now().Sub(d.Oldest), 0).Round(time.Second).String() + " ago"
			}
			t.add(string(d.Channel), d.Lane, count(d.Pending), count(d.Sending), count(d.Held), age)
		}
		switch {
		case len(t.rows) == 0 && len(holds) == 0:
			fmt.Fprintln(a.out, "nothing waits")
		case len(t.rows) > 0:
			if err := t.print(a.out); err != nil {
				return err
			}
			printLastAnswer(ctx, a.out, db)
		}
		if texts != nil && texts.Budget > 0 {
			if err := printBudget(ctx, a.out, db, texts.Budget); err != nil {
				return err
			}
		}
		for _, h := range holds {
			fmt.Fprintf(a.out, "held until %s, nobody told yet: %s; allclear incident release %s sends it now\n", stamp(h.Until), h.Title, h.IncidentID)
		}
		for _, p := range pulse.Pauses {
			fmt.Fprintf(a.out, "paused: %s, by %s since %s\n", pauseWord(p.Scope, p.Key), p.By, stamp(p.Since))
		}
		return nil
	})
}

// longestText is how many parts a text message has at most.
const longestText = 3

// printBudget says that the day's budget of text messages is used up, so far that
// a message may not fit into it, and until when.
func printBudget(ctx context.Context, w io.Writer, db *store.Store, limit int) error {
	now := db.Now().UTC()
	spent, err := db.SegmentsSpent(ctx, now.Format(time.DateOnly))
	if err != nil || spent+longestText <= limit {
		return err
	}
	tomorrow := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, time.UTC)
	_, err = fmt.Fprintf(w, "texts: the day's budget is used up (%d of %s); what does not fit waits until %s\n", spent, plural(int64(limit), "part"), stamp(tomorrow))
	return err
}

// printLastAnswer says why mail waits, as far as that is quickly known: the
// newest answer among the oldest deliveries that were tried and wait.
func printLastAnswer(ctx context.Context, w io.Writer, db *store.Store) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var last notifier.Delivery
	for _, state := range []notifier.DeliveryState{notifier.Pending, notifier.Held} {
		page, _, err := db.Deliveries(ctx, notifier.DeliveryQuery{State: state, Limit: 50})
		if err != nil {
			return // a help beside the answer, not worth waiting or failing for
		}
		for _, d := range page {
			if answered(d) != "" && d.TriedAt.After(last.TriedAt) {
				last = d
			}
		}
	}
	if last.Reply == "" {
		return
	}
	from := ""
	if last.Relay != "" {
		from = " from " + last.Relay
	}
	ago := max(db.Now().Sub(last.TriedAt), 0).Round(time.Second)
	fmt.Fprintf(w, "last answer: %s%s, %s ago (delivery %s)\n", answered(last), from, ago, last.ID)
}

func queueJSON(depths []notifier.Depth, pauses []notifier.Pause, holds []notifier.Hold) any {
	type depth struct {
		Channel notifier.Channel `json:"channel"`
		Lane    notifier.Lane    `json:"lane"`
		Pending int64            `json:"pending"`
		Sending int64            `json:"sending"`
		Held    int64            `json:"held"`
		Oldest  *time.Time       `json:"oldest_due_at"`
	}
	type pause struct {
		Scope notifier.PauseScope `json:"scope"`
		Key   string              `json:"key"`
		By    string              `json:"by"`
		Since *time.Time          `json:"since"`
	}
	type hold struct {
		IncidentID string     `json:"incident_id"`
		Title      string     `json:"title"`
		Until      *time.Time `json:"until"`
		Events     int64      `json:"events"`
	}
	out := struct {
		Depths []depth `json:"depths"`
		Pauses []pause `json:"pauses"`
		Holds  []hold  `json:"holds"`
	}{[]depth{}, []pause{}, []hold{}}
	for _, h := range holds {
		out.Holds = append(out.Holds, hold{h.IncidentID, h.Title, jsonTime(h.Until), h.Events})
	}
	for _, d := range depths {
		out.Depths = append(out.Depths, depth{d.Channel, d.Lane, d.Pending, d.Sending, d.Held, jsonTime(d.Oldest)})
	}
	for _, p := range pauses {
		out.Pauses = append(out.Pauses, pause{p.Scope, p.Key, p.By, jsonTime(p.Since)})
	}
	return out
}

func pauseWord(scope notifier.PauseScope, key string) string {
	if scope == notifier.PauseAll {
		return "everything"
	}
	return string(scope) + " " + key
}

type queueRetryCmd struct {
	What string `arg:"" name:"event-or-delivery" help:"An event's id (all of it that failed), or one delivery (17-4)."`
	Base
}

func (c *queueRetryCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if id, err := notifier.ParseDeliveryID(c.What); err == nil {
			if err := db.RetryDelivery(ctx, id); err != nil {
				return missing(err, "no delivery %s", c.What)
			}
			fmt.Fprintf(a.out, "delivery %s is tried again\n", id)
			return nil
		}
		n, err := db.RetryFailed(ctx, c.What)
		if err != nil {
			return missing(err, "no event %q; allclear incident show ID names the events of an incident", c.What)
		}
		fmt.Fprintf(a.out, "failed deliveries that are tried again: %s\n", count(int64(n)))
		return nil
	})
}

// scopeArgs name what is paused or resumed.
type scopeArgs struct {
	Scope string `arg:"" help:"all, channel, lane, relay or domain."`
	Key   string `arg:"" optional:"" help:"Which: email; incident; relay.example.com:587; example.com."`
}

func (s scopeArgs) parse() (notifier.PauseScope, string, error) {
	scope, key := notifier.PauseScope(s.Scope), s.Key
	switch scope {
	case notifier.PauseAll:
		if key != "" {
			return "", "", &usageError{"all takes no name behind it"}
		}
		return scope, "", nil
	case notifier.PauseChannel:
		if !slices.Contains(notifier.Channels, notifier.Channel(key)) {
			return "", "", notifier.Invalidf("channel", "%q is not one of email, webhook, sms", key)
		}
	case notifier.PauseLane:
		if _, err := notifier.ParseLane(key); err != nil {
			return "", "", err
		}
	case notifier.PauseRelay:
		if key == "" {
			return "", "", &usageError{"name the relay, as HOST:PORT"}
		}
	case notifier.PauseDomain:
		address, err := subscribers.ParseAddress("x@" + strings.ToLower(key))
		if err != nil {
			return "", "", notifier.Invalidf("domain", "%q is not a domain", key)
		}
		key = subscribers.Domain(address)
	default:
		return "", "", notifier.Invalidf("scope", "%q is not one of all, channel, lane, relay, domain", s.Scope)
	}
	return scope, key, nil
}

type queuePauseCmd struct {
	scopeArgs
	Base
}

func (c *queuePauseCmd) Run(a *app) error {
	scope, key, err := c.parse()
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		err := db.Pause(ctx, notifier.Pause{Scope: scope, Key: key, By: notifier.ActorFrom(ctx).Name, Since: db.Now()})
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "paused %s; allclear queue resume %s lets it go on\n", pauseWord(scope, key), strings.TrimSpace(string(scope)+" "+key))
		return nil
	})
}

type queueResumeCmd struct {
	scopeArgs
	Base
}

func (c *queueResumeCmd) Run(a *app) error {
	scope, key, err := c.parse()
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if err := db.Resume(ctx, scope, key); err != nil {
			return missing(err, "%s is not paused", pauseWord(scope, key))
		}
		fmt.Fprintf(a.out, "%s goes on\n", pauseWord(scope, key))
		return nil
	})
}
