package templates

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestATimeIsShownInUTCAndInTheReadersZoneBothNamed(t *testing.T) {
	s := newSet(t)
	for _, c := range []struct{ lang, zone, at, ref, want string }{
		{"en", "UTC", "2026-11-23T16:11:00Z", "2026-11-23T18:00:00Z", "16:11 UTC"},
		{"en", "Etc/UTC", "2026-11-23T16:11:00Z", "2026-11-23T18:00:00Z", "16:11 UTC"},
		{"en", "", "2026-11-23T16:11:00Z", "2026-11-23T18:00:00Z", "16:11 UTC"},
		{"en", "No/Such_Zone", "2026-11-23T16:11:00Z", "2026-11-23T18:00:00Z", "16:11 UTC"},
		{"en", "Europe/Oslo", "2026-11-23T16:11:00Z", "2026-11-23T18:00:00Z", "16:11 UTC (17:11 CET)"},
		{"en", "America/New_York", "2026-11-23T16:11:00Z", "2026-11-23T18:00:00Z", "16:11 UTC (11:11 EST)"},
		{"en", "Europe/London", "2026-11-23T16:11:00Z", "2026-11-23T18:00:00Z", "16:11 UTC (16:11 GMT)"},
		{"en", "Asia/Kathmandu", "2026-11-23T16:11:00Z", "2026-11-23T16:30:00Z", "16:11 UTC (21:56 UTC+5:45)"},
		{"en", "Australia/Lord_Howe", "2026-07-01T01:00:00Z", "2026-07-01T02:00:00Z", "01:00 UTC (11:30 UTC+10:30)"},
		{"en", "Australia/Lord_Howe", "2026-12-01T01:00:00Z", "2026-12-01T02:00:00Z", "01:00 UTC (12:00 UTC+11)"},
		{"en", "America/Sao_Paulo", "2026-11-23T16:11:00Z", "2026-11-23T18:00:00Z", "16:11 UTC (13:11 UTC-3)"},
		// Another day on either clock: the date is said, and both where they differ.
		{"en", "UTC", "2026-11-21T09:40:00Z", "2026-11-23T18:00:00Z", "21 Nov, 09:40 UTC"},
		{"en", "Europe/Oslo", "2026-11-21T09:40:00Z", "2026-11-23T18:00:00Z", "21 Nov, 09:40 UTC (10:40 CET)"},
		{"en", "Europe/Oslo", "2026-11-23T23:30:00Z", "2026-11-23T18:00:00Z", "23 Nov, 23:30 UTC (24 Nov, 00:30 CET)"},
		{"en", "UTC", "2025-11-21T09:40:00Z", "2026-11-23T18:00:00Z", "21 Nov 2025, 09:40 UTC"},
		{"de", "Europe/Oslo", "2026-11-21T09:40:00Z", "2026-11-23T18:00:00Z", "21. Nov., 09:40 UTC (10:40 CET)"},
		{"es", "Europe/Madrid", "2026-11-21T09:40:00Z", "2026-11-23T18:00:00Z", "21 nov, 09:40 UTC (10:40 CET)"},
		{"fr", "Europe/Paris", "2026-08-21T09:40:00Z", "2026-11-23T18:00:00Z", "21 août, 09:40 UTC (11:40 CEST)"},
		{"ja", "Asia/Tokyo", "2026-11-23T16:11:00Z", "2026-11-23T18:00:00Z", "11月23日 16:11 UTC（11月24日 01:11 JST）"},
		{"ar", "Africa/Cairo", "2026-11-21T09:40:00Z", "2026-11-23T18:00:00Z", "21 نوفمبر، 09:40 \u2066UTC\u2069 (11:40 \u2066EET\u2069)"},
		// The hour that comes twice, and the one that does not come.
		{"en", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "00:30 UTC (02:30 CEST)"},
		{"en", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T00:00:00Z", "01:30 UTC (02:30 CET)"},
		{"en", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T00:00:00Z", "01:00 UTC (03:00 CEST)"},
	} {
		if got := s.Times(c.lang, c.zone).Moment(at(t, c.at), at(t, c.ref)); got != c.want {
			t.Errorf("%s %s in %s: %q, want %q", c.lang, c.at, c.zone, got, c.want)
		}
	}
}

func TestAFullTimeSaysWeekdayDateAndYear(t *testing.T) {
	s := newSet(t)
	for _, c := range []struct{ lang, zone, at, want string }{
		{"en", "UTC", "2026-11-23T16:11:00Z", "Mon 23 Nov 2026, 16:11 UTC"},
		{"en", "Europe/Oslo", "2026-11-23T16:11:00Z", "Mon 23 Nov 2026, 16:11 UTC (17:11 CET)"},
		{"en", "Europe/Oslo", "2026-12-31T23:30:00Z", "Thu 31 Dec 2026, 23:30 UTC (Fri 1 Jan, 00:30 CET)"},
		{"de", "Europe/Berlin", "2026-03-01T16:11:00Z", "So., 1. März 2026, 16:11 UTC (17:11 CET)"},
		{"es", "UTC", "2026-11-23T16:11:00Z", "lun, 23 nov 2026, 16:11 UTC"},
		{"fr", "UTC", "2026-11-23T16:11:00Z", "lun. 23 nov. 2026, 16:11 UTC"},
		{"ja", "UTC", "2026-11-23T16:11:00Z", "2026年11月23日(月) 16:11 UTC"},
		{"ar", "UTC", "2026-11-23T16:11:00Z", "الاثنين، 23 نوفمبر 2026، 16:11 \u2066UTC\u2069"},
	} {
		if got := s.Times(c.lang, c.zone).Full(at(t, c.at)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestADurationIsSaidInWordsOfItsSize(t *testing.T) {
	s := newSet(t)
	en, de := s.Times("en", ""), s.Times("de", "")
	for _, c := range []struct {
		d        time.Duration
		en, wide string
	}{
		{0, "less than a minute", "weniger als eine Minute"},
		{29 * time.Second, "less than a minute", "weniger als eine Minute"},
		{30 * time.Second, "1 min", "1 min"},
		{42 * time.Minute, "42 min", "42 min"},
		{59*time.Minute + 45*time.Second, "1 h", "1 h"},
		{2*time.Hour + 14*time.Minute, "2 h 14 min", "2 h 14 min"},
		{23*time.Hour + 59*time.Minute + 40*time.Second, "1 day", "1 Tag"},
		{27 * time.Hour, "1 day 3 h", "1 Tag 3 h"},
		{1200 * time.Hour, "50 days", "50 Tage"},
		{-time.Hour, "less than a minute", "weniger als eine Minute"},
	} {
		if got := en.Duration(c.d); got != c.en {
			t.Errorf("%v: %q, want %q", c.d, got, c.en)
		}
		if got := de.Duration(c.d); got != c.wide {
			t.Errorf("%v: %q, want %q", c.d, got, c.wide)
		}
	}
}

func TestADurationTakesTheFormsOfItsLanguage(t *testing.T) {
	s := newSet(t)
	for _, c := range []struct {
		lang string
		d    time.Duration
		want string
	}{
		{"es", 27 * time.Hour, "1 día 3 h"}, {"fr", 49 * time.Hour, "2 jours 1 h"}, {"fr", 20 * time.Second, "moins d’une minute"},
		{"ja", 134 * time.Minute, "2時間14分"}, {"ja", 50 * time.Hour, "2日2時間"},
		{"ar", time.Minute, "دقيقة واحدة"}, {"ar", 2 * time.Minute, "دقيقتان"}, {"ar", 5 * time.Minute, "5 دقائق"}, {"ar", 42 * time.Minute, "42 دقيقة"},
		{"ar", 134 * time.Minute, "ساعتان و14 دقيقة"}, {"ar", 11*24*time.Hour + time.Hour, "11 يومًا وساعة واحدة"}, {"ar", 100 * 24 * time.Hour, "100 يوم"},
	} {
		if got := s.Times(c.lang, "").Duration(c.d); got != c.want {
			t.Errorf("%s %v: %q, want %q", c.lang, c.d, got, c.want)
		}
	}
}

func TestADurationAgreesWithTheTimesBesideIt(t *testing.T) {
	p := newSet(t).Times("en", "")
	for _, c := range []struct{ from, to, want string }{
		{"2026-11-23T16:11:00Z", "2026-11-23T16:11:59Z", "less than a minute"},
		{"2026-11-23T16:11:58Z", "2026-11-23T16:12:01Z", "1 min"}, // 16:11 to 16:12
		{"2026-11-23T16:11:01Z", "2026-11-23T16:12:59Z", "1 min"},
		{"2026-11-23T16:11:40Z", "2026-11-23T18:25:00Z", "2 h 14 min"},
		{"2026-11-23T16:11:00Z", "2026-11-23T18:25:59Z", "2 h 14 min"},
	} {
		if got := p.Between(at(t, c.from), at(t, c.to)); got != c.want {
			t.Errorf("%s to %s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
	tale := story("incident-resolved")
	tale.Incident.OpenedAt = tale.Incident.OpenedAt.Add(50 * time.Second) // 16:11:50
	contains(t, told(t, newSet(t), tale, 7, 6).Text, "for 2 h 14 min", "16:11 UTC", "18:25 UTC")
}

func TestASpanWithinOneDaySaysTheDateOnce(t *testing.T) {
	s := newSet(t)
	ref := "2026-11-23T18:00:00Z"
	for _, c := range []struct{ lang, zone, from, to, want string }{
		{"en", "UTC", "2026-11-24T02:00:00Z", "2026-11-24T04:00:00Z", "24 Nov, 02:00 to 04:00 UTC"},
		{"en", "UTC", "2026-11-23T22:00:00Z", "2026-11-23T23:00:00Z", "22:00 to 23:00 UTC"},
		{"de", "Europe/Oslo", "2026-11-24T02:00:00Z", "2026-11-24T04:00:00Z", "24. Nov., 02:00 bis 04:00 UTC (03:00 bis 05:00 CET)"},
		{"en", "Asia/Tokyo", "2026-11-24T16:00:00Z", "2026-11-24T17:00:00Z", "24 Nov, 16:00 to 17:00 UTC (25 Nov, 01:00 to 02:00 JST)"},
		// Over midnight by one of the clocks, or over the change of clocks: both in full.
		{"en", "UTC", "2026-11-24T23:00:00Z", "2026-11-25T01:00:00Z", "24 Nov, 23:00 UTC to 25 Nov, 01:00 UTC"},
		{"en", "Europe/Oslo", "2026-11-24T22:30:00Z", "2026-11-24T23:30:00Z", "24 Nov, 22:30 UTC (23:30 CET) to 24 Nov, 23:30 UTC (25 Nov, 00:30 CET)"},
		{"en", "Europe/Oslo", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "25 Oct, 00:30 UTC (02:30 CEST) to 25 Oct, 01:30 UTC (02:30 CET)"},
	} {
		if got := s.Times(c.lang, c.zone).Span(at(t, c.from), at(t, c.to), at(t, ref)); got != c.want {
			t.Errorf("%s: %q, want %q", c.zone, got, c.want)
		}
	}
}

// Each of these has something odd: half-hour summer time, odd offsets, a day
// that was skipped, no summer time, summer time in the south.
var oddZones = []string{"Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo", "Europe/Berlin", "America/St_Johns", "Pacific/Chatham", "UTC", "Africa/Casablanca", "Asia/Kolkata"}

var fullTime = regexp.MustCompile(`^\w{3} (\d{1,2} \w{3} \d{4}), (\d\d:\d\d) UTC(?: \((?:\w{3} (\d{1,2} \w{3}), )?(\d\d:\d\d) (\S+)\))?$`)

func TestWhatIsPrintedCanBeReadBackInBothZones(t *testing.T) {
	s := newSet(t)
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(oddZones).Draw(t, "zone")
		when := time.Unix(rapid.Int64Range(at2000, at2000+40*365*86400).Draw(t, "when"), 0).UTC().Truncate(time.Minute)
		p := s.Times("en", zone)
		got := p.Full(when)
		m := fullTime.FindStringSubmatch(got)
		if m == nil {
			t.Fatalf("%q has not the form of a time", got)
		}
		utc, err := time.Parse("2 Jan 2006 15:04", m[1]+" "+m[2])
		if err != nil || !utc.Equal(when) {
			t.Fatalf("%q reads as %v, was %v (%v)", got, utc, when, err)
		}
		own := when.In(p.zone)
		if own.Format("MST") == "UTC" {
			if m[4] != "" {
				t.Fatalf("%q says UTC twice", got)
			}
			return
		}
		if m[4] != own.Format("15:04") || m[5] != ZoneName(own) || strings.ContainsAny(m[5][:1], "+-") {
			t.Fatalf("%q: the reader's clock shows %s %s", got, own.Format("15:04"), ZoneName(own))
		}
		if wantDate := own.Format("2 Jan"); (m[3] != "") != (own.Format("2 Jan") != when.Format("2 Jan")) || m[3] != "" && m[3] != wantDate {
			t.Fatalf("%q: the reader's day is %s", got, wantDate)
		}
	})
}

const at2000 = 946684800

func TestTwoInstantsOfOneHourNeverPrintAlike(t *testing.T) {
	s := newSet(t)
	for _, c := range []struct{ zone, from string }{
		{"Europe/Berlin", "2026-10-25T00:00:00Z"}, {"Europe/Berlin", "2026-03-29T00:00:00Z"},
		{"Australia/Lord_Howe", "2026-04-04T14:00:00Z"}, {"Australia/Lord_Howe", "2026-10-03T15:00:00Z"},
		{"America/New_York", "2026-11-01T05:00:00Z"},
	} {
		p := s.Times("en", c.zone)
		seen, own := map[string]bool{}, map[string]bool{}
		for m := range 120 {
			when := at(t, c.from).Add(time.Duration(m) * time.Minute)
			text := p.Full(when)
			_, bracket, _ := strings.Cut(text, "(")
			if seen[text] || own[bracket] {
				t.Errorf("%s: %q was printed twice", c.zone, text)
			}
			seen[text], own[bracket] = true, true
		}
	}
}

func sampleNow() time.Time { return sampleAt(18, 30) }

func TestATimeInATextRunsAsTheTextDoesAndPullsItToNoSide(t *testing.T) {
	s := newSet(t)
	ar, en := Times{cat: s.languages.find("ar"), zone: mustZone(t, "Africa/Cairo")}, Times{cat: s.languages.find("en"), zone: mustZone(t, "Africa/Cairo")}
	english, arabic := `Since {{at "2026-11-23T16:11:00Z"}} mail is late.`, `منذ {{at "2026-11-23T16:11:00Z"}} يتأخر البريد.`
	first := `{{at "2026-11-22T16:11:00Z"}}: mail is late.` // no letter of a time tells how the text runs
	for _, c := range []struct {
		name, body string
		times      Times
		page, mail string
	}{
		{"an Arabic reader of English", english, ar, `<time datetime="2026-11-23T16:11:00Z" dir="auto">16:11`, "<bdi>\u206816:11"},
		{"an Arabic reader of English that begins with a time", first, ar, `<time datetime="2026-11-22T16:11:00Z" dir="auto">22 نوفمبر`, "<bdi>\u206822 نوفمبر"},
		{"an Arabic reader of Arabic", arabic, ar, `<time datetime="2026-11-23T16:11:00Z" dir="rtl">16:11`, "<bdi dir=\"rtl\">\u206716:11"},
		{"an English reader of Arabic", arabic, en, `<time datetime="2026-11-23T16:11:00Z" dir="auto">16:11 UTC (18:11 EET)</time>`, "<bdi>\u206816:11 UTC (18:11 EET)\u2069</bdi>"},
		{"an English reader of English", english, en, `<time datetime="2026-11-23T16:11:00Z">16:11 UTC (18:11 EET)</time>`, "Since 16:11 UTC (18:11 EET) mail"},
	} {
		print := c.times.within(c.body, sampleAt(17, 0))
		page, err := s.markdown.page(c.body, print)
		if err != nil || !strings.Contains(string(page), c.page) || strings.ContainsAny(string(page), byItself+fromRight) {
			t.Errorf("%s: the page has %s, %v", c.name, page, err)
		}
		mail, err := s.markdown.html(c.body, print, nil)
		if err != nil || !strings.Contains(string(mail), c.mail) {
			t.Errorf("%s: the mail has %s, %v", c.name, mail, err)
		}
	}
}
