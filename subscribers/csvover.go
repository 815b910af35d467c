package subscribers

import (
	"slices"

	"allclear/notifier"
)

// Columns are those that a file of subscribers may have.
func Columns() []string { return slices.Clone(csvColumns) }

// Overwrite makes the choices of a file's row those of who is there already, as
// far as the file has columns for them: of what it has none it says nothing.
func (s *Subscriber) Overwrite(by Subscriber, columns []string) {
	for _, column := range columns {
		switch column {
		case "components":
			s.Filter.Components = by.Filter.Components
		case "severity":
			s.Filter.Severity = by.Filter.Severity
		case "kinds":
			s.Filter.Kinds = by.Filter.Kinds
		case "incident":
			s.Filter.Incident = by.Filter.Incident
		case "types":
			s.Filter.Types = by.Filter.Types
		case "cadence":
			s.Cadence = by.Cadence
		case "timezone":
			s.Timezone = by.Timezone
		case "language":
			s.Language = by.Language
		case "format":
			s.Format = by.Format
		case "quiet":
			s.Quiet = by.Quiet
		case "hour":
			s.Hour = by.Hour
		case "weekday":
			s.Weekday = by.Weekday
		case "critical":
			s.Critical = by.Critical
		case "all_quiet":
			s.AllQuiet = by.AllQuiet
		case "mine":
			s.Filter.Mine = by.Filter.Mine
		case "group":
			if by.Group || by.Channel == notifier.Webhook { // nobody is made the only reader of what many read
				s.Group = by.Group
			}
		case "contact":
			if by.Group || by.Channel == notifier.Webhook {
				s.Contact = by.Contact
			}
		}
	}
}
