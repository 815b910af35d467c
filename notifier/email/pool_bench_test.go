package email

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
)

// sink takes mail as fast as a server can: it looks at the first byte of a
// command, skips to the end of the content, and answers what came together together.
func sink(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go swallow(c)
		}
	}()
	return l.Addr().String()
}

func swallow(c net.Conn) {
	defer func() { _ = c.Close() }()
	in, out := bufio.NewReaderSize(c, 64<<10), bufio.NewWriter(c)
	_, _ = out.WriteString("220 sink\r\n")
	content := false
	for {
		if in.Buffered() == 0 {
			if out.Flush() != nil {
				return
			}
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch {
		case content && bytes.Equal(line, []byte(".\r\n")):
			content = false
			_, _ = out.WriteString("250 2.0.0 Ok: queued as 4F3A2B1C\r\n")
		case content:
		case line[0] == 'E':
			_, _ = out.WriteString("250-sink\r\n250 PIPELINING\r\n")
		case line[0] == 'D':
			content = true
			_, _ = out.WriteString("354 go\r\n")
		case line[0] == 'Q':
			return
		default:
			_, _ = out.WriteString("250 2.1.0 Ok\r\n")
		}
	}
}

type idleFlight struct{}

func (idleFlight) Begin() error                 { return nil }
func (idleFlight) Taken(notifier.Receipt) error { return nil }

// BenchmarkUnsignedMailsOverEightConnections sends mails of 4.5 kB to a sink in
// the same process: the cost of both ends.
func BenchmarkUnsignedMailsOverEightConnections(b *testing.B) {
	relays, err := ParseRelays("smtp://" + sink(b) + "?tls=off&connections=8")
	if err != nil {
		b.Fatal(err)
	}
	p, err := NewPool(PoolOptions{Relays: relays, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	data := []byte("Subject: benchmark\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 57))
	const callers = 32
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			e := Envelope{From: "status@example.com", To: "reader" + strconv.Itoa(c) + "@example.net", Data: data}
			for range b.N/callers + 1 {
				if _, err := p.Send(context.Background(), e, notifier.LaneIncident, idleFlight{}); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
	if err := p.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}
