package console

import (
	"slices"
	"strings"

	"allclear/notifier"
)

type queuePage struct {
	Depths   []notifier.Depth
	Pauses   []notifier.Pause
	Relays   []Relay
	Domains  []notifier.HeldDomain
	Channels []notifier.Channel
	Lanes    []notifier.Lane
}

func (c *console) queue(q *request) (answer, error) {
	p := queuePage{Relays: c.o.Relays(), Channels: notifier.Channels, Lanes: notifier.Lanes}
	var err error
	if p.Depths, err = c.o.Store.Depths(q.Context()); err != nil {
		return answer{}, err
	}
	pulse, err := c.o.Store.Pulse(q.Context())
	if err != nil {
		return answer{}, err
	}
	p.Pauses = pulse.Pauses
	if p.Domains, err = c.o.Store.HeldDomains(q.Context(), 20); err != nil {
		return answer{}, err
	}
	return answer{page: "queue", title: "Queue", data: p}, nil
}

// scope reads which part of the queue is meant, such as "channel email"; a
// domain has a field of its own, because it is typed.
func scope(q *request) (notifier.PauseScope, string, error) {
	what, key, _ := strings.Cut(q.form.Get("part"), " ")
	s := notifier.PauseScope(what)
	if s == notifier.PauseDomain && key == "" {
		key = strings.ToLower(strings.TrimSpace(q.form.Get("domain")))
	}
	if !slices.Contains([]notifier.PauseScope{notifier.PauseAll, notifier.PauseChannel, notifier.PauseLane, notifier.PauseRelay, notifier.PauseDomain}, s) {
		return "", "", notifier.Invalidf("part", "choose which part of the queue is meant")
	}
	return s, key, nil
}

func (c *console) pause(q *request) (answer, error) {
	s, key, err := scope(q)
	if err != nil {
		return answer{}, err
	}
	return answer{to: Path + "/queue?done=paused"}, c.o.Store.Pause(q.Context(), notifier.Pause{Scope: s, Key: key})
}

func (c *console) resume(q *request) (answer, error) {
	s, key, err := scope(q)
	if err != nil {
		return answer{}, err
	}
	return answer{to: Path + "/queue?done=resumed"}, c.o.Store.Resume(q.Context(), s, key)
}
