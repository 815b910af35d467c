package templates

import (
	"time"

	"allclear/notifier"
)

// movedFrom is when a maintenance was to begin by what a reader who was last sent
// told knows, where it is to begin at another time by now; else zero.
func movedFrom(story notifier.Story, newest notifier.Update, told int64) time.Time {
	starts := story.Incident.StartsAt // as mailTimes
	if starts.IsZero() {
		starts = newest.StartsAt
	}
	if story.Event.Type != notifier.MaintenanceScheduled || told <= 0 || starts.IsZero() {
		return time.Time{}
	}
	var known time.Time
	for _, u := range story.Incident.Updates {
		if u.Event > told || u.ID == story.Event.UpdateID {
			break
		}
		if u.Event > 0 {
			known = u.StartsAt
		}
	}
	if known.Equal(starts) {
		return time.Time{}
	}
	return known
}
