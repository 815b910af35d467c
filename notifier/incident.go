package notifier

import "time"

// Kind is what sort of announcement an incident is.
type Kind string

// The kinds of incident.
const (
	KindIncident    Kind = "incident"    // something broke
	KindMaintenance Kind = "maintenance" // something will be worked on
	KindPost        Kind = "post"        // something to say
)

// Kinds lists every kind.
var Kinds = []Kind{KindIncident, KindMaintenance, KindPost}

// Severity ranks an incident; the numbers order it in SQL.
type Severity int

// The severities, least first.
const (
	SeverityNone Severity = iota
	SeverityMinor
	SeverityMajor
	SeverityCritical
)

var severityNames = [...]string{"none", "minor", "major", "critical"}

func (s Severity) String() string {
	if s < 0 || int(s) >= len(severityNames) {
		return "none"
	}
	return severityNames[s]
}

// MarshalText writes the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *Severity) UnmarshalText(b []byte) error {
	v, err := ParseSeverity(string(b))
	*s = v
	return err
}

// ParseSeverity reads none, minor, major or critical; empty is none.
func ParseSeverity(name string) (Severity, error) {
	if name == "" {
		return SeverityNone, nil
	}
	for i, n := range severityNames {
		if n == name {
			return Severity(i), nil
		}
	}
	return 0, Invalidf("severity", "%q is not one of none, minor, major, critical", name)
}

// Status is how far an incident or a maintenance has come. A post has none.
type Status string

// Statuses of incidents, then of maintenance.
const (
	Investigating Status = "investigating"
	Identified    Status = "identified"
	Monitoring    Status = "monitoring"
	Resolved      Status = "resolved"

	Scheduled  Status = "scheduled"
	InProgress Status = "in_progress"
	Extended   Status = "extended"
	Completed  Status = "completed"
)

// Statuses tells which statuses a kind may have, in their usual order.
func Statuses(k Kind) []Status {
	switch k {
	case KindIncident:
		return []Status{Investigating, Identified, Monitoring, Resolved}
	case KindMaintenance:
		return []Status{Scheduled, InProgress, Extended, Completed}
	}
	return nil
}

// Final reports whether the status ends an incident or maintenance.
func (s Status) Final() bool { return s == Resolved || s == Completed }

// PublishState says whether the public may see an incident.
type PublishState string

// The states of publication.
const (
	Draft     PublishState = "draft"
	Published PublishState = "published"
	Retracted PublishState = "retracted" // withdrawn as a mistake
)

// Incident is something announced: an incident, a maintenance or a post.
type Incident struct {
	ID         string // opaque, unguessable; part of URLs and of mail threads
	Title      string
	Kind       Kind
	Severity   Severity
	Status     Status
	State      PublishState
	Components []string  // keys; empty means all of the service
	Impact     Impact    // the latest figures; the worst range seen for delays
	StartsAt   time.Time // maintenance only; else zero
	EndsAt     time.Time
	OpenedAt   time.Time // when it happened (the first update's At)
	ResolvedAt time.Time // zero while open
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Updates    []Update // oldest first, where loaded
}

// Open reports whether the incident or maintenance is still going on.
func (i *Incident) Open() bool {
	return i.Kind != KindPost && !i.Status.Final() && i.State == Published
}

// Update is one thing said about an incident.
type Update struct {
	ID         string
	IncidentID string
	Status     Status
	Body       string    // Markdown; times are resolved, see ResolveTimes
	At         time.Time // when it happened
	CreatedAt  time.Time // when it was written down
	Severity   Severity  // the incident's, from this update on
	Impact     Impact    // the figures this update gave; zero when it gave none
	StartsAt   time.Time
	EndsAt     time.Time
	Event      int64 // number of the event it caused; 0 when nobody was notified
}

// Correct changes the text or time of one update and tells nobody.
func (u Update) Correct(body *string, at *time.Time, d Desk) (Update, []string, error) {
	var warnings []string
	next := u
	if body != nil {
		text, w, err := d.text(*body)
		if err != nil {
			return u, nil, err
		}
		next.Body, warnings = text, w
	}
	if at != nil {
		if err := checkAt(*at, d.Now); err != nil {
			return u, nil, err
		}
		next.At = utc(*at)
	}
	return next, warnings, nil
}
