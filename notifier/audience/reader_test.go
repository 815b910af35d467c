package audience_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/audience"
)

func TestARowSaysWhoIsMeantAndItsDataInTheFilesOrder(t *testing.T) {
	rows := all(t, "Folder,E-Mail,channel,Language,timezone,account,Betreff\n"+
		"Inbox,Ann@Example.COM,,pt-BR,Europe/Oslo,u-17,Hello\n"+
		"Sent,+4740612345,SMS,,,,\n", "map=email:E-Mail&map=subject:betreff")
	want := []audience.Row{
		{
			Line: 2, Offset: 56, Channel: notifier.Email, Address: "Ann@example.com", Language: "pt-BR", Timezone: "Europe/Oslo", Account: "u-17",
			Fields: []notifier.Field{{Name: "Folder", Text: "Inbox"}, {Name: "subject", Text: "Hello"}},
		},
		{
			Line: 3, Offset: 108, Channel: notifier.SMS, Address: "+4740612345",
			Fields: []notifier.Field{{Name: "Folder", Text: "Sent"}, {Name: "subject", Text: ""}},
		},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("read %+v\nwant %+v", rows, want)
	}
}

func TestRowsOfOneRecipientDifferInTheCaseOfTheDomainOnly(t *testing.T) {
	rows := all(t, "email\nann@Example.com\nann@EXAMPLE.com\nAnn@example.com\n", "")
	if rows[0].Address != rows[1].Address {
		t.Errorf("%q and %q are two recipients", rows[0].Address, rows[1].Address)
	}
	if rows[0].Address == rows[2].Address {
		t.Errorf("%q took what is ann's, who may be somebody else", rows[2].Address)
	}
}

func TestAColumnAddressIsTheAddressWhereThereIsNoEmail(t *testing.T) {
	rows := all(t, "Address,x\nann@example.com,1\n", "")
	if len(rows) != 1 || rows[0].Address != "ann@example.com" || len(rows[0].Fields) != 1 {
		t.Errorf("read %+v", rows)
	}
	rows = all(t, "email,address\nann@example.com,1 Main Street\n", "map=email:email")
	if len(rows) != 1 || rows[0].Address != "ann@example.com" || !slices.Equal(cells(rows[0]), []string{"1 Main Street"}) {
		t.Errorf("read %+v", rows)
	}
}

func TestAFileIsUnderstoodHoweverItWasSaved(t *testing.T) {
	const plain = "email,subject\nann@example.com,Grüße — 5 €\n"
	latin := "email;subject\r\nann@example.com;Gr\xfc\xdfe \x97 5 \x80\r\n"
	for name, c := range map[string]struct{ text, query string }{
		"UTF-8":                           {plain, ""},
		"UTF-8, byte order mark":          {"\ufeff" + plain, ""},
		"UTF-8, mark against the option":  {"\ufeff" + plain, "encoding=windows-1252"},
		"UTF-16 little, mark":             {wide(littleEndian, "\ufeff"+plain), ""},
		"UTF-16 big, mark":                {wide(bigEndian, "\ufeff"+plain), ""},
		"UTF-16 little, no mark":          {wide(littleEndian, plain), ""},
		"UTF-16 big, no mark":             {wide(bigEndian, plain), ""},
		"UTF-16 little, no mark, told so": {wide(littleEndian, plain), "encoding=UTF-16"},
		"UTF-16 big, no mark, told so":    {wide(bigEndian, plain), "encoding=utf-16"},
		"UTF-16, CRLF":                    {wide(littleEndian, "\ufeff"+strings.ReplaceAll(plain, "\n", "\r\n")), ""},
		"UTF-16, tabs, no last line end":  {wide(littleEndian, "\ufeffemail\tsubject\nann@example.com\tGrüße — 5 €"), ""},
		"windows-1252, semicolons, CRLF":  {latin, "encoding=windows-1252"},
		"windows-1252 by another name":    {latin, "encoding=ISO-8859-1&delimiter=;"},
		"semicolons":                      {strings.ReplaceAll(plain, ",", ";"), ""},
		"tabs":                            {strings.ReplaceAll(plain, ",", "\t"), ""},
		"pipes":                           {strings.ReplaceAll(plain, ",", "|"), ""},
		"pipes, told so":                  {strings.ReplaceAll(plain, ",", "|"), "delimiter=%7C"},
		"sep=":                            {"sep=;\r\nemail;subject\r\nann@example.com;Grüße — 5 €\r\n", ""},
		"no last line end":                {strings.TrimSuffix(plain, "\n"), ""},
		"everything quoted":               {"\"email\",\"subject\"\n\"ann@example.com\",\"Grüße — 5 €\"\n", ""},
		"empty lines and rows":            {"\n\nemail,subject\n\n,\n\"\",\" \"\nann@example.com,Grüße — 5 €\n\n", ""},
		"a column without a name":         {"email,subject,\nann@example.com,Grüße — 5 €,\n", ""},
		"a header over two lines":         {"\"e-\nmail\",subject\nann@example.com,Grüße — 5 €\n", "map=email:e- mail"},
		"commas in a quoted header":       {"email;subject;\"a,b,c,d\"\nann@example.com;Grüße — 5 €;\n", "map=note:a,b,c,d"},
		"NDJSON":                          {`{"email":"ann@example.com","subject":"Grüße — 5 €"}`, ""},
		"NDJSON in UTF-16":                {wide(littleEndian, "\ufeff{\"subject\":\"Gr\\u00fc\u00dfe — 5 €\",\"email\":\"ann@example.com\"}\r\n"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			rows := all(t, c.text, c.query)
			if len(rows) != 1 || rows[0].Address != "ann@example.com" || rows[0].Fields[0] != (notifier.Field{Name: "subject", Text: "Grüße — 5 €"}) {
				t.Errorf("read %+v", rows)
			}
		})
	}
}

func TestALineBreakInsideOfQuotesIsPartOfTheCell(t *testing.T) {
	rows := all(t, "email,subject,folder\r\nann@example.com,\"one\r\n\r\n\"\"two\"\", three\",\"a,b\"\r\nbob@example.com,x,y\r\n", "")
	if len(rows) != 2 || !slices.Equal(cells(rows[0]), []string{"one\n\n\"two\", three", "a,b"}) {
		t.Fatalf("read %+v", rows)
	}
	if rows[1].Line != 5 || rows[1].Address != "bob@example.com" {
		t.Errorf("the row behind is %+v", rows[1])
	}
}

func TestTimesAndNumbersAreTypedAndEverythingElseStaysText(t *testing.T) {
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]any{
		"2026-11-26T20:13:05Z":             time.Date(2026, 11, 26, 20, 13, 5, 0, time.UTC),
		"2026-11-26T20:13:05+05:45":        time.Date(2026, 11, 26, 14, 28, 5, 0, time.UTC),
		"2026-11-26 20:13":                 time.Date(2026, 11, 26, 20, 13, 0, 0, oslo),
		"2026-07-01 20:13:05":              time.Date(2026, 7, 1, 20, 13, 5, 0, oslo),
		"2026-11-26":                       time.Date(2026, 11, 26, 0, 0, 0, 0, oslo),
		" 12 ":                             12.0,
		"-0.50":                            -0.5,
		"0":                                0.0,
		"123456789012345":                  123456789012345.0,
		"1234567890123456":                 nil, // a float64 would change it
		"007":                              nil, // somebody's number, not a number
		"1,5":                              nil,
		"1e5":                              nil,
		"12 kB":                            nil,
		"26.11.2026":                       nil,
		"2026-02-30":                       nil,
		"2026-11-26T20:13:05":              time.Date(2026, 11, 26, 20, 13, 5, 0, oslo),
		"2026-11-26 20:13:05+01:00":        time.Date(2026, 11, 26, 19, 13, 5, 0, time.UTC),
		"2026-11-26 20:13:05.250":          time.Date(2026, 11, 26, 20, 13, 5, 250_000_000, oslo),
		"2026-11-26 20:13:05,5":            time.Date(2026, 11, 26, 20, 13, 5, 500_000_000, oslo),
		"2026-11-26T20:13+0100":            time.Date(2026, 11, 26, 19, 13, 0, 0, time.UTC),
		"2026-11-26T20:13-05:00":           time.Date(2026, 11, 27, 1, 13, 0, 0, time.UTC),
		"2026-11-26 20:13:05 UTC":          time.Date(2026, 11, 26, 20, 13, 5, 0, time.UTC),
		"2026-11-26 20:13 GMT":             time.Date(2026, 11, 26, 20, 13, 0, 0, time.UTC),
		"2026-11-26 20:13:05Z":             time.Date(2026, 11, 26, 20, 13, 5, 0, time.UTC),
		"2026-11-26 20:13:05.123456789+00": time.Date(2026, 11, 26, 20, 13, 5, 123456789, time.UTC),
		"2026-11-26 20:13:05 -0330":        time.Date(2026, 11, 26, 23, 43, 5, 0, time.UTC),
		"2026-11-26 20:13:05 CET":          nil, // which of two offsets that is depends on where it was written
		"2026-11-26 20:13:05+01 UTC":       nil,
		"2026-11-26 20:13:05+1":            nil,
		"2026-11-26_20:13":                 nil,
		"2026-11-26 20:61":                 nil,
		"2026-11-26 UTC":                   nil,
		"2026-11-26 20":                    nil,
		"2026-11-26-0123456":               nil,
		"-":                                nil,
		"1.":                               nil,
		"NaN":                              nil,
		"":                                 nil,
	} {
		got := all(t, "email;x\nann@example.com;"+text+"\n", "timezone=Europe/Oslo&numbers=x")[0].Fields[0]
		at, isTime := got.Value.(time.Time)
		wanted, wantTime := want.(time.Time)
		if got.Text != text || isTime != wantTime || isTime && !at.Equal(wanted) || !isTime && got.Value != want {
			t.Errorf("%q is %#v, want %#v", text, got.Value, want)
		}
		kept, err := json.Marshal(got)
		var back notifier.Field
		if err != nil || json.Unmarshal(kept, &back) != nil || back.Name != got.Name || back.Text != got.Text {
			t.Fatalf("kept %+v as %s (%v) and got back %+v", got, kept, err, back)
		}
		if again, ok := back.Value.(time.Time); isTime != ok || ok && !again.Equal(at) || !ok && back.Value != got.Value {
			t.Errorf("kept as %s, %#v became %#v", kept, got.Value, back.Value)
		}
	}
}

func TestANumberThatNobodyCalledOneStaysAsItWasWritten(t *testing.T) {
	row := all(t, "email,subject,folder,Message-ID,ticket,at,Anzahl,size,date\n"+
		"ann@example.com,2026-11-20,2026-11,2026-11-20 09:12,10023456,1795823823,1204,18.40,2026-11-20\n", "map=count:Anzahl&numbers=count")[0]
	for _, f := range row.Fields {
		_, isTime := f.Value.(time.Time)
		switch f.Name {
		case "count":
			if f.Value != 1204.0 {
				t.Errorf("%+v is no number", f)
			}
		case "date":
			if !isTime {
				t.Errorf("%+v is no time", f)
			}
		default:
			if f.Value != nil {
				t.Errorf("%q, which stands in %q, became %#v", f.Text, f.Name, f.Value)
			}
		}
	}
}

func TestColumnsOfNumbersAreThoseOfTheFile(t *testing.T) {
	for query, want := range map[string]string{
		"numbers=size,Anzahl":             "",
		"numbers=size&numbers=SIZE":       "",
		"map=count:Anzahl&numbers=Anzahl": "",
		"numbers=anzahk":                  `numbers: the file has no column "anzahk"; the nearest is "Anzahl"`,
		"numbers=size,":                   `numbers: "size,": write the names of columns with commas between, such as count,size`,
		"numbers=folder":                  `numbers: "folder" holds no amounts: it is printed as it stands, whatever it looks like`,
		"numbers=Account":                 `numbers: "Account" holds no amounts: it is printed as it stands, whatever it looks like`,
		"numbers=Ort&map=folder:Ort":      `numbers: "Ort" holds no amounts: it is printed as it stands, whatever it looks like`,
	} {
		o, err := audience.ParseOptions(query, "")
		if err == nil {
			o.Check = check
			_, _, err = read(t, strings.NewReader("email,Anzahl,size,Ort\nann@example.com,1,2,3\n"), o)
		}
		if got := fmt.Sprint(err); err == nil && want != "" || err != nil && got != want {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
}

func TestNDJSONKeepsTheOrderOfKeysAndWhatJSONCallsANumber(t *testing.T) {
	rows := all(t, `{"n":1.5e2,"ticket":10023456,"share":0.5,"s":"12","E-Mail":"ann@example.com","t":"2026-11-26T20:13:05Z","b":true,"none":null,"id":12345678901234567890,"language":"de"}`+"\n\n"+
		`{"E-Mail":null,"n":1}`+"\n", "map=email:e-mail&numbers=N")
	if len(rows) != 1 || rows[0].Language != "de" {
		t.Fatalf("read %+v", rows)
	}
	want := []notifier.Field{
		{Name: "n", Text: "1.5e2", Value: 150.0},
		{Name: "ticket", Text: "10023456"},
		{Name: "share", Text: "0.5"},
		{Name: "s", Text: "12"},
		{Name: "t", Text: "2026-11-26T20:13:05Z", Value: time.Date(2026, 11, 26, 20, 13, 5, 0, time.UTC)},
		{Name: "b", Text: "true"},
		{Name: "none"},
		{Name: "id", Text: "12345678901234567890"},
	}
	if !reflect.DeepEqual(rows[0].Fields, want) {
		t.Errorf("read %+v\nwant %+v", rows[0].Fields, want)
	}
}

func TestRowsWithoutAnAddressAreCountedAndNoRejects(t *testing.T) {
	for name, text := range map[string]string{
		"CSV":    "subject,email\nx,ann@example.com\ny,\nz,\"  \"\n,\n",
		"NDJSON": `{"email":"ann@example.com","subject":"x"}` + "\n" + `{"subject":"y"}` + "\n" + `{"email":" "}` + "\n",
	} {
		rows, at, err := read(t, strings.NewReader(text), options(t, "", ""))
		if err != nil || len(rows) != 1 || rows[0].Reason != "" || at.Rows != 1 || at.Rejected != 0 || at.WithoutAddress != 2 {
			t.Errorf("%s: %+v, %+v, %v", name, rows, at, err)
		}
	}
}
