package emailtest

import (
	"net/smtp"
	"testing"
)

func TestABareLineEndIsFound(t *testing.T) {
	for text, want := range map[string]int{
		"": -1, "a\r\nb\r\n": -1, "a": -1, "a\nb": 1, "\n": 0, "a\rb": 1, "a\r": 1, "a\r\r\n": 1, "a\r\n\n": 3,
	} {
		if got := BareLineEnd([]byte(text)); got != want {
			t.Errorf("%q: got %d; want %d", text, got, want)
		}
	}
}

// The standard library's client is a witness that owes nothing to this project.
func TestBothServersTakeMailFromAnotherClient(t *testing.T) {
	server, raw := NewServer(t, Options{}), NewRaw(t, RawOptions{})
	for _, addr := range []string{server.Addr, raw.Addr} {
		if err := smtp.SendMail(addr, nil, "a@example.com", []string{"b@example.net"}, []byte("Subject: x\r\n\r\n.dot\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []Message{server.WaitFor(1)[0], raw.Messages()[0]} {
		if m.From != "a@example.com" || len(m.To) != 1 || m.To[0] != "b@example.net" || string(m.Data) != "Subject: x\r\n\r\n.dot\r\n" || m.Connection != 1 {
			t.Errorf("%+v", m)
		}
	}
	server.CheckLines()
}
