package templates

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"time"

	"allclear/notifier"
)

// The samples with which every view is tried out when a set is made, and which
// previews show.

func sampleDay() time.Time { return time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) }

func sampleAt(h, m int) time.Time {
	return sampleDay().Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute)
}

// sampleStory is what a view tells of, in our own words.
func sampleStory(v view) notifier.Story {
	e := notifier.Event{Number: 7, ID: "ev7sample", Type: v.on, Lane: notifier.LaneIncident, IncidentID: "7kq2m9", AcceptedAt: sampleAt(18, 25)}
	switch {
	case v.on.Personal():
		return notifier.Story{Event: notifier.Event{Number: 7, ID: "ev7sample", Type: v.on, Lane: notifier.LaneConfirm, Reader: 1, AcceptedAt: sampleAt(18, 25)}, Endpoint: sampleEndpoint(v)}
	case v.on == notifier.DigestDue:
		return sampleDigest(e, "daily")
	case v.on == "":
		return notifier.Story{Event: notifier.Event{Lane: notifier.LaneConfirm, AcceptedAt: sampleAt(18, 25)}}
	case v.on == notifier.PostPublished:
		return tellStory(e, samplePost(), nil)
	case strings.HasPrefix(v.name, "maintenance-"):
		return tellStory(e, sampleMaintenance(v.on), map[string]string{"imap7": "imap7"})
	}
	return tellStory(e, sampleIncident(v.on), map[string]string{"imap7": "imap7", "incoming": "Incoming mail"})
}

// tellStory numbers the updates as if each had caused an event, the last one e.
func tellStory(e notifier.Event, inc notifier.Incident, names map[string]string) notifier.Story {
	s := notifier.Story{Event: e, Components: names}
	for i := range inc.Updates {
		u := &inc.Updates[i]
		u.IncidentID, u.CreatedAt = inc.ID, u.At
		u.Event = e.Number - int64(len(inc.Updates)-1-i)
		if u.Event != e.Number {
			s.Previous = append(s.Previous, notifier.Event{Number: u.Event, ID: fmt.Sprintf("ev%dsample", u.Event), IncidentID: inc.ID, Severity: u.Severity})
		} else {
			s.Event.UpdateID, s.Event.AcceptedAt = u.ID, u.At
		}
	}
	s.Incident = inc
	return s
}

func sampleIncident(t notifier.EventType) notifier.Incident {
	low, high := 5.0, 10.0
	delay := notifier.Impact{DelayMinMinutes: &low, DelayMaxMinutes: &high}
	inc := notifier.Incident{
		ID: "7kq2m9", Title: "imap7 does not answer", Kind: notifier.KindIncident, Severity: notifier.SeverityMajor,
		Status: notifier.Investigating, State: notifier.Published, Components: []string{"imap7", "incoming"},
		OpenedAt: sampleAt(16, 11), CreatedAt: sampleAt(16, 11), UpdatedAt: sampleAt(16, 14), Impact: delay,
		Updates: []notifier.Update{
			{ID: "u1", Status: notifier.Investigating, Severity: notifier.SeverityMajor, At: sampleAt(16, 11),
				Body: "Since {{at \"2026-11-23T16:11:00Z\"}} customers on **imap7** cannot read their mail. Mail that arrives for them is kept and will be delivered."},
			{ID: "u2", Status: notifier.Identified, Severity: notifier.SeverityMajor, At: sampleAt(16, 35), Impact: delay,
				Body: "A disk shelf failed. We are opening the mailboxes on the replica; nothing is lost.\n\n- Reading: works again for one mailbox after the other\n- Sending: not touched\n\nThe next news is due at {{at \"2026-11-23T17:30:00Z\"}}."},
		},
	}
	if t == notifier.IncidentCreated {
		inc.Updates, inc.Impact = inc.Updates[:1], notifier.Impact{}
		return inc
	}
	inc.Status = notifier.Identified
	switch t {
	case notifier.IncidentUpdated:
		inc.Updates = append(inc.Updates, notifier.Update{ID: "u3", Status: notifier.Monitoring, Severity: notifier.SeverityMajor, At: sampleAt(17, 28), Impact: delay,
			Body: "Every mailbox is open on the replica. The queues are still being worked off, so new mail comes 5 to 10 minutes late. Please [write to us](mailto:support@example.com) if yours is not back."})
		inc.Status = notifier.Monitoring
	case notifier.IncidentResolved:
		inc.Updates = append(inc.Updates, notifier.Update{ID: "u3", Status: notifier.Resolved, Severity: notifier.SeverityMajor, At: sampleAt(18, 25), Impact: delay,
			Body: "All queues are empty and mail arrives at once. No mail was lost. We have ordered a new shelf and will say here when imap7 moves back."})
		inc.Status, inc.ResolvedAt = notifier.Resolved, sampleAt(18, 25)
	case notifier.IncidentCorrected:
		inc.Updates[1].Body = "A disk *controller* failed, not the shelf as we wrote before. What it means for you is the same: nothing is lost."
	case notifier.IncidentRetracted:
		inc.State = notifier.Retracted
		inc.Updates = append(inc.Updates, notifier.Update{ID: "u3", Status: notifier.Identified, At: sampleAt(18, 25),
			Body: "This was meant for our test system. Nothing was wrong with imap7. We are sorry for the noise."})
	}
	return inc
}

func sampleMaintenance(t notifier.EventType) notifier.Incident {
	starts, ends := sampleDay().Add(26*time.Hour), sampleDay().Add(28*time.Hour)
	inc := notifier.Incident{
		ID: "7kq2m9", Title: "imap7 moves to a new disk shelf", Kind: notifier.KindMaintenance, Status: notifier.Scheduled,
		State: notifier.Published, Components: []string{"imap7"}, StartsAt: starts, EndsAt: ends, OpenedAt: sampleAt(9, 30),
	}
	say := func(id string, st notifier.Status, at time.Time, body string) {
		inc.Updates = append(inc.Updates, notifier.Update{ID: id, Status: st, At: at, Body: body, StartsAt: inc.StartsAt, EndsAt: inc.EndsAt})
		inc.Status = st
	}
	say("u1", notifier.Scheduled, sampleAt(9, 30), "For some minutes within this time you will have to log in again. Mail that arrives meanwhile is kept and delivered afterwards.")
	if t == notifier.MaintenanceScheduled || t == notifier.MaintenanceReminder {
		return inc
	}
	say("u2", notifier.InProgress, starts.Add(2*time.Minute), "We have begun.")
	switch t {
	case notifier.MaintenanceExtended:
		inc.EndsAt = ends.Add(time.Hour)
		say("u3", notifier.Extended, ends.Add(-10*time.Minute), "Copying takes longer than we thought. Mail can be read all the while.")
	case notifier.MaintenanceCompleted:
		say("u3", notifier.Completed, ends.Add(4*time.Minute), "imap7 runs on the new shelf. You need to do nothing.")
		inc.ResolvedAt = ends.Add(4 * time.Minute)
	}
	return inc
}

func samplePost() notifier.Incident {
	return notifier.Incident{
		ID: "7kq2m9", Title: "What we learned from the database outage", Kind: notifier.KindPost, State: notifier.Published, OpenedAt: sampleAt(18, 25),
		Updates: []notifier.Update{{ID: "u1", At: sampleAt(18, 25), Body: "Last week our main database stopped, and everything stopped with it.\n\n" +
			"### What we change\n\n1. The standby takes over by itself, tried every week.\n2. Mail that arrives is written to *two* machines before we say yes to it.\n\n" +
			"> We would rather tell you ten times too often than once too late.\n\nThe whole report is at <https://example.com/report>. To look at your own queue: `mailq -u you`."}},
	}
}

// RenderSample renders a mail's view for a sample event; link tokens are left as marks.
func (s *Set) RenderSample(name, language, zone string) (*notifier.Letter, error) {
	if _, ok := noticeNamed(name); ok {
		return s.sampleLetter(name, s.Times(language, zone))
	}
	v := viewNamed(name)
	if v.name == "" {
		return nil, notifier.Invalidf("view", "%q is not one of %s", name, strings.Join(s.Views(), ", "))
	}
	return s.sample(v, s.Times(language, zone))
}

func (s *Set) sample(v view, times Times) (*notifier.Letter, error) {
	story := sampleStory(v)
	return s.letter(story, circumstances{view: v, since: story.Event.Number, told: story.Event.Number - 1, times: times}, "sample")
}

// tryMails renders every mail in every language.
func (s *Set) tryMails() error {
	for _, cat := range s.languages.all {
		for _, v := range views() {
			l, err := s.sample(v, Times{cat: cat, zone: s.zone})
			if err != nil {
				return err
			}
			if err := s.checkLink(v, l); err != nil {
				return err
			}
		}
		for _, name := range notifier.NoticeTemplates {
			if _, err := s.sampleLetter(name, Times{cat: cat, zone: s.zone}); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkLink makes sure that an override has not lost the link that a mail must
// not be without, in either of its forms.
func (s *Set) checkLink(v view, l *notifier.Letter) error {
	what := "to leave"
	switch {
	case l.Type == notifier.SubscriberConfirm, l.Type == notifier.SubscriberSecond:
		what = "to confirm"
	case l.Type.Personal():
		what = "to follow"
	}
	for _, b := range l.Blanks[:min(len(l.Blanks), 1)] { // an override may do without the one to manage
		if strings.Contains(l.HTML, b.Mark) && strings.Contains(l.Text, b.Mark) {
			continue
		}
		file := v.file
		for _, f := range []string{v.file, "mail/layout.html", "mail/partials/footer.html"} {
			if s.files.overridden(f) {
				file = f
			}
		}
		return fmt.Errorf("templates: %s: the mail has no link %s", file, what)
	}
	return nil
}

// samplePage is a page's data for trying it out.
func samplePage(name string) any {
	open := sampleIncident(notifier.IncidentUpdated)
	past := sampleIncident(notifier.IncidentResolved)
	past.ID, past.Title, past.Components = "3fd81x", "Mail delayed by 5 to 10 minutes", []string{"incoming"}
	past.Updates = past.Updates[2:]
	past.OpenedAt, past.ResolvedAt, past.Updates[0].At = sampleAt(8, 35).AddDate(0, 0, -2), sampleAt(9, 40).AddDate(0, 0, -2), sampleAt(9, 40).AddDate(0, 0, -2)
	parts := []notifier.Component{
		{Key: "incoming", Name: "Incoming mail", State: notifier.Operational},
		{Key: "imap7", Name: "imap7", State: notifier.MajorOutage},
		{Key: "web", Name: "Web", State: notifier.Operational},
	}
	switch name {
	case PageHome:
		open.Components = []string{"imap7"}
		return Home{Incidents: []notifier.Incident{open, sampleMaintenance(notifier.MaintenanceScheduled), past, samplePost()}, Components: parts, Followers: 3975, Subscribe: &SubscribeForm{Token: "t", Components: parts, Mine: true, Cadences: []string{"instant", "milestones", "daily", "weekly", "monthly"}}}
	case PageHistory:
		return History{Month: sampleDay(), Incidents: []notifier.Incident{open, past}, Components: parts, Earlier: true}
	case PageIncident:
		return IncidentPage{Incident: sampleIncident(notifier.IncidentResolved), Components: parts}
	case PageSubscribe:
		return SubscribeForm{
			Cadences: []string{"instant", "milestones", "daily", "weekly", "monthly"},
			Token:    "t", Components: parts, Mine: true, Whole: true, Endpoints: true, Phones: true, Entered: url.Values{"address": {"ann.example.com"}, "components": {"imap7"}},
			Wrong: []WrongField{{"address", "address"}, {"state", "refused"}},
		}
	case PageSubscribeStep:
		return SubscribeStep{Token: "t", Entered: url.Values{"address": {"ann@example.com"}}, Challenge: "c", Bits: 16, Code: "123456"}
	case PageMessage:
		return MessagePage{Kind: MessageLinkInvalid}
	case PageManage:
		return ManagePage{
			Path: "/manage/TOKEN", Leave: "/unsubscribe/TOKEN", Address: "ingrid@example.com", State: "paused", Until: sampleAt(18, 30).AddDate(0, 0, 12), Now: sampleAt(18, 30),
			Parts: parts, Some: true, Chosen: []string{"imap7"}, Mine: true, Severity: notifier.SeverityMajor, Cadence: "instant", Cadences: []string{"instant", "milestones", "daily", "weekly", "monthly"},
			Timezone: "Europe/Oslo", Language: "nb", Movable: true, MovingTo: "ingrid@example.org",
			SecondAsked: true, SecondDomain: "example.com", SecondPhones: true, SecondHooks: true, Second: "ingrid@elsewhere.example", SecondState: "pending", Wrong: []string{"timezone"},
			Told: []notifier.Told{{Delivery: notifier.Delivery{State: notifier.Sent, AcceptedAt: sampleAt(17, 28), SentAt: sampleAt(17, 29)}, Type: notifier.IncidentUpdated, IncidentID: open.ID, Title: open.Title}},
		}
	case PageLink:
		return LinkPage{Token: "t", Address: "ingrid@", Wrong: true}
	case PageMove:
		return ActionPage{From: "ingrid@example.com", To: "ingrid@example.org"}
	case PageUnsubscribed, PageEndpointLeft, PagePhoneLeft:
		return ActionPage{Undo: "/undo/TOKEN", Ask: true}
	}
	if data := sampleDoor(name, parts); data != nil {
		return data
	}
	if name == PageConfirmed {
		return ActionPage{Open: []notifier.Incident{open}, Manage: "/manage/TOKEN", Domain: "example.com"}
	}
	return ActionPage{}
}

// RenderSamplePage renders a page with sample data; language as for Pages.Page.
func (s *Set) RenderSamplePage(name, language string) ([]byte, error) {
	var out bytes.Buffer
	err := s.pages.render(&out, strings.TrimPrefix(name, "page/"), language, samplePage(strings.TrimPrefix(name, "page/")), sampleAt(18, 30))
	return out.Bytes(), err
}
