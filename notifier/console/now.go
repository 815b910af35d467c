package console

import (
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
}

// told is an event, and how far it has come.
type told struct {
	notifier.Progress
	Title string
	Rate  int64 // messages a second, from the first to the last; 0 where there is no telling
}

// latest is how many events the first page tells of.
const latest = 8

func (c *console) now(q *request) (answer, error) {
	ctx, p := q.Context(), nowPage{Relays: c.o.Relays()}
	var err error
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
	if p.Domains, err = c.o.Store.HeldDomains(ctx, 10); err != nil {
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
	out, titles := make([]told, 0, len(events)), map[string]string{}
	for _, e := range events {
		progress, err := c.o.Store.Progress(q.Context(), e.ID)
		if err != nil {
			return nil, err
		}
		t := told{Progress: progress}
		if took := progress.LastSentAt.Sub(progress.FirstSentAt).Seconds(); took > 0 {
			t.Rate = int64(float64(progress.Counts[notifier.Sent]) / max(took, 1))
		}
		if e.IncidentID != "" && titles[e.IncidentID] == "" {
			i, err := c.o.Store.Incident(q.Context(), e.IncidentID)
			if err != nil {
				return nil, err
			}
			titles[e.IncidentID] = i.Title
		}
		t.Title = titles[e.IncidentID]
		out = append(out, t)
	}
	return out, nil
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
	if id := progress.Event.IncidentID; id != "" {
		i, err := c.o.Store.Incident(q.Context(), id)
		if err != nil {
			return answer{}, err
		}
		p.Title = i.Title
	}
	return answer{page: "event", title: "What became of it", data: &p}, nil
}

func (c *console) retryFailed(q *request) (answer, error) {
	id := q.PathValue("id")
	_, err := c.o.Store.RetryFailed(q.Context(), id)
	return answer{to: Path + "/events/" + id + "?done=retried"}, err
}
