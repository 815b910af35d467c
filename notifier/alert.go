package notifier

import "time"

// Alert is what a monitor says of one thing that it watches: it is wrong since
// StartsAt, or was until EndsAt.
type Alert struct {
	Fingerprint string    // names the thing within its report; the same as long as it is wrong
	StartsAt    time.Time // when the trouble began
	EndsAt      time.Time // when it ended; zero while it goes on
	// Undated: the monitor did not say when it began, and StartsAt is when it spoke.
	Undated    bool
	Severity   Severity
	Components []string // keys that exist
	Body       string   // Markdown; what a reader is told of it
}

// Note is something that a monitor's own incident says, once.
type Note struct {
	ID     string
	Status Status // "" keeps it
	Body   string
	At     time.Time
}

// Report is what a monitor sent about one incident of its own.
type Report struct {
	Source      string // the monitor, such as "alertmanager"
	Fingerprint string // names the incident in the monitor's words
	ID          string // of this message, where the monitor numbers them; one that was taken is not taken again
	Alerts      []Alert
	// Over: whatever is not among Alerts is not wrong any more either.
	Over bool
	// Notes are what a monitor says that keeps incidents itself. Then they make
	// the updates, and Alerts only say whether it goes on.
	Notes []Note
	// Opening is how an incident is opened, if one must be: the title, the kind,
	// the state, whether quietly. The rest comes from Alerts and Notes.
	Opening Announcement
}

// Span is the latest beginning and the latest end that were heard of a thing.
// Of two reports it is the later of each, so that neither repeating nor
// reordering them makes another Span.
type Span struct{ StartsAt, EndsAt time.Time }

// Firing reports whether the thing is wrong: it began again after it ended.
func (s Span) Firing() bool { return s.StartsAt.After(s.EndsAt) }

func (s Span) with(a Alert) Span {
	return Span{later(s.StartsAt, a.StartsAt), later(s.EndsAt, a.EndsAt)}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Memory is what was heard of a monitor's incident before.
type Memory struct {
	IncidentID string          // the last one that was opened for it; "" for none
	Severity   Severity        // the highest that the monitor gave that one
	Spans      map[string]Span // by the alerts' fingerprints
	Heard      map[string]bool // ids of messages and of notes
}

// Firing reports whether anything of it is wrong.
func (m *Memory) Firing() bool {
	for _, s := range m.Spans {
		if s.Firing() {
			return true
		}
	}
	return false
}

// Outcome is what became of a report.
type Outcome string

// The outcomes.
const (
	ReportOpened    Outcome = "opened"
	ReportUpdated   Outcome = "updated"
	ReportResolved  Outcome = "resolved"
	ReportUnchanged Outcome = "unchanged"
)

// Step is what a report asks for: an incident, then updates to it.
type Step struct {
	Outcome Outcome
	Reason  string // for the person, where nothing changes
	Open    *Announcement
	Say     []Saying
}

// Taken is what was made of a report.
type Taken struct {
	Outcome  Outcome
	Reason   string
	Incident Incident // ID is "" where the report belongs to none
	Events   []Event
	Warnings []string
}
