package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/store/storetest"
)

// groupFires is what Alertmanager 0.27 posts of a group with two alerts, one of
// them over.
const groupFires = `{"version":"4","groupKey":"{}/{team=\"mail\"}:{alertname=\"DiskFull\"}","truncatedAlerts":0,"status":"firing","receiver":"allclear",
	"groupLabels":{"alertname":"DiskFull"},"commonLabels":{"alertname":"DiskFull","severity":"critical","team":"mail"},
	"commonAnnotations":{"summary":"Mail stores are full"},"externalURL":"http://alertmanager.example.com:9093",
	"alerts":[
		{"status":"firing","labels":{"alertname":"DiskFull","instance":"imap7:9100","job":"node","service":"imap7","severity":"critical","team":"mail"},
		 "annotations":{"description":"Mail for **imap7** waits.","summary":"Mail stores are full"},"startsAt":"2026-11-23T16:01:15.123Z","endsAt":"0001-01-01T00:00:00Z",
		 "generatorURL":"http://prometheus.example.com/graph?g0.expr=disk","fingerprint":"c1b5f3ad8b2d4e6f"},
		{"status":"resolved","labels":{"alertname":"DiskFull","instance":"web1:9100","service":"web","severity":"warning"},
		 "annotations":{"description":"The disk of web1 is full."},"startsAt":"2026-11-23T15:51:15.123Z","endsAt":"2026-11-23T16:05:15.123Z",
		 "generatorURL":"","fingerprint":"0a1b2c3d4e5f6071"}]}`

// groupOver is the same group when nothing is wrong any more.
var groupOver = strings.NewReplacer(`"truncatedAlerts":0,"status":"firing"`, `"truncatedAlerts":0,"status":"resolved"`, `{"status":"firing","labels"`, `{"status":"resolved","labels"`,
	`"endsAt":"0001-01-01T00:00:00Z"`, `"endsAt":"2026-11-23T16:10:15.123Z"`).Replace(groupFires)

// intake posts what a monitor sends.
func (b *bench) intake(path, body string, more ...string) answer {
	b.t.Helper()
	return b.as(notifier.RolePoster, http.MethodPost, "/intake/"+path, body, more...)
}

func TestAGroupOfAlertsBecomesADraftAndItsEndResolvesIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		b.component("imap7")
		b.component("web")
		got := b.intake("alertmanager", groupFires).is(http.StatusOK)
		id := got.text("reports.0.incident_id")
		if got.text("reports.0.outcome") != "opened" || got.text("reports.0.source") != "alertmanager" || len(got.field("warnings").([]any)) != 0 {
			t.Errorf("%s", got.body)
		}
		is := b.as(notifier.RoleViewer, http.MethodGet, "/incidents/"+id, "")
		for path, want := range map[string]any{
			"title": "Mail stores are full", "state": "draft", "severity": "critical", "components.0": "imap7", "opened_at": "2026-11-23T16:01:15.123Z",
			"updates.0.body": "Mail for **imap7** waits.", "event_id": nil, "status": "investigating",
		} {
			if v := is.field(path); v != want {
				t.Errorf("%s is %v, want %v", path, v, want)
			}
		}
		for _, again := range []struct{ body, outcome, status string }{
			{groupFires, "unchanged", "investigating"}, {groupOver, "resolved", "resolved"}, {groupOver, "unchanged", "resolved"}, {groupFires, "unchanged", "resolved"},
		} {
			got := b.intake("alertmanager", again.body).is(http.StatusOK)
			if got.text("reports.0.outcome") != again.outcome || got.text("reports.0.status") != again.status || got.text("reports.0.incident_id") != id || got.text("reports.0.state") != "draft" {
				t.Errorf("%s", got.body)
			}
		}
		later := strings.ReplaceAll(groupFires, "2026-11-23T16:01:15", "2026-11-23T16:10:45")
		if got := b.intake("alertmanager", later); got.text("reports.0.outcome") != "opened" || got.text("reports.0.incident_id") == id {
			t.Errorf("%s", got.body)
		}
	})
}

func TestTheURLSaysHowAlertsBecomeIncidents(t *testing.T) {
	b := newBench(t)
	b.component("imap7")
	loud := b.intake("alertmanager?state=published&source=south&component_label=nosuch,team&severity_label=urgency", groupFires).is(http.StatusOK)
	if loud.text("reports.0.state") != "published" || loud.text("reports.0.event_id") == "" || loud.text("reports.0.source") != "alertmanager/south" {
		t.Errorf("%s", loud.body)
	}
	if w := loud.text("warnings.0"); !strings.Contains(w, `no component "mail" (label team)`) {
		t.Errorf("%s", loud.body)
	}
	is := b.as(notifier.RoleViewer, http.MethodGet, "/incidents/"+loud.text("reports.0.incident_id"), "")
	if len(is.field("components").([]any)) != 0 || is.text("severity") != "minor" {
		t.Errorf("%s", is.body)
	}
	over := b.intake("alertmanager?state=published&source=south", groupOver)
	if event := b.as(notifier.RoleViewer, http.MethodGet, "/events/"+over.text("reports.0.event_id"), ""); event.text("type") != "incident.resolved" {
		t.Errorf("%s", event.body)
	}
	quiet := b.intake("alertmanager?state=published&notify=false&source=north", groupFires)
	if quiet.text("reports.0.state") != "published" || quiet.field("reports.0.event_id") != nil {
		t.Errorf("%s", quiet.body)
	}
	for query, field := range map[string]string{
		"state=retracted": "state", "notify=maybe": "notify", "component_label=": "component_label", "severity_label=a,,b": "severity_label",
		"colour=red": "colour", "source=a&source=b": "source", "source=%00": "source", "state=draft&limit=1": "limit",
	} {
		b.intake("alertmanager?"+query, groupFires).problem(422, field, "")
	}
}

func TestABadAlertNamesItsFieldAndLeavesNothing(t *testing.T) {
	b := newBench(t)
	for field, body := range map[string]string{
		"version":               strings.Replace(groupFires, `"version":"4"`, `"version":"3"`, 1),
		"groupKey":              strings.Replace(groupFires, `"groupKey":"{}/{team=\"mail\"}:{alertname=\"DiskFull\"}"`, `"groupKey":""`, 1),
		"status":                strings.Replace(groupFires, `"status":"firing","receiver"`, `"status":"burning","receiver"`, 1),
		"alerts":                `{"version":"4","groupKey":"x","status":"firing","alerts":[]}`,
		"alerts[1].status":      strings.Replace(groupFires, `{"status":"resolved"`, `{"status":"gone"`, 1),
		"alerts[0].startsAt":    strings.Replace(groupFires, "2026-11-23T16:01:15.123Z", "yesterday", 1),
		"alerts[1].endsAt":      strings.Replace(groupFires, "2026-11-23T16:05:15.123Z", "2027-11-23T16:05:15Z", 1),
		"alerts[0].fingerprint": strings.Replace(groupFires, "c1b5f3ad8b2d4e6f", `\u0000`, 1),
	} {
		b.intake("alertmanager", body).problem(422, field, "")
	}
	b.intake("alertmanager", groupFires[:400]).problem(400, "", "not valid JSON")
	b.intake("alertmanager", strings.Repeat(" ", api.MaxBody)+groupFires).problem(413, "", "")
	b.intake("alertmanager", groupFires, "Content-Type", "text/plain").problem(415, "", "application/json")
	b.as(notifier.RoleViewer, http.MethodPost, "/intake/alertmanager", groupFires).problem(403, "", "poster")
	if got := b.as(notifier.RoleViewer, http.MethodGet, "/incidents", ""); len(got.field("items").([]any)) != 0 {
		t.Errorf("%s", got.body)
	}
}

func TestWhatAMonitorAddsInItsNextVersionIsPassedOver(t *testing.T) {
	b := newBench(t)
	body := strings.Replace(groupFires, `"version":"4"`, `"version":"4","notificationReason":{"x":[1]}`, 1)
	got := b.raw(http.MethodPost, "/api/v1/intake/alertmanager", body, http.Header{"Authorization": {"Bearer " + secretOf(notifier.RolePoster)}, "Content-Type": {"application/json"}})
	if got.is(http.StatusOK).text("reports.0.outcome") != "opened" {
		t.Errorf("%s", got.body)
	}
}

func TestTwinsOfAnAlertAtTheSameMomentOpenOneIncident(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		b := benchOn(t, open)
		var wait sync.WaitGroup
		outcomes, ids := make([]string, 8), make([]string, 8)
		for i := range ids {
			wait.Go(func() {
				got := b.intake("alertmanager?state=published", groupFires)
				outcomes[i], ids[i] = got.text("reports.0.outcome"), got.text("reports.0.incident_id")
			})
		}
		wait.Wait()
		if strings.Count(strings.Join(outcomes, " "), "opened") != 1 || strings.Count(strings.Join(ids, " "), ids[0]) != len(ids) {
			t.Errorf("%v %v", outcomes, ids)
		}
	})
}

// pagePosts is what Statuspage posts to a webhook subscriber.
const pagePosts = `{"meta":{"unsubscribe":"http://example.com/u","documentation":"https://doc.statuspage.io"},"page":{"id":"j2mfxwj97wnj","status_indicator":"critical","status_description":"Major System Outage"},
	"incident":{"backfilled":false,"created_at":"2026-11-23T15:00:00.000Z","impact":"critical","monitoring_at":null,"resolved_at":null,"shortlink":"http://j.mp/18zyDQx",
		"status":"identified","updated_at":"2026-11-23T15:20:00.000Z","id":"lbkhbwn21v5q","name":"Virginia is down","components":[{"id":"c1","name":"The API","status":"major_outage"}],
		"incident_updates":[
			{"body":"A cable was cut.","created_at":"2026-11-23T15:20:00.000Z","display_at":"2026-11-23T15:20:00.000Z","status":"identified","updated_at":"2026-11-23T15:20:00.000Z","id":"u2","incident_id":"lbkhbwn21v5q"},
			{"body":"We look into it.","created_at":"2026-11-23T15:00:00.000Z","status":"investigating","id":"u1","incident_id":"lbkhbwn21v5q"}]}}`

// pageOver is the same when it is over.
var pageOver = strings.NewReplacer(`"status":"identified","updated_at":"2026-11-23T15:20`, `"status":"resolved","updated_at":"2026-11-23T16:00`,
	`"incident_updates":[`, `"incident_updates":[{"body":"All well.","created_at":"2026-11-23T16:00:00.000Z","status":"resolved","id":"u3"},`).Replace(pagePosts)

func TestUpdatesOfAnotherStatuspageComeInOrderEachOnce(t *testing.T) {
	b := newBench(t)
	b.as(notifier.RolePoster, http.MethodPost, "/components", `{"key":"api","name":"The API"}`).is(http.StatusCreated)
	first := b.intake("statuspage?state=published", pagePosts).is(http.StatusOK)
	id := first.text("reports.0.incident_id")
	b.intake("statuspage?state=published", pagePosts).is(http.StatusOK)
	if got := b.intake("statuspage?state=published", pageOver).is(http.StatusOK); got.text("reports.0.outcome") != "resolved" || got.text("reports.0.incident_id") != id {
		t.Errorf("%s", got.body)
	}
	b.intake("statuspage?state=published", pagePosts).is(http.StatusOK)
	is := b.as(notifier.RoleViewer, http.MethodGet, "/incidents/"+id, "")
	for path, want := range map[string]any{
		"title": "Virginia is down", "severity": "critical", "components.0": "api", "opened_at": "2026-11-23T15:00:00Z", "resolved_at": "2026-11-23T16:00:00Z", "status": "resolved",
		"updates.0.body": "We look into it.", "updates.1.body": "A cable was cut.", "updates.1.status": "identified", "updates.2.body": "All well.",
	} {
		if v := is.field(path); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
	if n := len(is.field("updates").([]any)); n != 3 {
		t.Errorf("%d updates", n)
	}
	unknown := b.intake("statuspage", strings.ReplaceAll(pageOver, "lbkhbwn21v5q", "other")).is(http.StatusOK)
	if unknown.text("reports.0.outcome") != "unchanged" || unknown.field("reports.0.incident_id") != nil || !strings.Contains(unknown.text("reports.0.reason"), "nothing is known") {
		t.Errorf("%s", unknown.body)
	}
	part := b.intake("statuspage", `{"meta":{},"page":{},"component_update":{"new_status":"operational","component_id":"c1"},"component":{"id":"c1","name":"The API"}}`).is(http.StatusOK)
	if len(part.field("reports").([]any)) != 0 || !strings.Contains(part.text("warnings.0"), "single components") {
		t.Errorf("%s", part.body)
	}
	for field, body := range map[string]string{
		"incident": `{"page":{}}`, "incident.name": `{"incident":{"id":"x","status":"resolved"}}`, "status": `{"id":"x","name":"y","status":"odd"}`,
		"incident.incident_updates[1].status": strings.Replace(pagePosts, `"status":"investigating"`, `"status":"scheduled"`, 1),
		"incident.created_at":                 strings.Replace(pagePosts, `"created_at":"2026-11-23T15:00:00.000Z","impact"`, `"created_at":"soon","impact"`, 1),
	} {
		b.intake("statuspage", body).problem(422, field, "")
	}
}

func TestMaintenanceOfAnotherStatuspageIsMaintenance(t *testing.T) {
	b := newBench(t)
	got := b.intake("statuspage", `{"incident":{"id":"m1","name":"New disks","status":"scheduled","impact":"maintenance","created_at":"2026-11-23T15:00:00Z",
		"scheduled_for":"2026-12-01T02:00:00Z","scheduled_until":"2026-12-01T04:00:00Z","incident_updates":[{"id":"u1","status":"scheduled","body":"At night.","created_at":"2026-11-23T15:00:00Z"}]}}`).is(http.StatusOK)
	is := b.as(notifier.RoleViewer, http.MethodGet, "/incidents/"+got.text("reports.0.incident_id"), "")
	if is.text("kind") != "maintenance" || is.text("starts_at") != "2026-12-01T02:00:00Z" || is.text("ends_at") != "2026-12-01T04:00:00Z" || is.text("severity") != "none" {
		t.Errorf("%s", is.body)
	}
	done := b.intake("statuspage", `{"id":"m1","name":"New disks","status":"completed","impact":"maintenance","scheduled_for":"2026-12-01T02:00:00Z","updated_at":"2026-11-23T16:00:00Z"}`).is(http.StatusOK)
	if done.text("reports.0.status") != "completed" {
		t.Errorf("%s", done.body)
	}
}

const cloudFires = `{"specversion":"1.0","id":"e1","source":"/probes/oslo","type":"com.example.probe.failed","subject":"imap","time":"2026-11-23T16:00:00Z",
	"datacontenttype":"application/json","severity":"major","data":{"title":"imap does not answer","description":"Since {{at \"nonsense\"}}.","component":"imap7"}}`

func TestCloudEventsInEveryModeAreAboutTheSameThing(t *testing.T) {
	b := newBench(t)
	b.component("imap7")
	first := b.intake("events", cloudFires, "Content-Type", "application/cloudevents+json; charset=utf-8").is(http.StatusOK)
	id := first.text("reports.0.incident_id")
	is := b.as(notifier.RoleViewer, http.MethodGet, "/incidents/"+id, "")
	if is.text("title") != "imap does not answer" || is.text("components.0") != "imap7" || is.text("severity") != "major" || is.text("opened_at") != "2026-11-23T16:00:00Z" ||
		is.text("updates.0.body") != `Since { {at "nonsense"}}.` {
		t.Errorf("%s", is.body)
	}
	if got := b.intake("events", cloudFires).is(http.StatusOK); got.text("reports.0.outcome") != "unchanged" || got.text("reports.0.incident_id") != id {
		t.Errorf("%s", got.body)
	}
	batch := `[` + strings.NewReplacer(`"e1"`, `"e2"`, "T16:00", "T16:02").Replace(cloudFires) + `,` +
		strings.NewReplacer(`"e1"`, `"e3"`, `"imap"`, `"smtp"`, `"component":"imap7"`, `"state":"ok"`).Replace(cloudFires) + `]`
	got := b.intake("events", batch, "Content-Type", "application/cloudevents-batch+json").is(http.StatusOK)
	if got.text("reports.0.outcome") != "unchanged" || got.text("reports.1.outcome") != "unchanged" || got.field("reports.1.incident_id") != nil {
		t.Errorf("%s", got.body)
	}
	over := b.raw(http.MethodPost, "/api/v1/intake/events", `{"note":"back"}`, http.Header{
		"Authorization": {"Bearer " + secretOf(notifier.RolePoster)}, "Content-Type": {"application/json"}, "Ce-Specversion": {"1.0"}, "Ce-Id": {"e4"},
		"Ce-Source": {"/probes/oslo"}, "Ce-Type": {"com.example.probe.recovered"}, "Ce-Subject": {"im%61p"}, "Ce-Time": {"2026-11-23T16:05:00Z"},
	})
	if over.is(http.StatusOK).text("reports.0.outcome") != "resolved" || over.text("reports.0.incident_id") != id {
		t.Errorf("%s", over.body)
	}
}

func TestABadCloudEventNamesItsFieldAndTakesItsBatchWithIt(t *testing.T) {
	b := newBench(t)
	for field, body := range map[string]string{
		"specversion": strings.Replace(cloudFires, `"1.0"`, `"0.3"`, 1), "id": strings.Replace(cloudFires, `"e1"`, `""`, 1), "source": strings.Replace(cloudFires, `/probes/oslo`, `/probes of/oslo`, 1),
		"type": strings.Replace(cloudFires, `"com.example.probe.failed"`, `7`, 1), "time": strings.Replace(cloudFires, "T16:00:00Z", "", 1),
		"data.status": strings.Replace(cloudFires, `"component":"imap7"`, `"status":"sideways"`, 1), "data.starts_at": strings.Replace(cloudFires, `"component":"imap7"`, `"starts_at":"noon"`, 1),
		"data_base64": strings.Replace(cloudFires, `"severity"`, `"data_base64":"eA==","severity"`, 1),
	} {
		b.intake("events", body).problem(422, field, "")
	}
	batch := "application/cloudevents-batch+json"
	b.intake("events", `[`+cloudFires+`,{"specversion":"1.0"}]`, "Content-Type", batch).problem(422, "[1].id", "")
	b.intake("events", `[`+strings.Repeat(cloudFires+",", 100)+cloudFires+`]`, "Content-Type", batch).problem(422, "", "at most 100")
	b.intake("events", `{}`, "Content-Type", batch).problem(422, "", "")
	if got := b.as(notifier.RoleViewer, http.MethodGet, "/incidents", ""); len(got.field("items").([]any)) != 0 {
		t.Errorf("%s", got.body)
	}
}

// listening is a store that takes every report and looks at what it was given.
type listening struct {
	api.Store
	t *testing.T
}

func (listening) Components(context.Context) ([]notifier.Component, error) {
	return []notifier.Component{{Key: "web", Name: "The web"}}, nil
}

func (l listening) TakeReports(_ context.Context, rs []notifier.Report, d notifier.Desk) ([]notifier.Taken, error) {
	for _, r := range rs {
		if r.Source == "" || r.Fingerprint == "" || len(r.Fingerprint) > 200 || len(r.Alerts) == 0 {
			l.t.Fatalf("let %+v through", r)
		}
		_, step := r.Weigh(notifier.Memory{}, nil, d)
		if step.Open == nil {
			continue
		}
		p, err := notifier.Open(*step.Open, d)
		if err != nil {
			l.t.Fatalf("%+v cannot be opened: %v", r, err)
		}
		i := p.Incident
		for _, s := range step.Say {
			said, err := i.Say(s, d)
			if err != nil {
				l.t.Fatalf("%+v cannot be said: %v", s, err)
			}
			i = said.Incident
		}
	}
	return make([]notifier.Taken, len(rs)), nil
}

// FuzzIntake sends any bytes as any monitor's: what is taken can be published,
// and what is not is the sender's fault.
func FuzzIntake(f *testing.F) {
	for n, seeds := range [][]string{{groupFires, groupOver, `{"version":"4","groupKey":"x","status":"firing","alerts":[{}]}`}, {pagePosts, pageOver, `{"id":"x"}`}, {cloudFires, `{"data":[1]}`, `[]`, `"x"`}} {
		for _, s := range seeds {
			f.Add(n, []byte(s))
		}
	}
	paths := []string{"/intake/alertmanager", "/intake/statuspage", "/intake/events"}
	f.Fuzz(func(t *testing.T, path int, body []byte) {
		if path < 0 || path >= len(paths) {
			return
		}
		n := 0
		status := api.Take(api.Options{Store: listening{t: t}, Now: clock, NewID: func() string { n++; return fmt.Sprint("id", n) }}, paths[path], body)
		if status != 0 && (status < 400 || status >= 500) {
			t.Fatalf("%q became %d", body, status)
		}
	})
}
