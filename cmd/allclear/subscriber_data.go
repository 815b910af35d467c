package main

import (
	"context"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

// subscriberShape is one for --json.
type subscriberShape struct {
	ID             string               `json:"id"`
	Channel        notifier.Channel     `json:"channel"`
	Address        string               `json:"address"`
	State          subscribers.State    `json:"state"`
	Components     []string             `json:"components"`
	Severity       notifier.Severity    `json:"severity"`
	Kinds          []notifier.Kind      `json:"kinds"`
	Cadence        string               `json:"cadence"`
	Timezone       string               `json:"timezone"`
	Language       string               `json:"language"`
	CreatedAt      *time.Time           `json:"created_at"`
	ConfirmedAt    *time.Time           `json:"confirmed_at"`
	UnsubscribedAt *time.Time           `json:"unsubscribed_at"`
	Group          bool                 `json:"group"`
	Contact        string               `json:"contact"`
	PausedUntil    *time.Time           `json:"paused_until"`
	LeaveReason    string               `json:"leave_reason"`
	Incident       string               `json:"incident"`
	Format         notifier.Format      `json:"format"`
	Types          []notifier.EventType `json:"types"`
	Quiet          notifier.Quiet       `json:"quiet"`
	Hour           subscribers.Hour     `json:"hour"`
	Weekday        subscribers.Weekday  `json:"weekday"`
	Critical       bool                 `json:"critical"`
	AllQuiet       bool                 `json:"all_quiet"`
	Mine           bool                 `json:"mine"`
	Second         *secondShape         `json:"second"`
	SecondNext     *secondShape         `json:"second_next"` // takes its place once it is confirmed
	SecondOf       string               `json:"second_of"`   // whose second address this is
}

// secondShape is a second address for --json.
type secondShape struct {
	Channel notifier.Channel  `json:"channel"`
	Address string            `json:"address"`
	State   subscribers.State `json:"state"`
	Unused  *string           `json:"unused"` // why nothing is sent there though it was confirmed; null: it is used
}

func secondJSON(s subscribers.Second) *secondShape {
	if s.Address == "" {
		return nil
	}
	out := &secondShape{Channel: s.Channel, Address: s.Address, State: s.State}
	if s.Unused != "" {
		out.Unused = (*string)(&s.Unused)
	}
	return out
}

// firstOf names whose second address a subscriber is; "" for nobody's.
func firstOf(s subscribers.Subscriber) string {
	if s.SecondOf == 0 {
		return ""
	}
	return s.SecondOf.String()
}

func subscriberJSON(s subscribers.Subscriber) subscriberShape {
	return subscriberShape{
		s.Number.String(), s.Channel, s.Address, s.State, append([]string{}, s.Filter.Components...), s.Filter.Severity,
		append([]notifier.Kind{}, s.Filter.Kinds...), string(s.Cadence), s.Timezone, s.Language,
		jsonTime(s.CreatedAt), jsonTime(s.ConfirmedAt), jsonTime(s.Unsubscribed), s.Group, s.Contact, jsonTime(s.PausedUntil), s.Left.Reason, s.Filter.Incident,
		s.Format, append([]notifier.EventType{}, s.Filter.Types...), s.Quiet,
		s.Hour, s.Weekday, s.Critical, s.AllQuiet, s.Filter.Mine, secondJSON(s.Second), secondJSON(s.SecondNext), firstOf(s),
	}
}

// delivery is one for --json.
type delivery struct {
	ID       string                 `json:"id"`
	Channel  notifier.Channel       `json:"channel"`
	Lane     notifier.Lane          `json:"lane"`
	State    notifier.DeliveryState `json:"state"`
	Accepted *time.Time             `json:"accepted_at"`
	Attempts int                    `json:"attempts"`
	TriedAt  *time.Time             `json:"tried_at"`
	SentAt   *time.Time             `json:"sent_at"`
	Relay    string                 `json:"relay"`
	Reply    string                 `json:"reply"`
	Remote   string                 `json:"remote_id"`
}

func deliveryJSON(d notifier.Delivery) delivery {
	return delivery{d.ID.String(), d.Channel, d.Lane, d.State, jsonTime(d.AcceptedAt), d.Attempts, jsonTime(d.TriedAt), jsonTime(d.SentAt), d.Relay, d.Reply, d.Remote}
}

// evidenceJSON is how somebody agreed, for --json.
func evidenceJSON(steps []subscribers.Evidence) any {
	type step struct {
		Step    string     `json:"step"`
		At      *time.Time `json:"at"`
		Network string     `json:"network"`
		Version string     `json:"version"`
		Words   string     `json:"words"`
	}
	out := make([]step, len(steps))
	for i, e := range steps {
		out[i] = step{e.Step, jsonTime(e.At), e.Network, e.Version, e.Words}
	}
	return out
}

// eachDelivery pages through deliveries.
func eachDelivery(ctx context.Context, db *store.Store, q notifier.DeliveryQuery, do func(notifier.Delivery) error) error {
	q.Limit = 200
	for {
		page, next, err := db.Deliveries(ctx, q)
		if err != nil {
			return err
		}
		for _, d := range page {
			if err := do(d); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		q.Cursor = next
	}
}

type subscriberDataCmd struct {
	Address string `arg:"" help:"The address, or the number (s17)."`
	Base
}

func (c *subscriberDataCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		s, err := findSubscriber(ctx, db, c.Address)
		if err != nil {
			return err
		}
		deliveries := []any{}
		err = eachDelivery(ctx, db, notifier.DeliveryQuery{Address: s.Address}, func(d notifier.Delivery) error {
			deliveries = append(deliveries, deliveryJSON(d))
			return nil
		})
		if err != nil {
			return err
		}
		suppressed, err := findSuppression(ctx, db, s.Channel, s.Address)
		if err != nil {
			return err
		}
		proof, err := db.Evidence(ctx, s.Number)
		if err != nil {
			return err
		}
		return printJSON(a.out, struct {
			Subscriber  any `json:"subscriber"`
			Consent     any `json:"consent"`
			Suppression any `json:"suppression"`
			Deliveries  any `json:"deliveries"`
		}{subscriberJSON(s), evidenceJSON(proof), suppressed, deliveries})
	})
}
