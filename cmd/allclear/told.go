package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

type toldCmd struct {
	Address string `arg:"" help:"The email address, URL or telephone number."`
	JSON    bool   `name:"json" help:"Print one JSON object a line."`
	Base
}

func (c *toldCmd) Run(a *app) error {
	channel, address, err := subscribers.ParseAny(c.Address)
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		first, err := firstAddress(ctx, db, channel, address)
		if err != nil {
			return err
		}
		t, enc := newTable("accepted", "state", "at", "event", "what"), json.NewEncoder(a.out)
		subjects := map[int64]subject{}
		var answers []string
		err = eachDelivery(ctx, db, notifier.DeliveryQuery{Address: address}, func(d notifier.Delivery) error {
			about, ok := subjects[d.ID.Event()]
			if !ok {
				story, err := db.Story(ctx, d.ID.Event())
				if err != nil {
					return err
				}
				about = subjectOf(story)
				subjects[d.ID.Event()] = about
			}
			if c.JSON {
				return enc.Encode(struct {
					delivery
					EventID string             `json:"event_id"`
					Event   notifier.EventType `json:"event"`
					Title   string             `json:"title"`
					InPlace string             `json:"in_place_of"` // the first address, where this is a second one
				}{deliveryJSON(d), about.event, about.kind, about.title, about.inPlaceOf(first.Address)})
			}
			t.add(d.AcceptedAt.UTC().Format("2006-01-02 15:04Z"), d.State, became(d, db.Now()), string(about.kind), about.title)
			if words := answered(d); words != "" && d.State != notifier.Sent {
				answers = append(answers, answer(d, words))
			}
			return nil
		})
		if err != nil || c.JSON {
			return err
		}
		suppressed, err := findSuppression(ctx, db, channel, address)
		if err != nil {
			return err
		}
		if suppressed != nil {
			fmt.Fprintf(a.out, "%s is suppressed (%s, %s): nothing is sent to it\n", address, suppressed.Reason, stamp(*suppressed.CreatedAt))
		}
		switch {
		case first.Address == "":
		case first.Second.Unused != "" && first.Second.Address == address:
			fmt.Fprintf(a.out, "%s is the second address of %s, %s\n", address, first.Address, first.Second.Words())
		default:
			fmt.Fprintf(a.out, "%s is the second address of %s: what is announced goes here while mail there is down\n", address, first.Address)
		}
		if len(t.rows) == 0 {
			twins, err := db.Twins(ctx, channel, address)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.out, nothingSent(address, twins))
			return nil
		}
		if err := t.print(a.out); err != nil || len(answers) == 0 {
			return err
		}
		_, err = fmt.Fprintf(a.out, "\nwhat was answered to those that were not sent:\n  %s\n", strings.Join(answers, "\n  "))
		return err
	})
}

// answer is what was answered to a delivery, and when: at its last try, where it
// was tried, and not when what it tells was accepted.
func answer(d notifier.Delivery, words string) string {
	at, where := d.TriedAt, fmt.Sprintf("delivery %s", d.ID)
	if at.IsZero() {
		at = d.AcceptedAt
	}
	if d.Relay != "" { // else none was asked
		where = d.Relay + ", " + where
	}
	return fmt.Sprintf("%s, %s: %s (%s)", stamp(at), d.State, words, where)
}

// nothingSent says so, and who may be meant: what stands before the @ counts as
// it is written, which whoever asks need not know.
func nothingSent(address string, twins []string) string {
	switch len(twins) {
	case 0:
		return "nothing was sent to " + address
	case 1:
		return fmt.Sprintf("nothing was sent to exactly %s; %s differs in case only: ask for that", address, twins[0])
	}
	return fmt.Sprintf("nothing was sent to exactly %s; these differ in case only: %s", address, strings.Join(twins, ", "))
}

// subject is what an event is about, for a list.
type subject struct {
	event string
	kind  notifier.EventType
	title string
	news  bool // of an incident
}

// inPlaceOf is first, where the event is what a second address is told for it.
func (s subject) inPlaceOf(first string) string {
	if !s.news {
		return ""
	}
	return first
}

// firstAddress is whose second address this is; the zero Subscriber for nobody's.
func firstAddress(ctx context.Context, db *store.Store, channel notifier.Channel, address string) (subscribers.Subscriber, error) {
	found, _, err := db.Subscribers(ctx, subscribers.Query{Channel: channel, Address: address, Limit: 1})
	if err != nil || len(found) == 0 || found[0].SecondOf == 0 {
		return subscribers.Subscriber{}, err
	}
	return db.Subscriber(ctx, found[0].SecondOf)
}

func subjectOf(s notifier.Story) subject {
	title := s.Incident.Title
	switch s.Event.Type {
	case notifier.SubscriberConfirm:
		title = "confirmation"
	case notifier.SubscriberLink:
		title = "link to the subscription"
	case notifier.SubscriberMoveFrom, notifier.SubscriberMoveTo:
		title = "question whether to move"
	case notifier.SubscriberSecond:
		title = "question to a second address"
	case notifier.SubscriberOwner:
		title = "question to the owner"
	case notifier.DigestDue:
		title = digestTitle(s.Digest.Digest)
	case notifier.NoticeSent:
		title = s.Notice.Title
	}
	return subject{s.Event.ID, s.Event.Type, title, s.Event.IncidentID != ""}
}

// digestTitle says which digest one is. What it told may be forgotten.
func digestTitle(d notifier.Digest) string {
	switch {
	case d.Domain != "":
		return "summary: " + d.Domain + " was down"
	case d.Cadence != "":
		return d.Cadence + " digest of " + d.Day
	}
	return "digest"
}

// became is when a delivery was sent, or until when it waits, as short as a table
// needs it. What was never tried and is due later waits for quiet hours to end,
// or for another day's budget.
func became(d notifier.Delivery, now time.Time) string {
	switch {
	case !d.State.Final() && d.DueAt.Before(notifier.UntilResumed) && d.TriedAt.IsZero() && d.DueAt.After(now):
		return "waits till " + d.DueAt.UTC().Format("2006-01-02 15:04Z")
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
