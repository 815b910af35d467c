package mailbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

var taken = time.Date(2026, 11, 23, 16, 11, 5, 0, time.UTC)

func start(t testing.TB, change func(*Options)) *Mailbox {
	t.Helper()
	o := Options{Now: func() time.Time { return taken }}
	if change != nil {
		change(&o)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := b.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return b
}

func client(t testing.TB, b *Mailbox) *smtp.Client {
	t.Helper()
	c, err := smtp.Dial(b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func sampleMail(n int) string {
	return fmt.Sprintf("From: status@example.com\r\nTo: r%d@reader.example\r\nSubject: number %d\r\n\r\nbody\r\n", n, n)
}

func send(t testing.TB, c *smtp.Client, to, mail string) {
	t.Helper()
	if err := c.SendMail("b-1@bounce.example", []string{to}, strings.NewReader(mail)); err != nil {
		t.Fatal(err)
	}
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestAMailIsKeptAsItCame(t *testing.T) {
	b := start(t, nil)
	mail := "Subject: x\r\n\r\n.dot\r\n..\r\n\r\nend\r\n"
	send(t, client(t, b), "ada@reader.example", mail)
	if err := b.Wait(soon(t), 1); err != nil {
		t.Fatal(err)
	}
	var got []Mail
	if err := b.Walk(func(m Mail) error { got = append(got, m); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || string(got[0].Data) != mail || got[0].From != "b-1@bounce.example" || len(got[0].To) != 1 || got[0].To[0] != "ada@reader.example" || !got[0].At.Equal(taken) || got[0].Number != 1 {
		t.Errorf("%+v", got)
	}
	if b.Count() != 1 {
		t.Errorf("count %d", b.Count())
	}
}

func TestTheOldestMakeRoom(t *testing.T) {
	for what, change := range map[string]func(*Options){
		"mails": func(o *Options) { o.MaxMails = 70 },
		"bytes": func(o *Options) { o.MaxBytes = int64(70 * len(sampleMail(100))) },
	} {
		b := start(t, change)
		c := client(t, b)
		for n := range 200 {
			send(t, c, "a@b.example", sampleMail(100+n))
		}
		want := int64(131)
		b.Walk(func(m Mail) error {
			if m.Number != want || !strings.Contains(string(m.Data), fmt.Sprintf("number %d\r\n", want+99)) {
				t.Fatalf("%s: mail %d where %d was due", what, m.Number, want)
			}
			want++
			return nil
		})
		if want != 201 || b.Count() != 200 {
			t.Errorf("%s: walked to %d of %d", what, want-1, b.Count())
		}
		if b.store.get(130) != nil || b.store.get(131) == nil || b.store.get(200) == nil || b.store.get(201) != nil || b.store.get(0) != nil || b.store.get(-5) != nil {
			t.Errorf("%s: get and Walk disagree", what)
		}
	}
}

func TestWalkEndsAtTheFirstError(t *testing.T) {
	b := start(t, nil)
	c := client(t, b)
	for n := range 3 {
		send(t, c, "a@b.example", sampleMail(n))
	}
	enough := errors.New("enough")
	seen := 0
	if err := b.Walk(func(Mail) error { seen++; return enough }); !errors.Is(err, enough) || seen != 1 {
		t.Errorf("%v after %d", err, seen)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	b := start(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Wait(ctx, 2) }()
	send(t, client(t, b), "a@b.example", sampleMail(1))
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestManyConnectionsDeliverAtOnce(t *testing.T) {
	b := start(t, nil)
	const connections, each = 8, 200
	var wg sync.WaitGroup
	for range connections {
		c := client(t, b)
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range each {
				if err := c.SendMail("f@x.example", []string{"t@x.example"}, strings.NewReader(sampleMail(n))); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	if err := b.Wait(soon(t), connections*each); err != nil {
		t.Error(err)
	}
	wg.Wait()
	seen := map[int64]bool{}
	b.Walk(func(m Mail) error { seen[m.Number] = true; return nil })
	if len(seen) != connections*each {
		t.Errorf("%d mails", len(seen))
	}
}

func TestPipelinedCommandsAreTaken(t *testing.T) {
	b := start(t, nil)
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	one := "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"
	body := "Subject: p\r\n\r\nx\r\n.\r\n"
	io.WriteString(conn, "EHLO me\r\n")
	r := bufio.NewReader(conn)
	sawPipelining := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		sawPipelining = sawPipelining || strings.HasPrefix(line, "250-PIPELINING")
		if strings.HasPrefix(line, "250 ") {
			break
		}
	}
	if !sawPipelining {
		t.Error("PIPELINING is not offered")
	}
	io.WriteString(conn, one+body+one+body)
	for _, want := range []string{"250", "250", "354", "250", "250", "250", "354", "250"} {
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
			t.Fatalf("%q, %v; want %s", line, err, want)
		}
	}
	if b.Count() != 2 {
		t.Errorf("%d mails", b.Count())
	}
}

// raw sends content as it is, apart from the dots, and returns the reply to it.
func raw(t *testing.T, b *Mailbox, content string) string {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(conn)
	say := func(s string) (line string) {
		io.WriteString(conn, s)
		for {
			line, err = r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if len(line) < 4 || line[3] != '-' {
				return line
			}
		}
	}
	say("")
	say("EHLO me\r\n")
	say("MAIL FROM:<>\r\n")
	say("RCPT TO:<b@x.example>\r\n")
	say("DATA\r\n")
	return say(content + "\r\n.\r\n")
}

func TestALimitIsToldAndTheNextMailIsTaken(t *testing.T) {
	b := start(t, func(o *Options) { o.MaxMailBytes = 5000 })
	head := "Subject: x\r\n\r\n"
	fits := head + strings.Repeat(strings.Repeat("y", 98)+"\r\n", 49) + strings.Repeat("y", 100-len(head)-2)
	if got := raw(t, b, fits); !strings.HasPrefix(got, "250 ") {
		t.Errorf("exactly the limit: %s", got)
	}
	for _, more := range []int{1, 2, 100, 10000} {
		var lines strings.Builder
		for lines.Len() < more {
			lines.WriteString("\r\nz")
		}
		if got := raw(t, b, fits+lines.String()); !strings.HasPrefix(got, "552 ") {
			t.Errorf("%d bytes more: %s", more, got)
		}
	}
	if got := raw(t, b, head+strings.Repeat("y", 3000)); !strings.HasPrefix(got, "554 ") {
		t.Errorf("an endless line: %s", got)
	}
	if b.Count() != 1 {
		t.Errorf("%d mails", b.Count())
	}
}

func TestWhatMightBeTwoMailsIsRefused(t *testing.T) {
	b := start(t, nil)
	for _, s := range []string{"a\n.\nb", "a\n.\r\nb", "a\r.\r\nb", "a\rb", "a\nb"} {
		if got := raw(t, b, "Subject: x\r\n\r\n"+s); !strings.HasPrefix(got, "554 5.6.0 ") {
			t.Errorf("%q: %s", s, got)
		}
	}
	if b.Count() != 0 {
		t.Errorf("%d mails", b.Count())
	}
}

func TestWhoComesWhenAllPlacesAreTakenIsTurnedAway(t *testing.T) {
	b := start(t, func(o *Options) { o.MaxConnections = 2 })
	dial := func() (net.Conn, string) {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(time.Minute))
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return c, line
	}
	first, greeting := dial()
	dial()
	if !strings.HasPrefix(greeting, "220 ") {
		t.Errorf("first: %s", greeting)
	}
	if _, line := dial(); !strings.HasPrefix(line, "421 ") {
		t.Errorf("third: %s", line)
	}
	// A place that is given up can be taken again.
	io.WriteString(first, "QUIT\r\n")
	io.Copy(io.Discard, first)
	if _, line := dial(); !strings.HasPrefix(line, "220 ") {
		t.Errorf("after one left: %s", line)
	}
}

func TestAWrongAddressIsRefusedAtTheStart(t *testing.T) {
	busy := start(t, nil)
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:25", "nonsense", busy.Addr()} {
		if b, err := New(Options{Now: time.Now, Listen: addr}); err == nil {
			b.Shutdown(soon(t))
			t.Errorf("%s was taken", addr)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("no clock")
	}
	if _, err := New(Options{Now: time.Now, Path: "/{x}"}); err == nil {
		t.Error("a path that is a pattern")
	}
}

func BenchmarkTakeMails(b *testing.B) {
	box := start(b, nil)
	mail := "Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("y", 74)+"\r\n", 130)
	work := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		c := client(b, box)
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range work {
				if err := c.SendMail("f@x.example", []string{"t@x.example"}, strings.NewReader(mail)); err != nil {
					b.Error(err)
				}
			}
		}()
	}
	b.ResetTimer()
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}
