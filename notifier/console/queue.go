package console

import (
	"cmp"
	"regexp"
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
	if p.Domains, err = c.heldDomains(q, 20); err != nil {
		return answer{}, err
	}
	return answer{page: "queue", title: "Queue", data: p}, nil
}

// codes are what begins an answer by SMTP: its code and its enhanced code, of RFC 3463.
var codes = regexp.MustCompile(`^[245][0-9]{2}(?:[ -][245]\.[0-9]{1,3}\.[0-9]{1,3})?\b`)

// heldDomains are the domains for which most mail waits. The words of an answer
// may name a reader, whom nobody below a sender is shown.
func (c *console) heldDomains(q *request, limit int) ([]notifier.HeldDomain, error) {
	out, err := c.o.Store.HeldDomains(q.Context(), limit)
	if q.session.Staff.Role.Can(notifier.RoleSender) {
		return out, err
	}
	for i, d := range out {
		if d.Reply != "" {
			out[i].Reply = cmp.Or(codes.FindString(d.Reply), "its words are for senders")
		}
	}
	return out, err
}

// scope reads which part of the queue is meant, such as "channel email"; a
// domain has a field of its own, because it is typed.
func scope(q *request) (notifier.PauseScope, string, error) {
	what, key, _ := strings.Cut(q.form.Get("part"), " ")
	s, domain := notifier.PauseScope(what), strings.ToLower(strings.TrimSpace(q.form.Get("domain")))
	switch {
	case domain == "":
	case s == "", s == notifier.PauseDomain && key == "":
		s, key = notifier.PauseDomain, domain
	default:
		return "", "", notifier.Invalidf("domain", "is given, but what was chosen is %s; choose “a domain of recipients”, or leave the domain empty", strings.TrimSpace(what+" "+key))
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
