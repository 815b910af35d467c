package audience_test

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/notifier/audience"
)

var littleEndian, bigEndian = binary.AppendByteOrder(binary.LittleEndian), binary.AppendByteOrder(binary.BigEndian)

func TestWhatAProgramWritesComesBackCellByCell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		encoding := rapid.SampledFrom([]string{"utf-8", "utf-8 mark", "utf-16le", "utf-16le mark", "utf-16be", "utf-16be mark", "windows-1252"}).Draw(t, "encoding")
		runes := []rune("ab \"\",;\t|\n'=-1é€ß")
		if encoding != "windows-1252" {
			runes = append(runes, 'Ж', 'メ', '😀', '\u0a0a', '\u0d0a', 'ਊ')
		}
		text := rapid.StringOfN(rapid.SampledFrom(runes), 0, 12, -1)
		comma := rapid.SampledFrom([]rune(",;\t|")).Draw(t, "delimiter")
		columns := rapid.IntRange(0, 4).Draw(t, "columns")
		to := rapid.IntRange(0, columns).Draw(t, "place of the address")

		header := slices.Insert([]string{"one", "two,;|", "thr\"ee", "fünf"}[:columns:columns], to, "email")
		var file bytes.Buffer
		w := csv.NewWriter(&file)
		w.Comma, w.UseCRLF = comma, rapid.Bool().Draw(t, "CRLF")
		if err := w.Write(header); err != nil {
			t.Fatal(err)
		}
		var want [][]string
		for range rapid.IntRange(0, 6).Draw(t, "rows") {
			row := rapid.SliceOfN(text, columns, columns).Draw(t, "row")
			want = append(want, row)
			if err := w.Write(slices.Insert(slices.Clone(row), to, "ann@example.com")); err != nil {
				t.Fatal(err)
			}
		}
		w.Flush()
		query := "delimiter=" + string(comma)
		if columns > 0 && rapid.Bool().Draw(t, "guessed") {
			query = ""
		}
		body := file.String()
		switch encoding {
		case "utf-8 mark":
			body = "\ufeff" + body
		case "utf-16le":
			body = wide(littleEndian, body)
		case "utf-16le mark":
			body = wide(littleEndian, "\ufeff"+body)
		case "utf-16be":
			body = wide(bigEndian, body)
		case "utf-16be mark":
			body = wide(bigEndian, "\ufeff"+body)
		case "windows-1252":
			latin, err := charmap.Windows1252.NewEncoder().String(body)
			if err != nil {
				t.Fatal(err)
			}
			body, query = latin, query+"&encoding=windows-1252"
		}
		o, err := audience.ParseOptions(strings.ReplaceAll(query, "\t", "tab"), "text/csv")
		if err != nil {
			t.Fatal(err)
		}
		o.Check = check
		r, err := audience.NewReader(strings.NewReader(body), o)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		for i, row := range want {
			got, err := r.Next()
			if err != nil || got.Reason != "" || !slices.Equal(cells(got), row) {
				t.Fatalf("row %d of %q: read %+v (%v)\nwant %q", i+1, body, got, err, row)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("behind the last row: %v", err)
		}
		if at := r.Point(); at.Offset != int64(len(body)) {
			t.Fatalf("read %d of %d bytes", at.Offset, len(body))
		}
	})
}

func TestWhatAProgramWritesAsNDJSONComesBackKeyByKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab \"\\,\n\t/é€😀<\u2028")), 0, 12, -1)
		var file strings.Builder
		var want [][]string
		for range rapid.IntRange(0, 6).Draw(t, "rows") {
			row := rapid.SliceOfN(text, 0, 4).Draw(t, "row")
			file.WriteString(`{"email":"ann@example.com"`)
			for i, v := range row {
				value, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&file, `,"k%d":%s`, i, value)
			}
			file.WriteString("}\n")
			want = append(want, row)
		}
		r, err := audience.NewReader(strings.NewReader(file.String()), audience.Options{Check: check, Format: "ndjson"})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range want {
			if got, err := r.Next(); err != nil || got.Reason != "" || !slices.Equal(cells(got), row) {
				t.Fatalf("read %+v (%v)\nwant %q", got, err, row)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("behind the last row: %v", err)
		}
	})
}

func FuzzNoLineIsLost(f *testing.F) {
	for _, seed := range []string{
		"email,x\nann@example.com,1\n", "email;x\r\nann@example.com;\"a;\r\nb\"\r\n;\r\nbob;2", "email,x\na@b,\"open\nc@d,1\n", "email\n\n\na@b",
		"email,x\na@b,\"1\nc@d,2\ne@f,\"\n", "\ufeffemail\na@b\xff\n", "\xff\xfee\x00m\x00a\x00i\x00l\x00\n\x00a\x00@\x00b\x00\n\x00", "sep=;\nemail;x\na@b;1",
		`{"email":"a@b","n":1}` + "\n{}\n[]\n", "email,email\n", "email\ra@b\r", "", "email,x\na@b,\"c\"d\ne@f,\"g\"h\n",
	} {
		f.Add([]byte(seed), byte(0))
		f.Add([]byte(seed), byte(1))
	}
	f.Fuzz(func(t *testing.T, file []byte, how byte) {
		o := audience.Options{Check: check}
		if how%2 == 1 {
			o.Encoding = "windows-1252"
		}
		r, err := audience.NewReader(bytes.NewReader(file), o)
		if err != nil {
			mustBeInvalid(t, err)
			return
		}
		// Every byte belongs to the row that came out, to rows that are counted
		// as without an address, or to empty lines.
		last := r.Point()
		var rows, rejected int64
		for {
			row, err := r.Next()
			at := r.Point()
			if err == nil && (row.Line < last.Line || row.Offset < last.Offset || at.Line <= row.Line || at.Offset <= row.Offset) {
				t.Fatalf("row %+v lies outside of %+v to %+v", row, last, at)
			}
			if gap := at.WithoutAddress - last.WithoutAddress; gap == 0 && at.Encoding == "utf-8" {
				end := int(at.Offset)
				if err == nil {
					end = int(row.Offset)
				}
				if passed := bytes.Trim(file[last.Offset:end], " \t\r\n\v\f\u0085\u00a0\u2028\",;|"); at.Format == "csv" && len(passed) > 0 && bytes.IndexFunc(passed, printable) >= 0 {
					t.Fatalf("passed over %q", file[last.Offset:end])
				}
			}
			if errors.Is(err, io.EOF) {
				if at.Offset != int64(len(file)) {
					t.Fatalf("read %d of %d bytes", at.Offset, len(file))
				}
				if at.Rows != rows || at.Rejected != rejected {
					t.Fatalf("counted %+v; %d rows and %d rejects came out", at, rows, rejected)
				}
				return
			}
			if err != nil {
				mustBeInvalid(t, err)
				return
			}
			if last = at; row.Reason != "" {
				rejected++
				continue
			}
			rows++
			if kept, err := check(row.Channel, row.Address); err != nil || kept != row.Address || row.Text != "" {
				t.Fatalf("let %+v through: %v", row, err)
			}
			for _, field := range row.Fields {
				if strings.ContainsAny(field.Text, "\x00\x07\x1b\r") {
					t.Fatalf("let %q through", field.Text)
				}
			}
		}
	})
}

func printable(r rune) bool { return r > ' ' && r < 0x7f }

func mustBeInvalid(t *testing.T, err error) {
	t.Helper()
	var bad *notifier.Invalid
	if !errors.As(err, &bad) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("not an Invalid: %v", err)
	}
}

// FuzzRowsAndRejectsAndAddresslessAreTheLines counts by itself what has no
// quotes, where every line that is not empty is a row of some kind.
func FuzzRowsAndRejectsAndAddresslessAreTheLines(f *testing.F) {
	for _, seed := range []string{"ann@example.com,1\n,2\nbob,3\nx\n\n", "a@b,c\r\n\r\n,\r\n", ",,,\n", "\xc3,\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		body = strings.ReplaceAll(body, `"`, "'")
		var lines int64
		for line := range strings.SplitSeq(body, "\n") {
			cells := strings.Split(strings.TrimSuffix(line, "\r"), ",")
			empty := len(cells) <= 2
			for _, c := range cells {
				empty = empty && strings.TrimSpace(c) == ""
			}
			if !empty {
				lines++
			}
		}
		r, err := audience.NewReader(strings.NewReader("\ufeffemail,x\n"+body), audience.Options{Check: check})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = r.Next()
		}
		if at := r.Point(); !errors.Is(err, io.EOF) || at.Rows+at.Rejected+at.WithoutAddress != lines {
			t.Fatalf("%d lines are %+v (%v)", lines, at, err)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	line := "ann.arbor@example.com,Re: your order of a new telescope,2026-11-26 20:13,Inbox/2026/November,1234\n"
	quoted := "\"ann.arbor@example.com\",\"Re: your \"\"order\"\" of a new telescope\",\"2026-11-26 20:13\",\"Inbox/2026/November\",\"1234\"\n"
	object := `{"email":"ann.arbor@example.com","subject":"Re: your order of a new telescope","date":"2026-11-26 20:13","folder":"Inbox/2026/November","size":1234}` + "\n"
	header := "email,subject,date,folder,size\n"
	for _, c := range []struct{ name, encoding, file string }{
		{"csv", "", header + strings.Repeat(line, 20_000)},
		{"quoted", "", header + strings.Repeat(quoted, 20_000)},
		{"windows-1252", "windows-1252", header + strings.Repeat(strings.Replace(line, "ou", "\xf6", 1), 20_000)},
		{"utf-16", "", wide(littleEndian, "\ufeff"+header+strings.Repeat(line, 20_000))},
		{"ndjson", "", strings.Repeat(object, 20_000)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.file)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := audience.NewReader(strings.NewReader(c.file), audience.Options{Encoding: c.encoding, Check: func(_ notifier.Channel, a string) (string, error) { return a, nil }})
				for err == nil {
					_, err = r.Next()
				}
				if !errors.Is(err, io.EOF) || r.Point().Rows != 20_000 {
					b.Fatal(r.Point(), err)
				}
			}
		})
	}
}
