package audience_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"allclear/notifier"
	"allclear/notifier/audience"
)

// endless gives out the same text until so many bytes are out.
type endless struct {
	text string
	left int
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), e.left)], e.text[e.at:])
	e.at = (e.at + n) % len(e.text)
	e.left -= n
	return n, nil
}

// allocated is how many bytes do allocates, given back or not.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func Test500MBInOneLineAreOneErrorAndNoMemory(t *testing.T) {
	line := func() io.Reader { return &endless{text: strings.Repeat("x", 1<<16), left: 500 << 20} }
	t.Run("as the header", func(t *testing.T) {
		grown := allocated(func() {
			_, err := audience.NewReader(line(), options(t, "", ""))
			var bad *notifier.Invalid
			if !errors.As(err, &bad) || bad.Field != "line 1" || !strings.Contains(bad.Message, "longer than 1048576 bytes") {
				t.Errorf("%v", err)
			}
		})
		if grown > 16<<20 {
			t.Errorf("%d bytes were allocated", grown)
		}
	})
	for name, before := range map[string]string{"as a row": "email,x\n", "as an object": `{"email":"ann@example.com"}` + "\n"} {
		t.Run(name, func(t *testing.T) {
			grown := allocated(func() {
				in := io.MultiReader(strings.NewReader(before), line(), strings.NewReader("\n\n"))
				rows, at, err := read(t, in, options(t, "", ""))
				if err != nil || at.Rejected != 1 || at.Offset != int64(len(before)+500<<20+2) {
					t.Fatalf("%+v, %v", at, err)
				}
				bad := rows[len(rows)-1]
				if bad.Line != 2 || !strings.Contains(bad.Reason, "longer than 1048576 bytes") || bad.Text != strings.Repeat("x", 1000) {
					t.Errorf("line %d: %s, %d bytes of text", bad.Line, bad.Reason, len(bad.Text))
				}
			})
			if grown > 16<<20 {
				t.Errorf("%d bytes were allocated", grown)
			}
		})
	}
	t.Run("in quotes", func(t *testing.T) {
		grown := allocated(func() {
			in := io.MultiReader(strings.NewReader("email,x\nann@example.com,\"open\n"), line())
			_, _, err := read(t, in, options(t, "", ""))
			var bad *notifier.Invalid
			if !errors.As(err, &bad) || bad.Field != "line 2" {
				t.Errorf("%v", err)
			}
		})
		if grown > 32<<20 {
			t.Errorf("%d bytes were allocated", grown)
		}
	})
}

func TestAFileOfAnySizeIsReadInTheSameMemory(t *testing.T) {
	rows := strings.Repeat("ann@example.com,Re: your order,2026-11-26 20:13,Inbox\n", 1000) +
		"bob@example.com,\"two\nlines\",,\ncarl@example.com,\"open,,\n" +
		"dora@example.com,next,,\n" + strings.Repeat("x", 2<<20) + "\n"
	in := io.MultiReader(strings.NewReader("email,subject,date,folder\n"), &endless{text: rows, left: 100 << 20})
	r, err := audience.NewReader(in, options(t, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	var most uint64
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := r.Point().Rows; n%10_000 == 0 {
			var now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
	}
	if at := r.Point(); at.Rows < 30_000 || at.Offset < 100<<20 {
		t.Errorf("read %+v", at)
	}
	if most > 24<<20 {
		t.Errorf("%d bytes were held", most)
	}
}

func TestAConnectionThatIsCutIsAnErrorWithTheLineAndHalfARowIsNone(t *testing.T) {
	for name, text := range map[string]string{
		"in a row":        "email,x\nann@example.com,1\nbob@exam",
		"behind a row":    "email,x\nann@example.com,1\n",
		"inside of quote": "email,x\nann@example.com,1\nbob@example.com,\"a\nb",
		"in a long row":   "email,x\nann@example.com,1\n" + strings.Repeat("x", 3<<20),
		"after bad quote": "email,x\nann@example.com,1\nbob@example.com,\"a\"b\ncarl@",
		"in an object":    `{"email":"ann@example.com"}` + "\n\n" + `{"email":"bob@example.com"}`,
	} {
		in := io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF))
		rows, at, err := read(t, in, options(t, "", ""))
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "read line 3: ") {
			t.Errorf("%s: %v", name, err)
		}
		if len(rows) != 1 || at.Rows != 1 || at.Rejected != 0 {
			t.Errorf("%s: half a row came out: %+v", name, rows)
		}
	}
	for _, text := range []string{"", "email,x"} {
		_, err := audience.NewReader(io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF)), options(t, "", ""))
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "read line 1: ") {
			t.Errorf("in the header: %v", err)
		}
	}
	half := "\xff\xfee\x00m\x00a\x00i\x00l\x00\n\x00a\x00@\x00b\x00\n\x00c\x00@\x00b"
	if _, _, err := read(t, strings.NewReader(half), options(t, "", "")); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "read line 3: ") {
		t.Errorf("in the middle of a character: %v", err)
	}
}

func TestReadingGoesOnFromAnyPointAsIfItHadNotStopped(t *testing.T) {
	csv := "\ufeff\"E-Mail\";Größe;x\r\nann@example.com;1;\"a\r\nb\"\r\n;nobody;\r\nbob;2;\r\ncarl@example.com;\xc3;\r\n\r\ndora@example.com;3;\"x\"y\r\nemil@example.com;4;"
	for name, text := range map[string]string{
		"CSV":    csv,
		"UTF-16": wide(bigEndian, strings.ReplaceAll(csv, "\xc3", "ü")),
		"NDJSON": `{"E-Mail":"ann@example.com","x":"ü"}` + "\n" + `{"x":1}` + "\nnonsense\n" + `{"E-Mail":"bob@example.com"}` + "\n" + `{"E-Mail":"` + "\xc3" + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, "map=email:E-Mail", "")
			want, end, err := read(t, strings.NewReader(text), o)
			if err != nil {
				t.Fatal(err)
			}
			for stop := range len(want) + 1 {
				r, err := audience.NewReader(iotest.OneByteReader(strings.NewReader(text)), o)
				if err != nil {
					t.Fatal(err)
				}
				var got []audience.Row
				for range stop {
					row, err := r.Next()
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, row)
				}
				kept, err := json.Marshal(r.Point())
				if err != nil {
					t.Fatal(err)
				}
				on := o
				if err := json.Unmarshal(kept, &on.From); err != nil {
					t.Fatal(err)
				}
				rest, at, err := read(t, bytes.NewReader([]byte(text)[on.From.Offset:]), on)
				if err != nil {
					t.Fatalf("from %s: %v", kept, err)
				}
				if got = append(got, rest...); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(at, end) {
					t.Errorf("stopped behind %d rows at %s:\nread %+v, %+v\nwant %+v, %+v", stop, kept, got, at, want, end)
				}
			}
		})
	}
}

func TestThePointIsHowMuchOfTheFileIsRead(t *testing.T) {
	text := "email,x\nann@example.com,1\nbob@example.com,2\n"
	r, err := audience.NewReader(strings.NewReader(text), options(t, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 3 {
		at := r.Point()
		got = append(got, fmt.Sprint(at.Offset, at.Line, at.Rows))
		_, _ = r.Next()
	}
	if want := "[8 2 0 26 3 1 44 4 2]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}
