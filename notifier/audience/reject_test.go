package audience_test

import (
	"errors"
	"strings"
	"testing"

	"allclear/notifier"
)

func TestARowThatCannotBeUsedSaysWhyAndItsNeighboursStand(t *testing.T) {
	const good = "ann@example.com,x,,,\n"
	for name, c := range map[string]struct{ row, says string }{
		"no address":             {"ann,x,,,", `column 1 ("email"): "ann" is no address`},
		"line break in address":  {"\"ann@\nexample.com\",x,,,", `column 1 ("email")`},
		"too few cells":          {"ann@example.com,x", "has 2 cells where the header has 5"},
		"too many cells":         {"ann@example.com,x,,,,", "has 6 cells where the header has 5"},
		"too few, no address":    {"x", "has 1 cells where the header has 5"},
		"cell too long":          {"ann@example.com," + strings.Repeat("x", 64<<10+1) + ",,,", `column 2 ("subject"): 65537 bytes; at most 65536`},
		"long cell over lines":   {"ann@example.com,\"" + strings.Repeat("x\n", 40<<10) + "\",,,", `column 2 ("subject"): 81920 bytes; at most 65536`},
		"NUL":                    {"ann@example.com,a\x00b,,,", `column 2 ("subject"): holds a NUL byte`},
		"bell":                   {"ann@example.com,a\x07b,,,", `column 2 ("subject"): holds a control character (U+0007)`},
		"CR inside a line":       {"ann@example.com,a\rb,,,", "(U+000D)"},
		"C1":                     {"ann@example.com,a\u0085b,,,", "(U+0085)"},
		"quote in the middle":    {"ann@example.com,say \"hi\",,,", `column 2 ("subject"): a quote stands in a cell that does not begin with one`},
		"space before a quote":   {"ann@example.com, \"hi\",,,", "a space stands before the opening quote"},
		"text behind a quote":    {"ann@example.com,\"say \"hi\" there\",,,", `column 2 ("subject"): something stands behind the closing quote`},
		"quote never closed":     {"ann@example.com,\"x,,,", `column 2 ("subject"): a quote is opened and not closed`},
		"quote in the last cell": {"ann@example.com,x,,,\"", `column 5 ("timezone"): a quote is opened and not closed`},
		"channel":                {"ann@example.com,x,pigeon,,", `column 3 ("channel"): "pigeon" is not one of email, webhook, sms`},
		"channel and address":    {"ann@example.com,x,sms,,", `column 1 ("email"): "ann@example.com" is no address`},
		"language":               {"ann@example.com,x,,klingon!,", `column 4 ("language"): "klingon!" is no language`},
		"time zone":              {"ann@example.com,x,,,Mars/Base", `column 5 ("timezone"): "Mars/Base" is no time zone`},
		"local time zone":        {"ann@example.com,x,,,Local", "is no time zone"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, at, err := read(t, strings.NewReader("email,subject,channel,language,timezone\r\n"+good+c.row+"\r\n"+good+good), options(t, "", ""))
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) != 4 || rows[0].Reason+rows[2].Reason+rows[3].Reason != "" || rows[2].Line != 4+strings.Count(c.row, "\n") {
				t.Fatalf("its neighbours suffered: %+v", rows)
			}
			bad := rows[1]
			if bad.Line != 3 || !strings.Contains(bad.Reason, c.says) {
				t.Errorf("line %d: %s\nwant %s", bad.Line, bad.Reason, c.says)
			}
			if bad.Text != c.row || bad.Address != "" || bad.Fields != nil {
				t.Errorf("gave back %q, want %q", bad.Text, c.row)
			}
			if at.Rows != 3 || at.Rejected != 1 {
				t.Errorf("counted %+v", at)
			}
		})
	}
}

func TestAnObjectThatCannotBeUsedSaysWhyAndItsNeighboursStand(t *testing.T) {
	const good = `{"email":"ann@example.com","n":1}`
	for row, says := range map[string]string{
		`{"email":"ann@example.com"`:                                  "is not JSON: the object is not closed on its line",
		`{"email":"ann@example.com","n":}`:                            "is not JSON: invalid character",
		`{"email":"ann@example.com",}`:                                "is not JSON",
		`{"email":"ann@example.com"} {}`:                              "is not JSON: invalid character '{' after top-level value",
		`["ann@example.com"]`:                                         "is not an object",
		`"ann@example.com"`:                                           "is not an object",
		`{"email":"ann@example.com","n":[1]}`:                         `"n": holds a list or an object`,
		`{"email":"ann@example.com","n":{"a":1}}`:                     `"n": holds a list or an object`,
		`{"email":"ann@example.com","n":1,"N":2}`:                     `"N": stands there twice`,
		`{"email":"ann@example.com","":1}`:                            "a key is empty",
		`{"email":"ann"}`:                                             `"email": "ann" is no address`,
		`{"email":"ann@example.com","n":"\u0000"}`:                    `"n": holds a NUL byte`,
		`{"email":"ann@example.com","n":"\u001b"}`:                    `(U+001B)`,
		`{"email":"ann@example.com","language":"x"}`:                  `"language": "x" is no language`,
		`{"email":"a@b","n":"` + strings.Repeat("x", 64<<10+1) + `"}`: "65537 bytes",
		`email,n`: "is not JSON",
	} {
		rows := all(t, good+"\n"+row+"\n"+good+"\n", "")
		if len(rows) != 3 || rows[0].Reason+rows[2].Reason != "" {
			t.Fatalf("%s: its neighbours suffered: %+v", row, rows)
		}
		if bad := rows[1]; bad.Line != 2 || bad.Text != row || !strings.Contains(bad.Reason, says) {
			t.Errorf("%s: line %d: %s\nwant %s", row, bad.Line, bad.Reason, says)
		}
	}
}

func TestBrokenQuotesCostTheFileWhereTheNextLineIsNotWholeEither(t *testing.T) {
	for name, text := range map[string]string{
		"the cell runs on":      "email,x\nann@example.com,1\nbob@example.com,\"say \"hi\" and\ngo on\",2\n",
		"two broken rows":       "email,x\nann@example.com,1\nbob@example.com,\"a\"b\ncarl@example.com,\"a\"b\n",
		"never closed, no rows": "email,x\nann@example.com,1\nbob@example.com,\"open\nmore\nand more",
		"over a MiB":            "email,x\nann@example.com,1\nbob@example.com,\"open\n" + strings.Repeat("more\n", 300_000) + "\",x\n",
	} {
		rows, at, err := read(t, strings.NewReader(text), options(t, "", ""))
		var bad *notifier.Invalid
		if !errors.As(err, &bad) || bad.Field != "line 3" || !strings.Contains(bad.Message, `column 2 ("x")`) || !strings.Contains(bad.Message, "cannot be told apart") {
			t.Errorf("%s: %v", name, err)
		}
		if len(rows) != 1 || at.Line != 3 {
			t.Errorf("%s: read %+v up to line %d", name, rows, at.Line)
		}
	}
}

func TestTwoForgottenQuotesDoNotPutOtherPeoplesRowsIntoAMail(t *testing.T) {
	text := "email,x,y\nann@example.com,1,\"open\nbob@example.com,2,b\ncarl@example.com,3,c\"\ndora@example.com,4,d\n"
	rows := all(t, text, "")
	if len(rows) != 2 || rows[1].Address != "dora@example.com" {
		t.Fatalf("read %+v", rows)
	}
	bad := rows[0]
	if bad.Line != 2 || !strings.Contains(bad.Reason, "runs on to line 4, and line 3 inside of it looks like a row") || !strings.Contains(bad.Text, "carl@") {
		t.Errorf("line %d: %s: %q", bad.Line, bad.Reason, bad.Text)
	}
}

func TestALineThatIsNotUTF8NamesItselfAndTheOtherEncoding(t *testing.T) {
	_, _, err := read(t, strings.NewReader("email,x\nann@example.com,a\nbob@example.com,Gr\xfc\xdfe\n"), options(t, "", ""))
	var bad *notifier.Invalid
	if !errors.As(err, &bad) || bad.Field != "line 3" || !strings.Contains(bad.Message, "encoding=windows-1252") {
		t.Errorf("the row: %v", err)
	}
	_, _, err = read(t, strings.NewReader("email,Stra\xdfe\n"), options(t, "", ""))
	if !errors.As(err, &bad) || bad.Field != "line 1" || !strings.Contains(bad.Message, "encoding=windows-1252") {
		t.Errorf("the header: %v", err)
	}
}

func TestADamagedRowOfAFileThatIsUTF8CostsThatRow(t *testing.T) {
	half := strings.Replace(wide(littleEndian, "\ufeffemail,x\nann@example.com,ü\nbob@example.com,?\ncarl@example.com,ü\n"), "?\x00", "\x3d\xd8", 1)
	for name, text := range map[string]string{
		"seen in an earlier row": "email,x\nann@example.com,ü\nbob@example.com,Gr\xc3\ncarl@example.com,ü\n",
		"seen in the row":        "email,x\nann@example.com,u\nbob@example.com,Grüße\xc3\ncarl@example.com,ü\n",
		"seen in the header":     "email,ü\nann@example.com,u\nbob@example.com,\xc3\ncarl@example.com,ü\n",
		"a byte order mark":      "\ufeffemail,x\nann@example.com,u\nbob@example.com,\xc3\ncarl@example.com,ü\n",
		"half a pair in UTF-16":  half,
	} {
		rows := all(t, text, "")
		if len(rows) != 3 || rows[1].Line != 3 || !strings.Contains(rows[1].Reason, "is not valid UTF-") || !strings.Contains(rows[1].Text, "\ufffd") {
			t.Errorf("%s: %+v", name, rows)
		}
	}
}
