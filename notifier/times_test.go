package notifier

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones must not depend on the machine

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func instantOf(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestATagBecomesTheInstantItMeans(t *testing.T) {
	for _, c := range []struct{ about, arg, now, zone, want string }{
		{"now", "now", "2026-11-23T15:20:30Z", "UTC", "2026-11-23T15:20:30Z"},
		{"now keeps microseconds, no more", "now", "2026-11-23T15:20:30.123456789Z", "UTC", "2026-11-23T15:20:30.123456Z"},
		{"minutes ago", "-20m", "2026-11-23T15:20:30Z", "UTC", "2026-11-23T15:00:30Z"},
		{"hours and minutes ago", "-1h30m", "2026-11-23T15:20:00Z", "UTC", "2026-11-23T13:50:00Z"},
		{"ahead", "+2h", "2026-11-23T15:20:00Z", "UTC", "2026-11-23T17:20:00Z"},
		{"a clock time in the desk's zone", "16:11", "2026-11-23T15:20:00Z", "Europe/Oslo", "2026-11-23T15:11:00Z"},
		{"one digit of hours", "9:05", "2026-11-23T09:20:00Z", "UTC", "2026-11-23T09:05:00Z"},
		{"seconds", "16:11:42", "2026-11-23T16:20:00Z", "UTC", "2026-11-23T16:11:42Z"},
		{"a zone behind it", "16:11 America/New_York", "2026-11-23T21:20:00Z", "Europe/Oslo", "2026-11-23T21:11:00Z"},
		{"UTC behind it", "16:11 UTC", "2026-11-23T16:20:00Z", "Asia/Tokyo", "2026-11-23T16:11:00Z"},
		{"just after midnight, of the evening before", "23:50", "2026-11-23T00:05:00Z", "UTC", "2026-11-22T23:50:00Z"},
		{"just before midnight, of the morning after", "00:10", "2026-11-23T23:55:00Z", "UTC", "2026-11-24T00:10:00Z"},
		{"in a zone where it is tomorrow already", "00:30", "2026-11-23T15:20:00Z", "Asia/Tokyo", "2026-11-23T15:30:00Z"},
		{"a date and a time", "2026-11-20 16:11", "2026-11-23T15:20:00Z", "Europe/Oslo", "2026-11-20T15:11:00Z"},
		{"a date, a time and a zone", "2026-11-23 16:11 Europe/Oslo", "2026-11-23T15:20:00Z", "UTC", "2026-11-23T15:11:00Z"},
		{"in summer the same zone is another offset", "2026-07-23 16:11 Europe/Oslo", "2026-11-23T15:20:00Z", "UTC", "2026-07-23T14:11:00Z"},
		{"RFC 3339", "2026-11-23T16:11:00+05:30", "2026-11-23T15:20:00Z", "UTC", "2026-11-23T10:41:00Z"},
		{"spaces around", "  -5m ", "2026-11-23T15:20:00Z", "UTC", "2026-11-23T15:15:00Z"},
		{"a leap day", "2028-02-29 12:00", "2026-11-23T15:20:00Z", "UTC", "2028-02-29T12:00:00Z"},
	} {
		t.Run(c.about, func(t *testing.T) {
			got, warnings, err := ResolveTimes(`It began {{at "`+c.arg+`"}}.`, instantOf(t, c.now), zone(t, c.zone))
			if err != nil || len(warnings) > 0 {
				t.Fatalf("err %v, warnings %v", err, warnings)
			}
			if want := `It began {{at "` + c.want + `"}}.`; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestAClockTimeThatTheChangeOfClocksLeftOutIsRefused(t *testing.T) {
	for _, c := range []struct{ arg, now, zone string }{
		{"2026-03-29 02:30 Europe/Oslo", "2026-03-29T08:00:00Z", "UTC"},
		{"2026-03-08 02:30 America/New_York", "2026-03-09T08:00:00Z", "UTC"},
		{"02:30", "2026-03-29T01:10:00Z", "Europe/Oslo"},
		{"2011-12-30 12:00 Pacific/Apia", "2026-03-29T01:10:00Z", "UTC"}, // a whole day that never was
	} {
		_, _, err := ResolveTimes(`{{at "`+c.arg+`"}}`, instantOf(t, c.now), zone(t, c.zone))
		if err == nil || !strings.Contains(err.Error(), "did not exist") {
			t.Errorf("%s: %v", c.arg, err)
		}
	}
	// The day after, 02:30 is nothing special any more.
	got, _, err := ResolveTimes(`{{at "02:30"}}`, instantOf(t, "2026-03-30T01:10:00Z"), zone(t, "Europe/Oslo"))
	if err != nil || got != `{{at "2026-03-30T00:30:00Z"}}` {
		t.Errorf("%s %v", got, err)
	}
}

func TestOfAClockTimeThatCameTwiceTheNearerIsTakenAndSaidSo(t *testing.T) {
	for _, c := range []struct{ arg, now, zone, want string }{
		{"02:30", "2026-10-25T00:40:00Z", "Europe/Oslo", "2026-10-25T00:30:00Z"}, // summer time, ten minutes ago
		{"02:30", "2026-10-25T01:40:00Z", "Europe/Oslo", "2026-10-25T01:30:00Z"}, // an hour later: winter time
		{"2026-10-25 02:30 Europe/Oslo", "2026-10-20T00:00:00Z", "UTC", "2026-10-25T00:30:00Z"},
		{"2026-10-25 02:30 Europe/Oslo", "2026-11-20T00:00:00Z", "UTC", "2026-10-25T01:30:00Z"},
		{"01:30", "2026-11-01T05:35:00Z", "America/New_York", "2026-11-01T05:30:00Z"},
		{"01:30", "2026-11-01T06:35:00Z", "America/New_York", "2026-11-01T06:30:00Z"},
	} {
		got, warnings, err := ResolveTimes(`{{at "`+c.arg+`"}}`, instantOf(t, c.now), zone(t, c.zone))
		if err != nil || got != `{{at "`+c.want+`"}}` {
			t.Errorf("%s at %s: %s, %v", c.arg, c.now, got, err)
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0], "came twice") || !strings.Contains(warnings[0], c.want[11:16]+" UTC") {
			t.Errorf("%s at %s: warnings %q", c.arg, c.now, warnings)
		}
	}
}

func TestATagThatCannotBeReadNamesItsLine(t *testing.T) {
	for _, arg := range []string{
		"", " ", "yesterday", "16.11", "24:00", "12:60", "-20", "-", "20m", "2026-02-30 12:00", "2026-11-23", "23.11.2026 16:11",
		"2026-11-23 16:11 Europe/Nowhere", "16:11 Local", "16:11 ../../etc/passwd", "16:11 16:12 16:13", "UTC", "Europe/Oslo", "now UTC",
		"0026-11-23 16:11", "9999-12-31T23:59:59-01:00", "0000-01-01 00:00 Asia/Tokyo",
	} {
		_, _, err := ResolveTimes("first line\nsecond {{at \""+arg+"\"}}", instantOf(t, "2026-11-23T15:20:00Z"), nil)
		var invalid *Invalid
		if !errors.As(err, &invalid) || invalid.Field != "body" || !strings.Contains(invalid.Message, "line 2") {
			t.Errorf("%q: %v", arg, err)
		}
	}
}

func TestABrokenTagIsNotMailedToThousands(t *testing.T) {
	for _, body := range []string{"{{at 16:11}}", "{{at “16:11”}}", `{{at "16:11}}`, "{{ at", `{{at '16:11'}}`, "{{at \"16:\n11\"}}"} {
		if _, _, err := ResolveTimes(body, instantOf(t, "2026-11-23T15:20:00Z"), nil); err == nil {
			t.Errorf("%q passed", body)
		}
	}
	for _, body := range []string{"{{.Name}}", "{{attention}}", "at 5", ""} {
		if got, _, err := ResolveTimes(body, instantOf(t, "2026-11-23T15:20:00Z"), nil); err != nil || got != body {
			t.Errorf("%q: %q, %v", body, got, err)
		}
	}
}

func TestABareClockTimeIsWarnedOf(t *testing.T) {
	for body, want := range map[string]string{
		"It began at 16:11.":                  "16:11",
		"between 9:05 and 9:20 we saw errors": "9:05",
		"16:11-16:30":                         "16:11",
		"down since 16:11:30 today":           "16:11:30",
		"(16:11)":                             "16:11",
		"16:11 CET":                           "16:11", // CET is summer time to many
		"at 3pm":                              "15:00",
		"at 3 p.m. sharp":                     "15:00",
		"12:30 AM":                            "00:30",
		"until 3:45 pm.":                      "15:45",
		"12pm":                                "12:00",
		"3pm UTC":                             "",
		"13pm, 3pmx and I am 0 am":            "",
		`{{at "now"}}16:11`:                   "16:11",
		"16:11 UTC":                           "",
		"16:11Z":                              "",
		"16:11 GMT":                           "",
		"16:11–16:30 UTC":                     "",
		"9:05 to 9:20 UTC":                    "",
		"16:11:30 UTC":                        "",
		`{{at "16:11"}}`:                      "",
		`{{at "16:11"}} and then some`:        "",
		"2026-11-23T16:11:00-01:00":           "",
		"2026-11-23 16:11:00+0100":            "",
		"see https://status.example:8443/a/12:30":                  "",
		"connect to 127.0.0.1:25":                                  "",
		"from fe80::1:23":                                          "",
		"MAC 01:23:45:67:89:ab":                                    "",
		"25:00 and 12:60 are no times; neither is 1:5, nor 16:11x": "",
	} {
		_, warnings, err := ResolveTimes(body, instantOf(t, "2026-11-23T15:20:00Z"), nil)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if want == "" && len(warnings) > 0 || want != "" && len(warnings) != 1 {
			t.Errorf("%q: warnings %q, want one of %q", body, warnings, want)
		} else if want != "" && !strings.Contains(warnings[0], `{{at "`+want+`"}}`) {
			t.Errorf("%q: %q does not say how to write %s", body, warnings[0], want)
		}
	}
}

func TestAClockTimeInAZoneThatFewKnowIsWarnedOfInOtherWords(t *testing.T) {
	for body, known := range map[string]bool{"14:30 CET": true, "14:30–15:00 EST": true, "14:30 AEDT": true, "14:30 CET.": true, "14:30 Oslo": false, "14:30 A": false, "14:30 CETERA": false, "14:30": false} {
		_, warnings, err := ResolveTimes(body, instantOf(t, "2026-11-23T15:20:00Z"), nil)
		if err != nil || len(warnings) != 1 {
			t.Fatalf("%q: %q, %v", body, warnings, err)
		}
		if strings.Contains(warnings[0], "has no time zone") == known {
			t.Errorf("%q: %q", body, warnings[0])
		}
	}
}

func TestWhatLooksLikeATagAndIsNoneIsWarnedOf(t *testing.T) {
	for body, want := range map[string]string{
		`Since {{At "-20m"}} it is slow`: `{{At "-20m"}} is no time and goes out as written`,
		"Dear {{name}}, dear {{name}}":   "{{name}} is no time and goes out as written",
		"open {{ and nothing":            "goes out as written",
		`{{AT "16:11"}}`:                 "goes out as written", // once, not for the clock too
		"a { b } {c}":                    "",
		`{{at "-20m"}}`:                  "",
	} {
		got, warnings, err := ResolveTimes(body, instantOf(t, "2026-11-23T15:20:00Z"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && len(warnings) > 0 || want != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], want) || got != body) {
			t.Errorf("%q: %q", body, warnings)
		}
	}
}

func TestTheSameBareClockTimeIsWarnedOfOnce(t *testing.T) {
	_, warnings, _ := ResolveTimes("16:11 here, 16:11 there, 17:00 too", instantOf(t, "2026-11-23T15:20:00Z"), nil)
	if len(warnings) != 2 {
		t.Errorf("%q", warnings)
	}
}

func TestPrintTimesPrintsEveryResolvedTagAndNothingElse(t *testing.T) {
	now := instantOf(t, "2026-11-23T15:20:00Z")
	body, _, err := ResolveTimes(`a {{at "now"}} b {{at "-20m"}} c {{.X}}`, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := PrintTimes(body, func(at time.Time) string { return "<" + at.Format("15:04") + ">" })
	if got != "a <15:20> b <15:00> c {{.X}}" {
		t.Error(got)
	}
	if raw := PrintTimes(`{{at "16:11"}}`, func(time.Time) string { return "!" }); raw != `{{at "16:11"}}` {
		t.Errorf("an unresolved tag was printed: %s", raw)
	}
}

// A body is resolved when it is posted and may be sent through again when it is
// corrected: nothing that was fixed may move.
func TestResolvingTwiceChangesNothing(t *testing.T) {
	zones := []string{"UTC", "Europe/Oslo", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe", "Africa/Cairo"}
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(0, 4102444800).Draw(t, "now"), rapid.Int64Range(0, 999999999).Draw(t, "ns"))
		z, _ := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		arg := rapid.OneOf(
			rapid.Just("now"),
			rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("-%dm", rapid.IntRange(0, 10000).Draw(t, "m")) }),
			rapid.Custom(func(t *rapid.T) string {
				return fmt.Sprintf("%02d:%02d", rapid.IntRange(0, 23).Draw(t, "h"), rapid.IntRange(0, 59).Draw(t, "m"))
			}),
		).Draw(t, "arg")
		once, _, err := ResolveTimes(`x {{at "`+arg+`"}}`, now, z)
		if err != nil {
			if strings.Contains(err.Error(), "did not exist") || strings.Contains(err.Error(), "the year") {
				return
			}
			t.Fatal(err)
		}
		twice, _, err := ResolveTimes(once, now.Add(time.Hour), time.UTC)
		if err != nil || twice != once {
			t.Fatalf("%q became %q, %v", once, twice, err)
		}
	})
}

// The rule of the nearest: never more than half a day away, save where the
// clocks changed, and always what a clock on the wall showed.
func TestAClockTimeWithoutADateIsTheNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(0, 4102444800).Draw(t, "now"), 0)
		z, _ := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Europe/Oslo", "America/New_York", "Australia/Lord_Howe"}).Draw(t, "zone"))
		h, m := rapid.IntRange(0, 23).Draw(t, "h"), rapid.IntRange(0, 59).Draw(t, "m")
		at, _, err := parseAt(fmt.Sprintf("%02d:%02d", h, m), now, z)
		if err != nil {
			return // left out by the change of clocks; has a test of its own
		}
		if l := at.In(z); l.Hour() != h || l.Minute() != m {
			t.Fatalf("%02d:%02d became %s", h, m, l)
		}
		if d := at.Sub(now).Abs(); d > 13*time.Hour {
			t.Fatalf("%s from now", d)
		}
	})
}

func FuzzResolveTimes(f *testing.F) {
	f.Add(`It began {{at "16:11"}} and ended {{at "now"}}`, int64(1795447200), "Europe/Oslo")
	f.Add(`{{at "9999-12-31T23:59:59-01:00"}}`, int64(0), "UTC")
	f.Add("{{at \"16:11\"}}{{at \"-1h\"}}\xff 16:11", int64(-1), "Asia/Tokyo")
	f.Fuzz(func(t *testing.T, body string, now int64, name string) {
		z, err := time.LoadLocation(name)
		if err != nil {
			z = nil
		}
		at := time.Unix(now%4102444800, 0)
		once, _, err := ResolveTimes(body, at, z)
		if err != nil {
			var invalid *Invalid
			if !errors.As(err, &invalid) || invalid.Field != "body" {
				t.Fatalf("%v is not an *Invalid for body", err)
			}
			return
		}
		twice, _, err := ResolveTimes(once, at.Add(time.Hour), time.UTC)
		if err != nil || twice != once {
			t.Fatalf("%q became %q, %v", once, twice, err)
		}
		if left := PrintTimes(once, func(time.Time) string { return "·" }); strings.Contains(left, `{{at "`) {
			t.Fatalf("a tag is left after printing: %q", left)
		}
	})
}
