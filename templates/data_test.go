package templates

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"allclear/notifier"
)

func TestEveryViewsSampleIsTheDataThatItTakes(t *testing.T) {
	s := newSet(t)
	for _, name := range s.dataViews() {
		sample, err := s.SampleData(name)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(sample) {
			t.Fatalf("%s: no JSON:\n%s", name, sample)
		}
		d, err := s.ReadData(name, sample)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, sample)
			continue
		}
		for _, ch := range notifier.Channels {
			want, no := s.RenderData(name, nil, Preview{Channel: ch, Language: "de", Zone: "Europe/Oslo"})
			got, err := s.RenderData(name, d, Preview{Channel: ch, Language: "de", Zone: "Europe/Oslo"})
			if (no == nil) != (err == nil) {
				t.Errorf("%s by %s: %v, the sample %v", name, ch, err, no)
				continue
			}
			if err == nil && (got.Subject != want.Subject || got.Text != want.Text || got.HTML != want.HTML || !bytes.Equal(got.Body, want.Body)) {
				t.Errorf("%s by %s is another with its own sample as data:\n%s\n%s\nwant\n%s\n%s", name, ch, got.Text, got.Body, want.Text, want.Body)
			}
		}
	}
}

func TestDataSaysWhatAMailTells(t *testing.T) {
	s := newSet(t)
	d, err := s.ReadData("incident-resolved", []byte(`{
		"language": "fr", "timezone": "Asia/Kathmandu", "components": {"web": "Webmail"}, "missed": 2,
		"incident": {"title": "Webmail is slow", "severity": "minor", "components": ["web"], "impact": {"delay_max_minutes": 3}, "url": "https://x.example", "updates": [
			{"status": "investigating", "at": "2026-11-23T10:00:00Z", "body": "We look."},
			{"status": "identified", "at": "2026-11-23T10:05:00Z", "body": "A switch, since {{at \"10:00\"}}."},
			{"status": "resolved", "at": "2026-11-23T10:30:00Z", "body": "It is fast again."}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.RenderData("incident-resolved", d, Preview{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Webmail is slow", "Webmail", "It is fast again.", "A switch", "10:00 UTC", "30", "16:15"} {
		if !strings.Contains(l.Text, want) {
			t.Errorf("nothing of %q in\n%s", want, l.Text)
		}
	}
	if strings.Contains(l.Text, "We look.") || !strings.Contains(l.HTML, `lang="fr"`) {
		t.Errorf("what was read before is told again, or in no French:\n%s", l.Text)
	}
	if l, err = s.RenderData("incident-resolved", d, Preview{Language: "es"}); err != nil || !strings.Contains(l.HTML, `lang="es"`) {
		t.Errorf("a language that was asked for does not come first: %v", err)
	}
	hook, err := s.RenderData("incident-resolved", d, Preview{Channel: notifier.Webhook})
	if err != nil || !strings.Contains(string(hook.Body), `"missed":[{`) {
		t.Errorf("%v\n%s", err, hook.Body)
	}
	d, err = s.ReadData("digest", []byte(`{"digest": {"cadence": "weekly", "at": "2026-11-23T08:00:00Z", "incidents": [
		{"title": "Imap is down", "severity": "major", "updates": [{"status": "investigating", "at": "2026-11-23T07:00:00Z", "body": "We look."}]},
		{"kind": "post", "title": "News", "updates": [{"at": "2026-11-22T07:00:00Z", "body": "A post."}]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if l, err = s.RenderData("digest", d, Preview{}); err != nil || !strings.HasPrefix(l.Subject, "Your weekly digest: still open: 1 · news: 1") {
		t.Errorf("%v, %+v", err, l)
	}
	d, err = s.ReadData("restore-completed", []byte(`{"recipient": {"account": "kari"}, "rows": [{"subject": "One", "date": "2026-11-23 09:12", "folder": "Work", "size": 12}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range []notifier.Channel{notifier.Email, notifier.SMS} {
		if l, err = s.RenderData("restore-completed", d, Preview{Channel: ch}); err != nil || ch == notifier.Email && (!strings.Contains(l.Text, "kari") || !strings.Contains(l.Text, "One")) || l.Text == "" {
			t.Errorf("%s: %v, %+v", ch, err, l)
		}
	}
}

func TestDataThatIsWrongIsNamedByItsField(t *testing.T) {
	s := newSet(t)
	inc := func(rest string) string {
		return `{"incident": {"title": "x", "updates": [{"status": "investigating", "at": "2026-11-23T10:00:00Z"` + rest
	}
	for _, c := range []struct{ view, data, field, says string }{
		{"incident-opened", `{`, "data", "ends too soon"},
		{"incident-opened", "{\n\"a\" 1}", "data", "line 2: no JSON"},
		{"incident-opened", `[]`, "data", "is a list; it must be an object"},
		{"incident-opened", `null`, "data", "is null"},
		{"incident-opened", `{} {}`, "data", "more than one"},
		{"incident-opened", `{"incidents": {}}`, "incidents", "no such field; did you mean incident?"},
		{"incident-opened", `{"language": "pt"}`, "language", `no texts in "pt"`},
		{"incident-opened", `{"timezone": "Oslo"}`, "timezone", "no time zone"},
		{"incident-opened", `{"missed": "two"}`, "missed", "is a text; it must be a number"},
		{"incident-opened", `{"missed": 1.5}`, "missed", "not between"},
		{"incident-opened", `{"incident": {"titel": "x"}}`, "incident.titel", "did you mean title?"},
		{"incident-opened", `{"incident": {"title": " "}}`, "incident.title", "must not be empty"},
		{"incident-opened", `{"incident": {"title": "x", "updates": []}}`, "incident.updates", "one at the least"},
		{"incident-opened", `{"incident": {"title": "x", "title": "y"}}`, "incident.title", "twice"},
		{"incident-opened", `{"incident": {"title": "x", "kind": "post"}}`, "incident.kind", "this view is of kind incident"},
		{"incident-opened", `{"incident": {"title": "x", "severity": "bad"}}`, "incident.severity", `"bad" is not one of none, minor`},
		{"incident-opened", `{"incident": {"title": "x", "components": "web"}}`, "incident.components", "must be a list"},
		{"incident-opened", `{"incident": {"title": "x", "impact": {"delay": 3}}}`, "incident.impact.delay", "no such field"},
		{"incident-opened", `{"incident": {"title": "x", "impact": {"error_rate": "much"}}}`, "incident.impact.error_rate", "must be a number"},
		{"incident-opened", `{"incident": {"title": "x", "opened_at": "yesterday"}}`, "incident.opened_at", "is no time"},
		{"incident-opened", inc(`}, {"status": "fixed", "at": "2026-11-23T10:00:00Z"}]}}`), "incident.updates[1].status", `"fixed" is not one of investigating`},
		{"incident-opened", inc(`}, {"status": "identified"}]}}`), "incident.updates[1].at", "must be a time"},
		{"incident-opened", inc(`}, {"at": "2026-11-23T10:00:00Z"}]}}`), "incident.updates[1].status", "must be one of"},
		{"incident-opened", inc(`, "body": "{{at \"noon\"}}"}]}}`), "incident.updates[0].body", "noon"},
		{"incident-resolved", inc(`}]}}`), "incident.status", "of what is over"},
		{"post", `{"incident": {"title": "x", "updates": [{"status": "resolved", "at": "2026-11-23T10:00:00Z"}]}}`, "incident.updates[0].status", "a post has none"},
		{"digest", `{"digest": {"cadence": "hourly"}}`, "digest.cadence", "not one of daily"},
		{"digest", `{"digest": {"incidents": [{"title": "x"}]}}`, "digest.incidents[0].updates", "one at the least"},
		{"digest", `{"incident": {}}`, "incident", "no such field"},
		{"restore-completed", `{"rows": [{"subject": ["x"]}]}`, "rows[0].subject", "a cell is a text or a number"},
		{"restore-completed", `{"rows": {}}`, "rows", "must be a list"},
		{"endpoint-disabled", `{"endpoint": {"disabled_why": "tired"}}`, "endpoint.disabled_why", "not one of gone"},
		{"test", `{"at": 3}`, "at", "is a number; it must be a text"},
	} {
		_, err := s.ReadData(c.view, []byte(c.data))
		var inv *notifier.Invalid
		if !errors.As(err, &inv) || inv.Field != c.field || !strings.Contains(inv.Message, c.says) {
			t.Errorf("%s with %s: %v\nwant %s: %s", c.view, c.data, err, c.field, c.says)
		}
	}
	d, err := s.ReadData("restore-completed", []byte(`{"rows": [{"subject": "x", "date": "2026-11-23"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RenderData("restore-completed", d, Preview{}); err == nil || err.Error() != `rows: no "folder" in row 1` {
		t.Errorf("a column that is needed: %v", err)
	}
	for _, c := range []struct {
		view string
		ch   notifier.Channel
	}{{"digest", notifier.SMS}, {"confirm", notifier.Webhook}, {"blank", notifier.Webhook}} {
		if _, err := s.RenderData(c.view, nil, Preview{Channel: c.ch}); err == nil || !strings.HasPrefix(err.Error(), "format: ") {
			t.Errorf("%s by %s: %v", c.view, c.ch, err)
		}
	}
	for _, name := range []string{"incident-openned", "page/home"} {
		if _, err := s.RenderData(name, nil, Preview{}); err == nil || !strings.Contains(err.Error(), "there is no view") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatAnObjectOfTheDataLeavesOutIsTheSamples(t *testing.T) {
	s := newSet(t)
	for _, c := range []struct{ view, data, want, lacks string }{
		{"incident-resolved", `{"incident": {"title": "Only a title", "held_until": null}}`, "Only a title|All queues are empty|16:11 UTC|2 h 14 min", "imap7 does not answer"},
		{"incident-resolved", `{"incident": {"impact": {"delay_max_minutes": 3}}}`, "imap7 does not answer|up to 3 minutes", "5 to 10"},
		// What is said of one's own says by itself when it began and what it meant.
		{"incident-resolved", `{"incident": {"updates": [{"status": "resolved", "at": "2026-11-23T10:30:00Z", "body": "Over."}]}}`, "imap7 does not answer|Over.|10:30 UTC", "16:11|delayed"},
		{"digest", `{"digest": {"cadence": "monthly"}}`, "monthly digest|imap7", "daily"},
		{"endpoint-disabled", `{"endpoint": {"host": "hook.example"}}`, "hook.example", "0001"},
		{"restore-completed", `{"recipient": {"account": "kari"}}`, "kari", ""},
	} {
		d, err := s.ReadData(c.view, []byte(c.data))
		if err != nil {
			t.Errorf("%s: %v", c.data, err)
			continue
		}
		l, err := s.RenderData(c.view, d, Preview{})
		if err != nil {
			t.Errorf("%s: %v", c.data, err)
			continue
		}
		text := l.Subject + "\n" + l.Text
		for want := range strings.SplitSeq(c.want, "|") {
			if !strings.Contains(text, want) {
				t.Errorf("%s: nothing of %q in\n%s", c.data, want, text)
			}
		}
		for not := range strings.SplitSeq(c.lacks, "|") {
			if not != "" && strings.Contains(text, not) {
				t.Errorf("%s: %q is in\n%s", c.data, not, text)
			}
		}
	}
}
