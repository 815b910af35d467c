package notifier

import "slices"

// Down reports whether what depends on the component must be thought to be out
// of reach: it has an outage, partial or major, or an incident that is open,
// published and at least major touches it. An incident that names no component
// touches all. What is degraded, or in planned maintenance, is not down.
func (c *Component) Down(incidents []Incident) bool {
	if c.State == PartialOutage || c.State == MajorOutage {
		return true
	}
	return slices.ContainsFunc(incidents, func(i Incident) bool {
		return i.Kind == KindIncident && i.State == Published && i.Open() && i.Severity >= SeverityMajor &&
			(len(i.Components) == 0 || slices.Contains(i.Components, c.Key))
	})
}
