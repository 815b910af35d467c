package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

type toldCmd struct {
	Address string `arg:"" help:"The email address."`
	JSON    bool   `name:"json" help:"Print one JSON object a line."`
	Base
}

func (c *toldCmd) Run(a *app) error {
	address, err := subscribers.ParseAddress(c.Address)
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		t, enc := newTable("accepted", "state", "at", "event", "what"), json.NewEncoder(a.out)
		stories := map[int64]notifier.Story{}
		err := eachDelivery(ctx, db, notifier.DeliveryQuery{Address: address}, func(d notifier.Delivery) error {
			if c.JSON {
				return enc.Encode(deliveryJSON(d))
			}
			story, ok := stories[d.ID.Event()]
			if !ok {
				if story, err = db.Story(ctx, d.ID.Event()); err != nil {
					return err
				}
				story = notifier.Story{Event: story.Event, Incident: notifier.Incident{Title: story.Incident.Title}}
				stories[d.ID.Event()] = story
			}
			t.add(d.AcceptedAt.UTC().Format("2006-01-02 15:04Z"), d.State, became(d), string(story.Event.Type), story.Incident.Title)
			return nil
		})
		if err != nil || c.JSON {
			return err
		}
		suppressed, err := findSuppression(ctx, db, address)
		if err != nil {
			return err
		}
		if suppressed != nil {
			fmt.Fprintf(a.out, "%s is suppressed (%s, %s): nothing is sent to it\n", address, suppressed.Reason, stamp(*suppressed.CreatedAt))
		}
		if len(t.rows) == 0 {
			fmt.Fprintf(a.out, "nothing was sent to %s\n", address)
			return nil
		}
		return t.print(a.out)
	})
}

// became is when a delivery was sent, or why it was not, as short as a table needs it.
func became(d notifier.Delivery) string {
	switch {
	case d.State == notifier.Sent || d.State == notifier.Bounced:
		return d.SentAt.UTC().Format("15:04:05Z")
	case !d.State.Final() && d.DueAt.Before(notifier.UntilResumed) && !d.TriedAt.IsZero():
		return "again " + d.DueAt.UTC().Format("15:04Z")
	case !d.TriedAt.IsZero():
		return d.TriedAt.UTC().Format("15:04:05Z")
	}
	return "-"
}

// ownWords begin what is kept where a peer answered nothing (notifier.SendError).
var ownWords = regexp.MustCompile(`^(temporary|permanent) failure at \w+ \(fault: \w+\)( of \S+)?: `)

// answered is what the peer said to a delivery's last try, or why it said nothing.
func answered(d notifier.Delivery) string { return ownWords.ReplaceAllString(d.Reply, "") }
