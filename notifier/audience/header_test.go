package audience_test

import (
	"errors"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/audience"
)

func TestAFileThatCannotBeUnderstoodSaysWhatToWrite(t *testing.T) {
	for name, c := range map[string]struct{ text, query, field, says string }{
		"E-Mail":               {"id,E-Mail,name\n", "", "line 1", `there is no column email; the nearest is "E-Mail": write map=email:E-Mail`},
		"mail":                 {"id,mail,name\n", "", "line 1", "write map=email:mail"},
		"user_email":           {"email_sent_at_date,user_email,user\n", "", "line 1", "write map=email:user_email"},
		"emial":                {"id,emial\n", "", "line 1", "write map=email:emial"},
		"recipient":            {"id,Recipient\n", "", "line 1", "write map=email:Recipient"},
		"Japanese":             {"番号,メールアドレス\n", "", "line 1", "write map=email:メールアドレス (in a URL: map=email:%E3%83%A1"},
		"a name with a space":  {"id;E-Mail Adresse\n", "", "line 1", "write map=email:E-Mail Adresse (in a URL: map=email:E-Mail+Adresse)"},
		"nothing near":         {"id,name,folder\n", "", "line 1", "the columns are id, name, folder: write map=email:"},
		"another delimiter":    {"id;E-Mail\n", "delimiter=,", "line 1", "write delimiter=semicolon"},
		"tabs between":         {"email\tsubject\tdate\tfolder\n", "delimiter=comma", "line 1", "write delimiter=tab"},
		"and one comma":        {"email\tsubject\tName, Vorname\n", "delimiter=comma", "line 1", "write delimiter=tab"},
		"a comma in a name":    {"id;\"mail, work\"\n", "", "line 1", "write map=email:mail, work"},
		"two that may":         {"Email,x,Address\n", "", "line 1", `columns 1 ("Email") and 3 ("Address") may both name the recipient: write map=email:Email, or write map=email:Address and map=other_email:Email`},
		"two, one mapped":      {"email,x,address\n", "map=email:email", "", ""},
		"two, other mapped":    {"email,x,address\n", "map=email:address&map=other_email:email", "", ""},
		"two, one is another":  {"email,x,address\n", "map=home:address", "", ""},
		"two keys":             {`{"email":"ann@example.com","address":"bo@example.com"}`, "", "line 1", `the keys "email" and "address" may both name the recipient: write map=email:email`},
		"behind sep=":          {"sep=,\nid,E-Mail\n", "", "line 2", "write map=email:E-Mail"},
		"no header":            {"ann@example.com,x\n", "", "line 1", `column 1: "ann@example.com" looks like an address; the first line must name the columns`},
		"twice":                {"email,Subject,x,subject\n", "", "line 1", `columns 2 and 4 are both called "subject"`},
		"twice the address":    {"email,x,EMAIL\n", "map=y:x", "line 1", "columns 1 and 3 are both called"},
		"taken by map":         {"email,work\n", "map=email:work", "line 1", `column 1 is called "email", which map gives to column 2 ("work"); give the other a name too: write map=other_email:email`},
		"map misspelt":         {"id,E-Mail\n", "map=email:E-Mial", "map", `the file has no column "E-Mial"; the nearest is "E-Mail": write map=email:E-Mail`},
		"map in other case":    {"a,A,email\n", "map=x:a&map=y:A", "", ""},
		"one column two names": {"email,a\n", "map=x:a&map=y:A", "map", `the column "a" is mapped twice`},
		"quote not closed":     {"email,\"subject\nann@example.com,x\n", "", "line 1", "column 2: a quote is opened and not closed"},
		"stray quote":          {"email,sub\"ject\n", "", "line 1", "column 2: a quote stands in a cell"},
		"NUL":                  {"email,sub\x00ject\n", "encoding=utf-8", "line 1", "encoding=utf-16"},
		"control character":    {"email,sub\x07ject\n", "", "line 1", "column 2: holds a control character"},
		"name too long":        {"email," + strings.Repeat("x", 1001) + "\n", "", "line 1", "column 2: the name is longer"},
		"too many columns":     {"email" + strings.Repeat(",", 1000) + "\n", "", "line 1", "names 1001 columns"},
		"CR alone":             {"email,x\rann@example.com,1\r", "", "line 1", "CR alone"},
		"CR alone, long":       {"email,x\r" + strings.Repeat("ann@example.com,1\r", 100_000), "", "line 1", "CR alone"},
		"empty":                {"", "", "line 1", "the file is empty"},
		"empty lines":          {"\n\r\n", "", "line 3", "the file is empty"},
		"a byte order mark":    {"\ufeff", "", "line 1", "the file is empty"},
		"Excel":                {"PK\x03\x04\x14\x00", "", "line 1", "save the table as CSV"},
		"gzip":                 {"\x1f\x8b\x08\x00", "", "line 1", "unpack it first"},
		"web page":             {"<!DOCTYPE html>\n<html>", "", "line 1", "is a web page"},
		"NDJSON":               {`{"id":1,"E-Mail":"ann@example.com"}`, "", "line 1", `there is no key email; the nearest is "E-Mail": write map=email:E-Mail`},
		"a JSON array":         {"[\n {\"email\":\"ann@example.com\"}]", "", "line 1", "NDJSON has one object on each line"},
		"a printed object":     {"{\n \"email\":\"ann@example.com\"\n}", "", "line 1", "NDJSON has one object on each line"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(t, strings.NewReader(c.text), options(t, c.query, ""))
			if c.says == "" && c.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var bad *notifier.Invalid
			if !errors.As(err, &bad) || bad.Field != c.field || !strings.Contains(bad.Message, c.says) {
				t.Errorf("%v\nwant %s: %s", err, c.field, c.says)
			}
		})
	}
}

func TestAnObjectWithoutAnAddressIsNoMistakeWhereMapSaysSo(t *testing.T) {
	_, at, err := read(t, strings.NewReader(`{"id":1,"backup_email":"ann@example.com"}`), options(t, "map=email:email", ""))
	if err != nil || at.WithoutAddress != 1 {
		t.Errorf("%+v, %v", at, err)
	}
}

func TestTheSuggestionIsTheOneThatWorks(t *testing.T) {
	for _, name := range []string{"E-Mail", "user_email", "E-Mail Adresse", "メールアドレス", "mail & more", "a:mail", "100% mail"} {
		text := "id\t" + name + "\n1\tann@example.com\n"
		_, _, err := read(t, strings.NewReader(text), options(t, "", ""))
		if err == nil {
			t.Fatalf("%q was taken for email", name)
		}
		_, query, ok := strings.Cut(err.Error(), "(in a URL: ")
		if query = strings.TrimSuffix(query, ")"); !ok {
			_, query, _ = strings.Cut(err.Error(), "write ")
		}
		if rows := all(t, text, query); len(rows) != 1 || rows[0].Address != "ann@example.com" {
			t.Errorf("%s: %+v", query, rows)
		}
	}
}

func TestOptionsAreReadAsTheyAreWritten(t *testing.T) {
	o, err := audience.ParseOptions("?map=email:E-Mail&delimiter=;&encoding=windows-1252&timezone=Europe/Oslo&map=Subject:a%3Ab", "text/csv; charset=utf-8")
	if err != nil {
		t.Fatal(err)
	}
	if o.Map["email"] != "E-Mail" || o.Map["Subject"] != "a:b" || o.Delimiter != ';' || o.Encoding != "windows-1252" || o.Zone.String() != "Europe/Oslo" || o.Format != "csv" {
		t.Errorf("read %+v", o)
	}
	for contentType, want := range map[string]string{"": "", "text/csv": "csv", "application/x-ndjson": "ndjson", "text/plain; charset=latin1": "", "application/octet-stream": ""} {
		if o, err := audience.ParseOptions("", contentType); err != nil || o.Format != want {
			t.Errorf("%q is %q, %v", contentType, o.Format, err)
		}
	}
}

func TestAWrongOptionIsNamed(t *testing.T) {
	for query, c := range map[string]struct{ field, says string }{
		"delimeter=;":                      {"delimeter", "known are delimiter, encoding, map, numbers, timezone"},
		"delimiter=x":                      {"delimiter", "comma, semicolon, tab, pipe"},
		"delimiter=":                       {"delimiter", "comma, semicolon, tab, pipe"},
		"delimiter=;&delimiter=,":          {"delimiter", "is given twice"},
		"encoding=ebcdic":                  {"encoding", "utf-8, utf-16, windows-1252"},
		"timezone=Mars":                    {"timezone", "is no time zone"},
		"timezone=Local":                   {"timezone", "is no time zone"},
		"timezone=":                        {"timezone", "is no time zone"},
		"map=email":                        {"map", "such as map=email:E-Mail"},
		"map=email:":                       {"map", "such as map=email:E-Mail"},
		"map=:E-Mail":                      {"map", "such as map=email:E-Mail"},
		"map=email:a&map=email:b":          {"map", `"email" is mapped twice`},
		"map=email:a&map=EMAIL:b":          {"map", `is mapped twice`},
		"map=a:x&map=b:x":                  {"map", `"x" is mapped twice`},
		"map=email:%zz":                    {"map", "cannot be read"},
		"encoding=utf-8&%zz=1":             {"%zz", "is not a parameter"},
		"timezone=Europe/Oslo&x=1":         {"x", "is not known here"},
		"encoding=utf-8&encoding=utf-16le": {"encoding", "is given twice"},
	} {
		_, err := audience.ParseOptions(query, "")
		var bad *notifier.Invalid
		if !errors.As(err, &bad) || bad.Field != c.field || !strings.Contains(bad.Message, c.says) {
			t.Errorf("%s: %v\nwant %s: %s", query, err, c.field, c.says)
		}
	}
	for _, contentType := range []string{"application/json", "application/pdf", ";", "text/csv; charset=koi8-r"} {
		var bad *notifier.Invalid
		if _, err := audience.ParseOptions("", contentType); !errors.As(err, &bad) || bad.Field != "Content-Type" {
			t.Errorf("%q: %v", contentType, err)
		}
	}
	for _, o := range []audience.Options{{}, {Check: check, Encoding: "ebcdic"}} {
		if _, err := audience.NewReader(strings.NewReader("email\n"), o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}
