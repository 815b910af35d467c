package templates

import (
	"time"

	"allclear/notifier"
)

// sampleDigest is a digest of everything that there is, in our own words.
func sampleDigest(e notifier.Event, cadence string) notifier.Story {
	names := map[string]string{"imap7": "imap7", "incoming": "Incoming mail"}
	tell := func(number int64, t notifier.EventType, inc notifier.Incident) notifier.DigestPart {
		ev := notifier.Event{Number: number, ID: "evsample", Type: t, IncidentID: inc.ID, Kind: inc.Kind, Severity: inc.Severity}
		return notifier.DigestPart{Story: tellStory(ev, inc, names), Since: number - 1}
	}
	over := sampleIncident(notifier.IncidentResolved)
	over.ID, over.Title, over.Components = "3fd81x", "Mail delayed by 5 to 10 minutes", []string{"incoming"}
	ahead := sampleMaintenance(notifier.MaintenanceScheduled)
	ahead.ID = "5mnt2a"
	post := samplePost()
	post.ID = "9pst4c"
	wrong := sampleIncident(notifier.IncidentRetracted)
	wrong.ID, wrong.Title = "2wrng7", "Webmail is down"
	d := notifier.Digest{Cadence: cadence, Day: sampleDay().Format(time.DateOnly)}
	if cadence == "" {
		d.Day = ""
	}
	if cadence == "weekly" {
		d.Missed = 1
	}
	e.Type, e.Lane, e.IncidentID, e.AcceptedAt = notifier.DigestDue, notifier.LaneDigest, "", sampleAt(18, 30)
	return notifier.Story{Event: e, Digest: notifier.DigestStory{Digest: d, Parts: []notifier.DigestPart{
		tell(5, notifier.IncidentUpdated, sampleIncident(notifier.IncidentUpdated)),
		tell(4, notifier.IncidentResolved, over),
		tell(3, notifier.MaintenanceScheduled, ahead),
		tell(6, notifier.PostPublished, post),
		tell(2, notifier.IncidentRetracted, wrong),
	}}}
}
