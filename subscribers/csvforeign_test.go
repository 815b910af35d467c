package subscribers_test

import (
	"strings"
	"testing"

	"allclear/subscribers"
)

func TestStatuspagesFileIsReadAsItIs(t *testing.T) {
	rows := readAll(t, "type,address,country,skip-confirm\nemail,Ann@Example.com,,yes\nemail,bob@example.com,,no\nemail,carl@example.com,US,\nsms,5551234,US,yes\nemail,dora@example.com,,perhaps\n"+
		"sms,400 00 000,NO,yes\nsms,+47 400 00 001,US,no\nsms,(212) 555-2368,us,yes\nsms,40000000,Norway,yes\nsms,40000000,,yes\n")
	want := []struct {
		address string
		state   subscribers.State
		wrong   string
	}{
		{"Ann@example.com", subscribers.Active, ""}, {"bob@example.com", subscribers.Pending, ""}, {"carl@example.com", subscribers.Pending, ""},
		{"", "", "address"}, {"", "", "state"},
		{"+4740000000", subscribers.Active, ""}, {"+4740000001", subscribers.Pending, ""}, {"+12125552368", subscribers.Active, ""}, {"", "", "country"}, {"", "", "address"},
	}
	if len(rows) != len(want) {
		t.Fatalf("%d rows", len(rows))
	}
	for i, w := range want {
		switch r := rows[i]; {
		case w.wrong != "":
			if r.Err == nil || r.Err.Field != w.wrong {
				t.Errorf("line %d: %v", r.Line, r.Err)
			}
		case r.Err != nil || r.Subscriber.Address != w.address || r.Subscriber.State != w.state:
			t.Errorf("line %d: %+v, %v", r.Line, r.Subscriber, r.Err)
		}
	}
}

func TestWhatListmonkExportsIsReadAsItIs(t *testing.T) {
	rows := readAll(t, "uuid,email,name,attributes,status,created_at,updated_at\n"+
		`9f0c8a3e-0001,ann@example.com,"Ann ""A"" Other, Ltd","{""city"":""Oslo""}",enabled,2026-01-01T00:00:00Z,2026-01-01T00:00:00Z`+"\n"+
		`9f0c8a3e-0002,bob@example.com,=HYPERLINK(),{},blocklisted,2026-01-01T00:00:00Z,2026-01-01T00:00:00Z`+"\n"+
		`9f0c8a3e-0003,carl@example.com,,{},disabled,,`+"\n"+
		`9f0c8a3e-0004,dora@example.com,,{},active,,`+"\n")
	if len(rows) != 4 || rows[0].Err != nil || rows[1].Err != nil || rows[2].Err != nil || rows[3].Err == nil {
		t.Fatalf("rows: %+v", rows)
	}
	for i, want := range []subscribers.State{subscribers.Pending, subscribers.Unsubscribed, subscribers.Unsubscribed} {
		if rows[i].Subscriber.State != want {
			t.Errorf("line %d is %s", rows[i].Line, rows[i].Subscriber.State)
		}
	}
}

func TestAnotherProgramsColumnsMeanNothingInAFileOfOurs(t *testing.T) {
	for _, header := range []string{"address,name", "email,status", "type,address", "address,skip-confirm", "uuid,email", "type,address,state,skip-confirm"} {
		if _, err := subscribers.ReadCSV(strings.NewReader(header + "\n")); err == nil {
			t.Errorf("%s is read", header)
		}
	}
}
