package email

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/textproto"
	"strings"
	"testing"

	"allclear/notifier"
)

func TestNoAddressCanSmuggleAParameterOrACommand(t *testing.T) {
	for _, a := range []string{
		"", "x", "@", "x@", "@y.test", "x@y.test> NOTIFY=NEVER", "x@y.test>\r\nRCPT TO:<z@y.test", "x@y.test\nDATA", "x@y.test\r",
		"x y@z.test", "<x@y.test>", "x@y.test ", "\tx@y.test", "x\x00@y.test", "x\x7f@y.test", "j\u00f6rg@y.test", "x@\u00e4.test",
		`"x"@y.test`, `x\@y.test`, "x@y.test,z@y.test", "@a.test;x@y.test", strings.Repeat("x", 250) + "@y.test",
	} {
		for _, e := range []Envelope{{From: a, To: "r@y.test", Data: []byte("x\r\n")}, {From: "s@y.test", To: a, Data: []byte("x\r\n")}} {
			_, err := e.check()
			var se *notifier.SendError
			if !errors.As(err, &se) || se.Temporary() {
				t.Errorf("%q passed: %v", a, err)
			} else if len(a) > 3 && strings.Contains(err.Error(), a) {
				t.Errorf("the error repeats the address: %v", err)
			}
		}
	}
	for _, a := range []string{"x@y.test", "b-abc234@bounces.example.com", "o'neil+tag@y.test", "a!b%c=d@y.test", "x@xn--4ca.test", "x@[192.0.2.1]"} {
		e := Envelope{From: a, To: a, Data: []byte("x\r\n")}
		if _, err := e.check(); err != nil {
			t.Errorf("%s was refused: %v", a, err)
		}
	}
}

func TestABadAddressIsTheOneWhoseItIs(t *testing.T) {
	e := Envelope{From: "x y", To: "r@y.test", Data: []byte("x\r\n")}
	_, err := e.check()
	if se := asSendError(t, err); se.Fault != notifier.FaultOurs || se.Stage != "mail" {
		t.Errorf("our own address: %+v", se)
	}
	e = Envelope{From: "s@y.test", To: "x y", Data: []byte("x\r\n")}
	_, err = e.check()
	if se := asSendError(t, err); se.Fault != notifier.FaultRecipient || se.Stage != "rcpt" {
		t.Errorf("the recipient's address: %+v", se)
	}
}

func TestContentWithABareCROrLFIsRefused(t *testing.T) {
	for _, data := range []string{
		"", "a\nb\r\n", "a\rb\r\n", "\n", "\r", "a\r\n.\nb\r\n", "a\r\n\r.\r\n", "a\n.\n", "a\r\r\n", "a\r\n\n", "a\r\n.\r", "\na\r\n", "a\r\n\rb",
	} {
		e := Envelope{From: "s@y.test", To: "r@y.test", Data: []byte(data)}
		_, err := e.check()
		var se *notifier.SendError
		if !errors.As(err, &se) || se.Temporary() || se.Fault != notifier.FaultOurs || se.Stage != "data" {
			t.Errorf("%q passed: %v", data, err)
		}
	}
}

func TestLinesThatBeginWithADotAreStuffed(t *testing.T) {
	for data, want := range map[string]string{
		"a\r\n":               "a\r\n.\r\n",
		"a":                   "a\r\n.\r\n",
		".\r\n":               "..\r\n.\r\n",
		".a\r\n..b\r\nc.\r\n": "..a\r\n...b\r\nc.\r\n.\r\n",
		"a\r\n.\r\nb\r\n":     "a\r\n..\r\nb\r\n.\r\n",
		"a\r\n.":              "a\r\n..\r\n.\r\n",
	} {
		dots, err := scanContent([]byte(data))
		if err != nil {
			t.Errorf("%q: %v", data, err)
		}
		if got := string(appendContent(nil, []byte(data), dots)); got != want {
			t.Errorf("%q: got %q; want %q", data, got, want)
		}
	}
}

func FuzzContent(f *testing.F) {
	for _, s := range []string{"a\r\n", ".\r\n.\r\n", "a\nb", "\r.\r\n", "x\r\n..\r\n."} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dots, err := scanContent(data)
		if err != nil {
			return
		}
		wire := appendContent(nil, data, dots)
		if n := bytes.Count(wire, []byte("\r\n.\r\n")); n != 1 && !bytes.Equal(wire, []byte(".\r\n")) {
			t.Fatalf("%q ends %d times: %q", data, n, wire)
		}
		if n := bytes.Count(wire, []byte{'\n'}); n != bytes.Count(wire, []byte("\r\n")) || n != bytes.Count(wire, []byte{'\r'}) {
			t.Fatalf("%q has a bare CR or LF on the wire: %q", data, wire)
		}
		got, err := io.ReadAll(textproto.NewReader(bufio.NewReader(bytes.NewReader(wire))).DotReader())
		if err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(string(data), "\r\n", "\n")
		if !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		if string(got) != want {
			t.Fatalf("%q arrives as %q", data, got)
		}
	})
}
