package templates

import (
	"net/url"
	"time"

	"allclear/notifier"
)

// sampleDoor is the data of a page of endpoints or phones; nil for every other.
func sampleDoor(name string, parts []notifier.Component) any {
	chosen := Choices{
		Components: parts, Cadences: []string{"instant", "milestones"},
		Entered: url.Values{"components": {"imap7"}, "types": {"incident.created", "incident.resolved"}, "severity": {"major"}, "cadence": {"milestones"},
			"format": {"slack"}, "quiet_from": {"22:00"}, "quiet_until": {"07:00"}, "timezone": {"Europe/Oslo"}, "language": {"de"}},
	}
	switch name {
	case PageEndpoint:
		chosen.Entered.Set("address", "http://hooks.example.com/status")
		chosen.Entered.Set("contact", "ops@example.com")
		chosen.Wrong = []WrongField{{"address", "scheme"}}
		return EndpointForm{Token: "t", Choices: chosen}
	case PageEndpointConfirm:
		return ActionPage{To: "https://hooks.example.com/status"}
	case PageEndpointConfirmed, PagePhoneDone:
		return ActionPage{Manage: "/manage/TOKEN"}
	case PageEndpointManage:
		return EndpointPage{ //nolint:gosec // nobody's secret
			Path: "/manage/TOKEN", Leave: "/unsubscribe/TOKEN", URL: "https://hooks.example.com/status", Contact: "ops@example.com", State: "active",
			Confirmed: true, Proven: true, Shown: true, Failing: sampleAt(17, 28), Olds: []time.Time{sampleAt(16, 0).AddDate(0, 0, 1), sampleAt(12, 0).AddDate(0, 0, 1)}, ID: "s5", HasToken: true,
			Now: sampleAt(18, 30), Done: "failed", Choices: chosen, Older: "CURSOR", Attempts: sampleAttempts(), Test: &sampleAttempts()[0],
			Secret: "whsec_U0FNUExFU0FNUExFU0FNUExFU0FNUExFU0FNUExFU0FNUExF", Token: "whtk_SAMPLESAMPLESAMPLESAMPLESAMPLESAMPLESAMPLE0",
		}
	case PagePhone:
		chosen.Entered.Set("address", "+1 900 555 0100")
		chosen.Wrong = []WrongField{{"address", "country"}, {"quiet", "quiet"}}
		return PhoneForm{Token: "t", Choices: chosen}
	case PagePhoneCode:
		return PhoneCode{Phone: "+4740000000", Pass: "p", Code: "12345", Wrong: "digits"}
	case PagePhoneManage:
		return PhonePage{
			Path: "/manage/TOKEN", Leave: "/unsubscribe/TOKEN", Phone: "+4740000000", State: "paused", Until: sampleAt(18, 30).AddDate(0, 0, 12),
			Now: sampleAt(18, 30), Choices: chosen,
		}
	}
	return nil
}

func sampleAttempts() []notifier.Attempt {
	return []notifier.Attempt{
		{Type: notifier.EndpointTest, At: sampleAt(18, 29), Status: 503, Took: 120 * time.Millisecond, Answer: "<h1>Service Unavailable</h1>\nTry again later."},
		{Delivery: notifier.MakeDeliveryID(7, 1), Type: notifier.IncidentUpdated, Title: "imap7 does not answer", At: sampleAt(17, 28), Next: sampleAt(19, 28), Trouble: "The endpoint did not answer within 15 s.", Took: 15 * time.Second},
		{Delivery: notifier.MakeDeliveryID(6, 1), Type: notifier.IncidentCreated, Title: "imap7 does not answer", At: sampleAt(16, 14), Status: 204, Took: 41 * time.Millisecond},
	}
}
