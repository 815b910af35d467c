package audience_test

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"allclear/notifier"
	"allclear/notifier/audience"
)

// check stands for the house's check of addresses: one @ with something on
// both sides of it for mail, a + before a number, https before a URL.
func check(c notifier.Channel, address string) (string, error) {
	address = strings.TrimSpace(address)
	ok := strings.Count(address, "@") == 1 && address[0] != '@' && !strings.HasSuffix(address, "@") && !strings.ContainsAny(address, " <>\n\t,;")
	switch c {
	case notifier.SMS:
		ok = strings.HasPrefix(address, "+")
	case notifier.Webhook:
		ok = strings.HasPrefix(address, "https://")
	}
	if !ok {
		return "", notifier.Invalidf("address", "%q is no address", notifier.Clip(address))
	}
	return address, nil
}

// options reads a query; the test fails where it is refused.
func options(t testing.TB, query, contentType string) audience.Options {
	t.Helper()
	o, err := audience.ParseOptions(query, contentType)
	if err != nil {
		t.Fatalf("parse %q: %v", query, err)
	}
	o.Check = check
	return o
}

// read reads a whole file: its rows, the Point behind them and the error that
// ended it; nil is the end of the file.
func read(t testing.TB, in io.Reader, o audience.Options) ([]audience.Row, audience.Point, error) {
	t.Helper()
	r, err := audience.NewReader(in, o)
	if err != nil {
		return nil, audience.Point{}, err
	}
	var rows []audience.Row
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, r.Point(), nil
		}
		if err != nil {
			if _, again := r.Next(); !errors.Is(again, err) {
				t.Errorf("after %v came %v", err, again)
			}
			return rows, r.Point(), err
		}
		rows = append(rows, row)
	}
}

// all reads a file that has no error.
func all(t testing.TB, text, query string) []audience.Row {
	t.Helper()
	rows, _, err := read(t, strings.NewReader(text), options(t, query, ""))
	if err != nil {
		t.Fatalf("read %q: %v", text, err)
	}
	return rows
}

// wide writes text as UTF-16.
func wide(order binary.AppendByteOrder, text string) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, u)
	}
	return string(out)
}

// cells are the texts of a row's fields.
func cells(row audience.Row) []string {
	var out []string
	for _, f := range row.Fields {
		out = append(out, f.Text)
	}
	return out
}
