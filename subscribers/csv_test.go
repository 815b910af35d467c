package subscribers_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"allclear/notifier"
	"allclear/subscribers"
)

// readAll reads a whole file; the test fails where it cannot be read.
func readAll(t testing.TB, text string) []subscribers.Row {
	t.Helper()
	r, err := subscribers.ReadCSV(strings.NewReader(text))
	if err != nil {
		t.Fatalf("read %q: %v", text, err)
	}
	var rows []subscribers.Row
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatalf("read %q: %v", text, err)
		}
		rows = append(rows, row)
	}
}

func TestEveryColumnOfASubscriberIsRead(t *testing.T) {
	rows := readAll(t, "channel,address,components,severity,kinds,cadence,timezone,language,state,group,contact,incident,format,types,quiet\n"+
		"email,Ann@Example.COM,imap7;web,major,incident;post,milestones,Europe/Oslo,pt-BR,active,true,Boss@Example.com,7kq2m9,,,\n"+
		"webhook,HTTPS://Example.com/hook,,,,,,,,,boss@example.com,,Slack,incident.created;post.published,\n"+
		"sms,+47 406 12 345,,,,,,,,,,,,,22:00-07:00\n")
	if len(rows) != 3 || rows[0].Err != nil || rows[1].Err != nil || rows[2].Err != nil {
		t.Fatalf("rows: %+v", rows)
	}
	want := subscribers.Subscriber{
		Channel: notifier.Email, Address: "Ann@example.com", State: subscribers.Active, Cadence: subscribers.Milestones,
		Filter: subscribers.Filter{
			Components: []string{"imap7", "web"}, Severity: notifier.SeverityMajor,
			Kinds: []notifier.Kind{notifier.KindIncident, notifier.KindPost}, Incident: "7kq2m9",
		},
		Timezone: "Europe/Oslo", Language: "pt-BR", Group: true, Contact: "Boss@example.com",
	}
	hook := subscribers.Subscriber{
		Channel: notifier.Webhook, Address: "https://example.com/hook", State: subscribers.Pending, Cadence: subscribers.Instant,
		Contact: "boss@example.com", Format: notifier.FormatSlack,
		Filter: subscribers.Filter{Types: []notifier.EventType{notifier.IncidentCreated, notifier.PostPublished}},
	}
	phone := subscribers.Subscriber{
		Channel: notifier.SMS, Address: "+4740612345", State: subscribers.Pending, Cadence: subscribers.Instant, Quiet: "22:00-07:00",
	}
	for i, want := range []subscribers.Subscriber{want, hook, phone} {
		if !reflect.DeepEqual(rows[i].Subscriber, want) {
			t.Errorf("read %+v\nwant %+v", rows[i].Subscriber, want)
		}
	}
}

func TestAFileIsUnderstoodHoweverASpreadsheetWroteIt(t *testing.T) {
	for name, text := range map[string]string{
		"plain":                 "address,state\nann@example.com,active\n",
		"no last line end":      "address,state\nann@example.com,active",
		"byte order mark":       "\ufeffaddress,state\nann@example.com,active\n",
		"CRLF":                  "address,state\r\nann@example.com,active\r\n",
		"semicolons":            "address;state\nann@example.com;active\n",
		"tabs":                  "address\tstate\nann@example.com\tactive\n",
		"other order and case":  "State , EMAIL\nActive, ann@example.com\n",
		"quoted":                "\"address\",\"state\"\n\"ann@example.com\",\"active\"\n",
		"empty lines":           "address,state\n\n,\nann@example.com,active\n\n",
		"columns of later days": "address,state,hour,group\nann@example.com,active,,\n",
	} {
		t.Run(name, func(t *testing.T) {
			rows := readAll(t, text)
			if len(rows) != 1 || rows[0].Err != nil || rows[0].Subscriber.Address != "ann@example.com" || rows[0].Subscriber.State != subscribers.Active {
				t.Errorf("rows: %+v", rows)
			}
		})
	}
}

func TestAListKeepsItsSemicolonsInAFileOfSemicolons(t *testing.T) {
	rows := readAll(t, "address;components\nann@example.com;\"imap7;web\"\n")
	if len(rows) != 1 || rows[0].Err != nil || !reflect.DeepEqual(rows[0].Subscriber.Filter.Components, []string{"imap7", "web"}) {
		t.Errorf("rows: %+v", rows)
	}
}

func TestAHeaderThatCannotBeUnderstoodIsOneClearError(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"empty file":     {"", "the file is empty"},
		"unknown column": {"address,colour\n", `"colour" is not a known column; known are channel, address, components`},
		"no address":     {"channel,state\n", "no column address"},
		"address twice":  {"address,email\n", "address stands there twice"},
		"UTF-16 little":  {"\xff\xfea\x00d\x00\n\x00", "UTF-16"},
		"UTF-16 big":     {"\xfe\xff\x00a\x00d\x00\n", "UTF-16"},
		"UTF-16 no mark": {"a\x00d\x00\n\x00", "UTF-16"},
		"Latin-1":        {"adr\xe9ss\n", "not UTF-8"},
		"CR line ends":   {"address\rann@example.com\r", "CR alone"},
		"open quote":     {"\"address,state\n", "column 1: a quote is opened"},
		"endless line":   {strings.Repeat("a", 70<<10), "longer than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := subscribers.ReadCSV(strings.NewReader(c.text))
			var bad *notifier.Invalid
			if !errors.As(err, &bad) || bad.Field != "header" || !strings.Contains(bad.Message, c.says) {
				t.Errorf("got %v, want an error of the header that says %q", err, c.says)
			}
		})
	}
}

func TestAWrongRowNamesItsLineAndFieldAndTheOthersStand(t *testing.T) {
	const header = "address,components,severity,kinds,cadence,timezone,language,state,hour,channel\n"
	good := "ann@example.com,,,,,,,,,\n"
	for name, c := range map[string]struct{ row, field, says string }{
		"no address":           {",imap7,,,,,,,,", "address", "must not be empty"},
		"no @":                 {"ann,,,,,,,,,", "address", "has no @"},
		"angle brackets":       {"Ann <ann@example.com>,,,,,,,,,", "address", "not allowed before the @"},
		"300 characters":       {strings.Repeat("a", 290) + "@example.com,,,,,,,,,", "address", "at most 254"},
		"non-ASCII local part": {"ännchen@example.com,,,,,,,,,", "address", "SMTPUTF8"},
		"CR in the address":    {"\"ann@exa\rmple.com\",,,,,,,,,", "address", "control character"},
		"NUL in the address":   {"ann\x00@example.com,,,,,,,,,", "address", "control character"},
		"bad component":        {"ann@example.com,imap7;No Such,,,,,,,,", "components[1]", "not a component key"},
		"bad severity":         {"ann@example.com,,huge,,,,,,,", "severity", "none, minor, major, critical"},
		"bad kind":             {"ann@example.com,,,gossip,,,,,,", "kinds[0]", "incident, maintenance, post"},
		"bad cadence":          {"ann@example.com,,,,hourly,,,,,", "cadence", "instant, milestones"},
		"no digest by phone":   {"+4740612345,,,,daily,,,,,sms", "cadence", "instant or milestones"},
		"bad zone":             {"ann@example.com,,,,,Mars/Base,,,,", "timezone", "no time zone"},
		"bad language":         {"ann@example.com,,,,,,klingon!,,,", "language", "no language"},
		"bad state":            {"ann@example.com,,,,,,,asleep,,", "state", "is not one of"},
		"no hour of the day":   {"ann@example.com,,,,,,,,24,", "hour", "write 0 to 23"},
		"bad channel":          {"ann@example.com,,,,,,,,,pigeon", "channel", "email, webhook, sms"},
		"too few cells":        {"ann@example.com", "", "has 1 cells where the header has 10"},
		"too many cells":       {"ann@example.com,,,,,,,,,,", "", "has 11 cells where the header has 10"},
		"quote never closed":   {"ann@example.com,\"imap7,,,,,,,,", "components", "opened and not closed"},
		"text behind a quote":  {"\"ann\"@example.com,,,,,,,,,", "address", "behind the closing quote"},
		"quote in the middle":  {"ann\"x\"@example.com,,,,,,,,,", "address", "does not begin with one"},
		"cell over 4 KiB":      {"ann@example.com," + strings.Repeat("x", 4097) + ",,,,,,,,", "components", "at most 4096"},
		"line over 64 KiB":     {strings.Repeat("x", 200<<10), "", "longer than 65536 bytes"},
		"broken UTF-8":         {"ann@example.com,,,,,,\xff,,,", "language", "not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			rows := readAll(t, header+good+c.row+"\n"+good)
			if len(rows) != 3 || rows[0].Err != nil || rows[2].Err != nil || rows[2].Line != 4 {
				t.Fatalf("its neighbours suffered: %+v", rows)
			}
			bad := rows[1].Err
			if bad == nil || rows[1].Line != 3 || bad.Field != c.field || !strings.Contains(bad.Message, c.says) {
				t.Errorf("line %d: %+v; want field %q and %q", rows[1].Line, bad, c.field, c.says)
			}
		})
	}
}

func TestAGroupInAFileNamesItsOwner(t *testing.T) {
	for row, want := range map[string]struct{ field, says string }{
		"ops@example.com,yes,":                   {"contact", "must not be empty"},
		"ops@example.com,,boss@example.com":      {"contact", "only for a group"},
		"ops@example.com,true,ops@example.com":   {"contact", "another address"},
		"ops@example.com,true,boss":              {"contact", "has no @"},
		"ops@example.com,maybe,boss@example.com": {"group", "neither true nor false"},
		"ops@example.com,TRUE,boss@example.com":  {},
		"ops@example.com,no,":                    {},
	} {
		rows := readAll(t, "address,group,contact\n"+row+"\n")
		bad := rows[0].Err
		if want.field == "" {
			if bad != nil {
				t.Errorf("%s: %v", row, bad)
			}
		} else if bad == nil || bad.Field != want.field || !strings.Contains(bad.Message, want.says) {
			t.Errorf("%s: %v, want %s %q", row, bad, want.field, want.says)
		}
	}
}

func TestALineBreakInsideQuotesSpoilsOnlyItsOwnLines(t *testing.T) {
	rows := readAll(t, "address\n\"ann@example.com\nRCPT TO:<bob@example.com>\"\ncarl@example.com\n")
	if len(rows) != 3 || rows[0].Err == nil || rows[1].Err == nil || rows[2].Err != nil {
		t.Fatalf("rows: %+v", rows)
	}
	if rows[0].Line != 2 || rows[0].Err.Field != "address" {
		t.Errorf("the opening line: %+v", rows[0])
	}
}

func TestAFileThatIsCutOffIsNotReadPastTheCut(t *testing.T) {
	cut := errors.New("connection lost")
	r, err := subscribers.ReadCSV(io.MultiReader(strings.NewReader("address\nann@example.com\nbob@exam"), iotest.ErrReader(cut)))
	if err != nil {
		t.Fatal(err)
	}
	if row, err := r.Next(); err != nil || row.Subscriber.Address != "ann@example.com" {
		t.Fatalf("first row: %+v, %v", row, err)
	}
	if row, err := r.Next(); !errors.Is(err, cut) {
		t.Errorf("half a row came out: %+v, %v", row, err)
	}
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		if e.left == 0 {
			return 0, io.EOF
		}
		e.left--
		e.rest = e.row
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func TestAFileOfAnySizeIsReadInTheSameMemory(t *testing.T) {
	r, err := subscribers.ReadCSV(io.MultiReader(strings.NewReader("address\n"), &endless{row: strings.Repeat("x", 1<<20) + "\nann@example.com\n\"open", left: 30}))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rows := 0
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rows++
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d rows of a 30 MB file allocated %d bytes", rows, grown)
	}
}

func FuzzReadCSV(f *testing.F) {
	for _, seed := range []string{
		"address\nann@example.com\n", "email;components\nann@example.com;\"a;b\"\n", "\ufeffaddress\tstate\r\n\"a\"\"b\"\tactive\r\n",
		"address\n\"open\nann@example.com\n", "\xff\xfea\x00", "address,hour\n'=x@example.com,\n", "address\r\r\n", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := subscribers.ReadCSV(strings.NewReader(text))
		if err != nil {
			var bad *notifier.Invalid
			if !errors.As(err, &bad) {
				t.Fatalf("not an Invalid: %v", err)
			}
			return
		}
		last := 1
		for {
			row, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if row.Line <= last {
				t.Fatalf("line %d follows line %d", row.Line, last)
			}
			last = row.Line
			if row.Err != nil {
				continue
			}
			again := row.Subscriber
			if err := again.Validate(); err != nil || !reflect.DeepEqual(again, row.Subscriber) {
				t.Fatalf("line %d let %+v through: %v", row.Line, row.Subscriber, err)
			}
			if strings.ContainsAny(row.Subscriber.Address, "\r\n<> ") {
				t.Fatalf("line %d let the address %q through", row.Line, row.Subscriber.Address)
			}
			var out bytes.Buffer
			w := subscribers.WriteCSV(&out)
			if err := errors.Join(w.Write(row.Subscriber), w.Flush()); err != nil {
				t.Fatal(err)
			}
			back, err := subscribers.ReadCSV(&out)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := back.Next(); err != nil || got.Err != nil || fmt.Sprint(got.Subscriber) != fmt.Sprint(row.Subscriber) {
				t.Fatalf("wrote %+v, read %+v, %v", row.Subscriber, got, err)
			}
		}
	})
}
