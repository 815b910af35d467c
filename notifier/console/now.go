package console

import (
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// nowPage is the first page: what is open, what waits, and what is in trouble.
type nowPage struct {
	Open      []notifier.Incident
	Drafts    int
	Depths    []notifier.Depth
	Waiting   int64
	Oldest    time.Time
	Pauses    []notifier.Pause
	Relays    []Relay
	Domains   []notifier.HeldDomain
	Hooks     []subscribers.Hook
	Events    []told
	Notices   []notifier.Notice // under way, or waiting for somebody
	Followers int64
	Alarms    []notifier.Alarm // latest first of what lasts, then of what is over or told once
	Alert     bool             // somebody is told of them
	New       []newcomer
}

// told is an event, and how far it has come.
type told struct {
	notifier.Progress
	Title string // of the incident or notice
	What  string // what was told of it, in words
	Rate  int64  // messages a second, from the first to the last; 0 where there is no telling
	Held  bool   // until Event.HeldUntil, by hold-down
}

// Link is where there is more about what was told.
func (t told) Link() string {
	if t.Event.NoticeID != "" {
		return Path + "/notices/" + t.Event.NoticeID
	}
	return Path + "/events/" + t.Event.ID
}

// latest is how many events the first page tells of.
const latest = 8

func (c *console) now(q *request) (answer, error) {
	ctx, p := q.Context(), nowPage{Relays: c.o.Relays(), Alert: c.o.Alert}
	var err error
	if p.Alarms, err = c.o.Store.AlarmLog(ctx, mostAlarms); err != nil {
		return answer{}, err
	}
	if p.New, err = c.newcomers(q); err != nil {
		return answer{}, err
	}
	if p.Open, _, err = c.o.Store.Incidents(ctx, notifier.IncidentQuery{Open: true, Limit: 50, Updates: true}); err != nil {
		return answer{}, err
	}
	drafts, _, err := c.o.Store.Incidents(ctx, notifier.IncidentQuery{State: notifier.Draft, Limit: 100})
	if err != nil {
		return answer{}, err
	}
	p.Drafts = len(drafts)
	if p.Depths, err = c.o.Store.Depths(ctx); err != nil {
		return answer{}, err
	}
	for _, d := range p.Depths {
		p.Waiting += d.Pending + d.Sending + d.Held
		if !d.Oldest.IsZero() && (p.Oldest.IsZero() || d.Oldest.Before(p.Oldest)) {
			p.Oldest = d.Oldest
		}
	}
	pulse, err := c.o.Store.Pulse(ctx)
	if err != nil {
		return answer{}, err
	}
	p.Pauses = pulse.Pauses
	if p.Domains, err = c.heldDomains(q, 10); err != nil {
		return answer{}, err
	}
	if p.Hooks, err = c.o.Store.TroubledEndpoints(ctx, 10); err != nil {
		return answer{}, err
	}
	if p.Followers, err = c.o.Store.Followers(ctx); err != nil {
		return answer{}, err
	}
	notices, _, err := c.o.Store.Notices(ctx, "", 20)
	if err != nil {
		return answer{}, err
	}
	for _, n := range notices {
		if !n.State.Final() && n.State != notifier.NoticeDraft {
			p.Notices = append(p.Notices, n)
		}
	}
	if p.Events, err = c.toldOf(q, "", latest); err != nil {
		return answer{}, err
	}
	return answer{page: "now", title: "Now", data: p}, nil
}

// toldOf are the latest events of an incident, or of all, with how far they have come.
func (c *console) toldOf(q *request, incident string, limit int) ([]told, error) {
	events, err := c.o.Store.LatestEvents(q.Context(), incident, limit)
	if err != nil {
		return nil, err
	}
	out, names := make([]told, 0, len(events)), c.named(q)
	for _, e := range events {
		progress, err := c.o.Store.Progress(q.Context(), e.ID)
		if err != nil {
			return nil, err
		}
		t := told{Progress: progress, Held: e.Held(c.o.Now())}
		if took := progress.LastSentAt.Sub(progress.FirstSentAt).Seconds(); took > 0 {
			t.Rate = int64(float64(progress.Counts[notifier.Sent]) / max(took, 1))
		}
		if t.Title, t.What, err = names(e); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// named tells what events were about: a title, and a word for what was told of
// it. It reads each incident and notice once.
func (c *console) named(q *request) func(e notifier.Event) (title, what string, err error) {
	incidents, notices := map[string]notifier.Incident{}, map[string]string{}
	return func(e notifier.Event) (string, string, error) {
		switch {
		case e.NoticeID != "":
			if _, ok := notices[e.NoticeID]; !ok {
				n, err := c.o.Store.Notice(q.Context(), e.NoticeID)
				if err != nil {
					return "", "", err
				}
				notices[e.NoticeID] = n.Title
			}
			return notices[e.NoticeID], "notice", nil
		case e.IncidentID != "":
			i, ok := incidents[e.IncidentID]
			if !ok {
				var err error
				if i, err = c.o.Store.Incident(q.Context(), e.IncidentID); err != nil {
					return "", "", err
				}
				incidents[e.IncidentID] = i
			}
			return i.Title, whatWasTold(e, i), nil
		}
		return "", strings.ReplaceAll(string(e.Type), ".", " "), nil
	}
}

// whatWasTold is an event of an incident in words: "update: identified".
func whatWasTold(e notifier.Event, i notifier.Incident) string {
	switch e.Type {
	case notifier.IncidentCreated:
		return "new incident"
	case notifier.IncidentUpdated:
		at := slices.IndexFunc(i.Updates, func(u notifier.Update) bool { return u.ID == e.UpdateID })
		if at < 0 || i.Updates[at].Status == "" {
			return "update"
		}
		return "update: " + strings.ReplaceAll(string(i.Updates[at].Status), "_", " ")
	case notifier.PostPublished:
		return "post"
	}
	kind, word, _ := strings.Cut(string(e.Type), ".")
	return kind + " " + word // incident resolved, maintenance started
}

// eventPage is one event and what became of its deliveries.
type eventPage struct {
	told
	Counts []stateCount
	Share  share
}

type stateCount struct {
	State notifier.DeliveryState
	N     int64
}

// share is a bar of parts of a thousand.
type share struct{ Sent, Bad, Rest int64 }

func shareOf(counts map[notifier.DeliveryState]int64, total int64) share {
	if total == 0 {
		return share{}
	}
	bad := counts[notifier.Failed] + counts[notifier.Bounced] + counts[notifier.Expired]
	rest := counts[notifier.Superseded] + counts[notifier.Suppressed] + counts[notifier.Cancelled]
	return share{counts[notifier.Sent] * 1000 / total, bad * 1000 / total, rest * 1000 / total}
}

// AfterBad is where the third part begins.
func (s share) AfterBad() int64 { return s.Sent + s.Bad }

func (c *console) event(q *request) (answer, error) {
	progress, err := c.o.Store.Progress(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	p := eventPage{told: told{Progress: progress}, Share: shareOf(progress.Counts, progress.Total)}
	for _, s := range notifier.DeliveryStates {
		p.Counts = append(p.Counts, stateCount{s, progress.Counts[s]})
	}
	if p.Title, p.What, err = c.named(q)(progress.Event); err != nil {
		return answer{}, err
	}
	return answer{page: "event", title: "What became of it", data: &p}, nil
}

func (c *console) retryFailed(q *request) (answer, error) {
	id := q.PathValue("id")
	_, err := c.o.Store.RetryFailed(q.Context(), id)
	return answer{to: Path + "/events/" + id + "?done=retried"}, err
}
