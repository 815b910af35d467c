package subscribers_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestAnExportHoldsNoFormula(t *testing.T) {
	var out bytes.Buffer
	w := subscribers.WriteCSV(&out)
	for _, a := range []string{"=cmd@example.com", "+1@example.com", "-2@example.com", "'=x@example.com", "'plain@example.com"} {
		if err := w.Write(subscribers.Subscriber{Channel: notifier.Email, Address: a}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"'=cmd@example.com", "'+1@example.com", "'-2@example.com", "''=x@example.com", "'plain@example.com"}
	for i, a := range want {
		if got := records[i+1][1]; got != a {
			t.Errorf("cell %q, want %q", got, a)
		}
	}
}

func TestAnExportOfNobodyIsTheHeader(t *testing.T) {
	var out bytes.Buffer
	if err := subscribers.WriteCSV(&out).Flush(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "channel,address,components,severity,kinds,cadence,timezone,language,state,group,contact,incident,format,types,quiet,hour,weekday,critical,all_quiet,mine,second_channel,second_address\n" {
		t.Errorf("wrote %q", got)
	}
	if rows := readAll(t, out.String()); len(rows) != 0 {
		t.Errorf("read back %+v", rows)
	}
}

func TestWhatIsExportedIsImportedAsItWas(t *testing.T) {
	key := rapid.StringMatching(`[a-z0-9][a-z0-9._-]{0,8}`)
	local := rapid.StringMatching(`[a-z='+\-|][a-zA-Z0-9!#$%&'*+/=?^_{|}~-]{0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		var all []subscribers.Subscriber
		for range rapid.IntRange(0, 5).Draw(t, "people") {
			s := subscribers.Subscriber{
				Address:  local.Draw(t, "local") + "@example.com",
				State:    rapid.SampledFrom(subscribers.States).Draw(t, "state"),
				Cadence:  rapid.SampledFrom(subscribers.Cadences).Draw(t, "cadence"),
				Hour:     subscribers.Hour(rapid.IntRange(0, 24).Draw(t, "hour")),
				Weekday:  rapid.SampledFrom(append([]subscribers.Weekday{""}, subscribers.Weekdays...)).Draw(t, "weekday"),
				Critical: rapid.Bool().Draw(t, "critical"),
				AllQuiet: rapid.Bool().Draw(t, "all quiet"),
				Timezone: rapid.SampledFrom([]string{"", "UTC", "Asia/Kathmandu"}).Draw(t, "zone"),
				Language: rapid.SampledFrom([]string{"", "de", "zh-Hant"}).Draw(t, "language"),
				Filter: subscribers.Filter{
					Components: rapid.SliceOfN(key, 0, 3).Draw(t, "components"),
					Kinds:      rapid.SliceOfN(rapid.SampledFrom(notifier.Kinds), 0, 3).Draw(t, "kinds"),
					Severity:   notifier.Severity(rapid.IntRange(0, 3).Draw(t, "severity")),
					Incident:   rapid.SampledFrom([]string{"", "7kq2m9"}).Draw(t, "incident"),
					Mine:       rapid.Bool().Draw(t, "mine"),
				},
			}
			door := rapid.IntRange(0, 2).Draw(t, "door")
			if door > 0 { // digests are mails
				s.Hour, s.Weekday, s.Critical, s.AllQuiet, s.Filter.Mine = 0, "", false, false, false
				s.Cadence = rapid.SampledFrom(subscribers.Offered(notifier.SMS)).Draw(t, "without digests")
			}
			if rapid.Bool().Draw(t, "group") {
				s.Group, s.Contact = true, local.Draw(t, "contact")+"@example.org"
			}
			if rapid.Bool().Draw(t, "second") {
				s.Second = subscribers.Second{Channel: notifier.Email, Address: local.Draw(t, "elsewhere") + "@elsewhere.example", State: subscribers.Active}
			}
			switch door {
			case 1:
				s.Channel, s.Address, s.Group, s.Contact = notifier.Webhook, "https://example.com/"+rapid.StringMatching(`[a-z0-9?=&+-]{0,8}`).Draw(t, "path"), false, local.Draw(t, "keeper")+"@example.org"
				s.Format = rapid.SampledFrom(notifier.Formats).Draw(t, "format")
				s.Filter.Types = rapid.SliceOfNDistinct(rapid.SampledFrom(notifier.Announcements), 0, 3, rapid.ID).Draw(t, "types")
			case 2:
				s.Channel, s.Address, s.Group, s.Contact = notifier.SMS, "+474061234"+rapid.StringMatching("[0-9]").Draw(t, "digit"), false, ""
				s.Quiet = rapid.SampledFrom([]notifier.Quiet{"", "22:00-07:00"}).Draw(t, "quiet")
			}
			if err := s.Validate(); err != nil {
				t.Fatalf("the generator made %+v: %v", s, err)
			}
			all = append(all, s)
		}
		var file bytes.Buffer
		w := subscribers.WriteCSV(&file)
		for _, s := range all {
			if err := w.Write(s); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		r, err := subscribers.ReadCSV(&file)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range all {
			want.Second.State = "" // a file says nothing about it
			row, err := r.Next()
			if err != nil || row.Err != nil || !reflect.DeepEqual(row.Subscriber, want) {
				t.Fatalf("read %+v (%v)\nwrote %+v", row, err, want)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("something stands behind the last row: %v", err)
		}
	})
}

// endless gives out the same row for as long as it is asked.
type endless struct {
	row  string
	left int
	rest string
}

func TestASecondAddressIsExportedWithItsFirstAloneAndOnlyOnceItIsConfirmed(t *testing.T) {
	var out bytes.Buffer
	w := subscribers.WriteCSV(&out)
	asked := subscribers.Second{Channel: notifier.Email, Address: "stranger@elsewhere.example", State: subscribers.Pending}
	if err := errors.Join(
		w.Write(subscribers.Subscriber{Channel: notifier.Email, Address: "ann@elsewhere.example", SecondOf: 1}),
		w.Write(subscribers.Subscriber{Channel: notifier.Email, Address: "ann@own.example", State: subscribers.Active, Second: asked}), w.Flush(),
	); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, "elsewhere") || !strings.Contains(text, "ann@own.example") || !strings.Contains(text, "address") {
		t.Error(text)
	}
}
