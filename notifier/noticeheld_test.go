package notifier

import (
	"strings"
	"testing"
	"time"
)

func TestAnUpdateThatWaitsForANoticeChangesNothingNow(t *testing.T) {
	i := opened(t, Announcement{})
	p, err := i.Say(Saying{Status: Resolved, Body: `All {{notice.sent}} were told at {{at "now"}}, it began at {{at "15:00"}}.`, AfterNotice: &AfterNotice{ID: "n", When: WhenTried}}, desk())
	if err != nil {
		t.Fatal(err)
	}
	if p.Event != nil || p.Held == nil || p.Incident.Status != i.Status || len(p.Warnings) != 0 || p.Update.ID != p.Held.ID {
		t.Errorf("%+v", p)
	}
	want := `All {{notice.sent}} were told at {{at "now"}}, it began at {{at "2026-11-23T15:00:00Z"}}.`
	if p.Held.Saying.Body != want {
		t.Errorf("%s\nwant %s", p.Held.Saying.Body, want)
	}
	d := desk()
	d.Now = d.Now.Add(time.Hour)
	n := Notice{Counts: map[DeliveryState]int64{Sent: 99}}
	out, err := p.Held.Publish(i, &n, d)
	if err != nil {
		t.Fatal(err)
	}
	if out.Update.ID != p.Held.ID || out.Event.UpdateID != p.Held.ID || out.Incident.Status != Resolved || !out.Update.At.Equal(utc(d.Now)) ||
		!strings.HasPrefix(out.Update.Body, `All 99 were told at {{at "2026-11-23T16:20:00`) {
		t.Errorf("%+v", out.Update)
	}
}

func TestFiguresOfANotice(t *testing.T) {
	n := Notice{WithoutAddress: 1234567, Counts: map[DeliveryState]int64{Sent: 1500, Bounced: 2, Failed: 3, Expired: 1, Pending: 1, Sending: 1, Held: 3, Suppressed: 7}}
	got, err := n.Figures("{{notice.sent}} {{ notice.bounced }} {{notice.failed}} {{notice.retrying}} {{notice.suppressed}} {{notice.without_address}} {{other}}")
	if err != nil || got != "1,500 2 4 5 7 1,234,567 {{other}}" {
		t.Errorf("%s, %v", got, err)
	}
	_, err = n.Figures("{{notice.happy}}")
	invalid(t, err, "body")
}

func TestTheFiguresOfANoticeAreToldByWhatWaitsForItOnly(t *testing.T) {
	i := opened(t, Announcement{})
	for name := range figures {
		body := "All {{ notice." + name + " }} were told."
		_, err := i.Say(Saying{Body: body}, desk())
		if invalid(t, err, "body"); err == nil || !strings.Contains(err.Error(), "after_notice (--after-notice)") {
			t.Errorf("%s: %v", body, err)
		}
		if told := MonitorBody(body, desk()); strings.Contains(told, "{{") { // a machine cannot mend it
			t.Errorf("a monitor's text is %q", told)
		}
	}
}

func TestAnUpdateThatCouldNotBePublishedIsNotHeld(t *testing.T) {
	i := opened(t, Announcement{})
	for field, s := range map[string]Saying{
		"after_notice.id":   {Body: "x", AfterNotice: &AfterNotice{When: WhenTried}},
		"after_notice.when": {Body: "x", AfterNotice: &AfterNotice{ID: "n", When: "soon"}},
		"body":              {Body: "{{notice.mood}}", AfterNotice: &AfterNotice{ID: "n", When: WhenFinal}},
		"status":            {Status: Completed, AfterNotice: &AfterNotice{ID: "n", When: WhenFinal}},
	} {
		_, err := i.Say(s, desk())
		invalid(t, err, field)
	}
}
