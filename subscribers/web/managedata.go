package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// toldEver is how many deliveries a download holds at most: more than anybody is sent.
const toldEver = 10_000

// eraseAsk shows the button.
func (s *site) eraseAsk(r *http.Request) (answer, error) {
	return s.own(r, func(subscribers.Subscriber) (answer, error) {
		return answer{name: templates.PageErase, data: templates.ActionPage{Manage: "/manage/" + r.PathValue("token")}}, nil
	})
}

// erase forgets the subscriber. There is no way back.
func (s *site) erase(r *http.Request) (answer, error) {
	if err := s.form(r); err != nil {
		return answer{}, err
	}
	return s.own(r, func(who subscribers.Subscriber) (answer, error) {
		if err := s.account.EraseSubscriber(acting(r, who.Number), who.Number); err != nil {
			return answer{}, err
		}
		return answer{name: templates.PageErased, data: templates.ActionPage{}}, nil
	})
}

// data is a download of everything that is kept.
func (s *site) data(r *http.Request) (answer, error) {
	return s.own(r, func(who subscribers.Subscriber) (answer, error) {
		told, err := s.account.Told(r.Context(), who.Number, toldEver)
		if err != nil {
			return answer{}, err
		}
		proof, err := s.signUps.Evidence(r.Context(), who.Number)
		if err != nil {
			return answer{}, err
		}
		body, err := json.MarshalIndent(export(who, proof, told), "", "  ")
		if err != nil {
			return answer{}, fmt.Errorf("write a subscriber's data: %w", err)
		}
		return answer{asset: &templates.Asset{Type: "application/json; charset=utf-8", Body: append(body, '\n')}, file: "subscription.json"}, nil
	})
}

// kept is a subscriber as its download shows it.
type kept struct {
	Subscriber keptSubscriber `json:"subscriber"`
	Consent    []keptConsent  `json:"consent"`
	Deliveries []keptDelivery `json:"deliveries"`
}

type keptSubscriber struct {
	ID             string            `json:"id"`
	Channel        notifier.Channel  `json:"channel"`
	Address        string            `json:"address"`
	State          subscribers.State `json:"state"`
	Components     []string          `json:"components"`
	Severity       notifier.Severity `json:"severity"`
	Kinds          []notifier.Kind   `json:"kinds"`
	Cadence        string            `json:"cadence"`
	Timezone       string            `json:"timezone"`
	Language       string            `json:"language"`
	Group          bool              `json:"group"`
	Contact        string            `json:"contact"`
	CreatedAt      *time.Time        `json:"created_at"`
	ConfirmedAt    *time.Time        `json:"confirmed_at"`
	PausedUntil    *time.Time        `json:"paused_until"`
	UnsubscribedAt *time.Time        `json:"unsubscribed_at"`
	LeaveReason    string            `json:"leave_reason"`
	Incident       string            `json:"incident"`
	Hour           subscribers.Hour  `json:"hour"`
	Weekday        string            `json:"weekday"`
	Critical       bool              `json:"critical"`
	AllQuiet       bool              `json:"all_quiet"`
	Mine           bool              `json:"mine"`
	// Of endpoints and phones; empty for mail.
	Format string               `json:"format"`
	Types  []notifier.EventType `json:"types"`
	Quiet  string               `json:"quiet"`
	Second *keptSecond          `json:"second"`      // null where none is named
	Next   *keptSecond          `json:"second_next"` // takes its place once it is confirmed
}

// keptSecond is the second address, as the page shows it. Whose second one an
// address is, it is not shown either.
type keptSecond struct {
	Channel notifier.Channel  `json:"channel"`
	Address string            `json:"address"`
	State   subscribers.State `json:"state"`
	Used    bool              `json:"used"` // what is announced goes there while mail to the first address is down
}

func keepSecond(s subscribers.Second) *keptSecond {
	if s.Address == "" {
		return nil
	}
	return &keptSecond{s.Channel, s.Address, s.State, s.State == subscribers.Active && s.Unused == ""}
}

// keptConsent is one step of how the subscriber agreed.
type keptConsent struct {
	Step    string     `json:"step"`
	At      *time.Time `json:"at"`
	Network string     `json:"network"`
	Version string     `json:"version"`
	Words   string     `json:"words"`
}

type keptDelivery struct {
	ID         string                 `json:"id"`
	Event      notifier.EventType     `json:"event"`
	Incident   string                 `json:"incident_id"`
	Title      string                 `json:"title"`
	Address    string                 `json:"address"`
	State      notifier.DeliveryState `json:"state"`
	AcceptedAt *time.Time             `json:"accepted_at"`
	TriedAt    *time.Time             `json:"tried_at"`
	SentAt     *time.Time             `json:"sent_at"`
	Reply      string                 `json:"reply"`
}

func export(s subscribers.Subscriber, proof []subscribers.Evidence, told []notifier.Told) kept {
	out := kept{
		Subscriber: keptSubscriber{
			s.Number.String(), s.Channel, s.Address, s.State, append([]string{}, s.Filter.Components...), s.Filter.Severity,
			append([]notifier.Kind{}, s.Filter.Kinds...), string(s.Cadence), s.Timezone, s.Language, s.Group, s.Contact,
			moment(s.CreatedAt), moment(s.ConfirmedAt), moment(s.PausedUntil), moment(s.Unsubscribed), s.Left.Reason, s.Filter.Incident,
			s.Hour, string(s.Weekday), s.Critical, s.AllQuiet, s.Filter.Mine,
			string(s.Format), append([]notifier.EventType{}, s.Filter.Types...), string(s.Quiet), keepSecond(s.Second), keepSecond(s.SecondNext),
		},
		Consent: []keptConsent{}, Deliveries: []keptDelivery{},
	}
	for _, e := range proof {
		out.Consent = append(out.Consent, keptConsent{e.Step, moment(e.At), e.Network, e.Version, e.Words})
	}
	for _, d := range told {
		out.Deliveries = append(out.Deliveries, keptDelivery{
			d.ID.String(), d.Type, d.IncidentID, d.Title, d.Address, d.State, moment(d.AcceptedAt), moment(d.TriedAt), moment(d.SentAt), d.Reply,
		})
	}
	return out
}

// moment is an instant for JSON, null where there is none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
