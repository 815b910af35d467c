package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

// intakeRoom takes what monitors send of their own accord. They cannot be
// taught our shapes, so each has a route for its own, and what is not said there
// is said in the URL. Their bodies are read leniently: a monitor that is
// upgraded and sends one field more must not be turned away.
type intakeRoom struct {
	components Components
	alerts     Alerts
	desk       func() notifier.Desk
	url        func(id string) string
}

func (c intakeRoom) routes() []route {
	return []route{
		{method: http.MethodPost, path: "/intake/alertmanager", role: notifier.RolePoster, do: c.take(alertmanagerReports)},
		{method: http.MethodPost, path: "/intake/statuspage", role: notifier.RolePoster, do: c.take(statuspageReports)},
		{method: http.MethodPost, path: "/intake/events", role: notifier.RolePoster, takes: cloudEventTypes, do: c.take(cloudEventReports)},
	}
}

// intake is what one request asks for, and under which rules.
type intake struct {
	*request
	rules    rules
	desk     notifier.Desk
	warnings []string
}

// warn tells the monitor's owner something, once.
func (in *intake) warn(warning string) {
	if !slices.Contains(in.warnings, warning) {
		in.warnings = append(in.warnings, warning)
	}
}

// take makes a handler of what reads a monitor's shape.
func (c intakeRoom) take(read func(*intake) ([]notifier.Report, error)) func(context.Context, *request) (reply, error) {
	return func(ctx context.Context, q *request) (reply, error) {
		in := &intake{request: q, desk: c.desk()}
		var err error
		var values url.Values
		if q.URL != nil {
			values = q.URL.Query()
		}
		if in.rules, err = readRules(values); err != nil {
			return reply{}, err
		}
		if in.rules.known, err = c.components.Components(ctx); err != nil {
			return reply{}, err
		}
		reports, err := read(in)
		if err != nil {
			return reply{}, err
		}
		var taken []notifier.Taken
		if len(reports) > 0 {
			if taken, err = c.alerts.TakeReports(ctx, reports, in.desk); err != nil {
				return reply{}, err
			}
		}
		answer := intakeAnswer{Reports: make([]reportShape, len(taken))}
		for n, t := range taken {
			answer.Reports[n] = c.show(reports[n], t)
			for _, w := range t.Warnings {
				in.warn(w)
			}
		}
		answer.Warnings = keys(in.warnings)
		return reply{http.StatusOK, answer}, nil
	}
}

type intakeAnswer struct {
	Reports  []reportShape `json:"reports"`
	Warnings []string      `json:"warnings"`
}

// reportShape is what became of one report. What belongs to no incident has
// null there.
type reportShape struct {
	Source      string                 `json:"source"`
	Fingerprint string                 `json:"fingerprint"`
	Outcome     notifier.Outcome       `json:"outcome"`
	Reason      *string                `json:"reason"`
	IncidentID  *string                `json:"incident_id"`
	URL         *string                `json:"url"`
	State       *notifier.PublishState `json:"state"`
	Status      *notifier.Status       `json:"status"`
	EventID     *string                `json:"event_id"`
}

func (c intakeRoom) show(r notifier.Report, t notifier.Taken) reportShape {
	s := reportShape{Source: r.Source, Fingerprint: r.Fingerprint, Outcome: t.Outcome, Reason: text(t.Reason)}
	if i := t.Incident; i.ID != "" {
		url := c.url(i.ID)
		s.IncidentID, s.URL, s.State, s.Status = &i.ID, &url, &i.State, &i.Status
	}
	if n := len(t.Events); n > 0 {
		s.EventID = &t.Events[n-1].ID
	}
	return s
}

// read decodes a monitor's body into the struct that into points at. Fields
// that it does not have are passed over.
func (q *request) read(into any) error {
	if len(bytes.TrimSpace(q.body)) == 0 {
		return &unreadable{message: "the body is empty; send a JSON object"}
	}
	if i := invalidUTF8(q.body); i >= 0 {
		return malformed(q.body, int64(i), "is not valid UTF-8")
	}
	if err := json.Unmarshal(q.body, into); err != nil {
		return explain(q.body, err)
	}
	return nil
}

// when reads a time as monitors write it: RFC 3339, and null, "" or the year 1
// for none. Clocks differ; but what lies a day ahead would make all that comes
// until then look old.
func (in *intake) when(field string, s *string) (time.Time, error) {
	if s == nil || strings.HasPrefix(*s, "0001-01-01T") {
		return time.Time{}, nil
	}
	t, err := instant(field, strings.TrimSpace(*s))
	if err == nil && t.After(in.desk.Now.Add(24*time.Hour)) {
		err = notifier.Invalidf(field, "%q lies more than a day ahead", notifier.Clip(*s))
	}
	return t.Truncate(time.Microsecond), err
}

// name checks a text that something is known by from here on.
func name(field, s string) (string, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return "", notifier.Invalidf(field, "must not be empty")
	case strings.ContainsAny(s, "\x00\ufffd"):
		return "", notifier.Invalidf(field, "holds a NUL or broken UTF-8")
	}
	return notifier.Fingerprint(s), nil
}
