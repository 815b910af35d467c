package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

// strangers are endpoints that do with a connection what a script says.
type strangers struct {
	t    *testing.T
	held atomic.Int64 // connections that a script keeps and we have not hung up
}

// at is the address of one.
func (x *strangers) at(scheme string, script func(*strangers, net.Conn)) string {
	x.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		x.t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			all.Go(func() {
				defer c.Close()
				script(x, c)
			})
		}
	})
	x.t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return scheme + "://" + l.Addr().String() + "/"
}

// hold keeps a connection until the other end hangs up.
func (x *strangers) hold(c net.Conn) {
	x.held.Add(1)
	defer x.held.Add(-1)
	_, _ = io.Copy(io.Discard, c)
}

// heard reads a post.
func heard(c net.Conn) bool {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

// after is a script for once a post was heard.
func after(script func(*strangers, net.Conn)) func(*strangers, net.Conn) {
	return func(x *strangers, c net.Conn) {
		if heard(c) {
			script(x, c)
		}
	}
}

// pour writes without end.
func pour(c net.Conn, head, more string) {
	_, err := io.WriteString(c, head)
	for block := bytes.Repeat([]byte(more), 1+(16<<10)/len(more)); err == nil; {
		_, err = c.Write(block)
	}
}

// bomb is ten megabytes in ten kilobytes.
func bomb() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(make([]byte, 10<<20))
	_ = z.Close()
	return b.Bytes()
}

// hostile are ways to misbehave. Who holds lets go only when we do.
var hostile = map[string]struct {
	scheme string
	script func(*strangers, net.Conn)
	holds  bool
	state  notifier.DeliveryState // what becomes of the first post, where that is soon
}{
	"who never answers": {"http", after((*strangers).hold), true, ""},
	"who never reads":   {"http", (*strangers).hold, true, ""},
	"who lets its headers drip": {"http", after(func(x *strangers, c net.Conn) {
		go func() {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Slow: ")
			for tick := time.NewTicker(50 * time.Millisecond); err == nil; <-tick.C {
				_, err = io.WriteString(c, "x")
			}
		}()
		x.hold(c)
	}), true, ""},
	"who shakes no hands":  {"https", func(_ *strangers, c net.Conn) { _, _ = io.Copy(io.Discard, c) }, false, ""}, // it takes us 10 seconds to see it
	"an endless handshake": {"https", func(_ *strangers, c net.Conn) { go io.Copy(io.Discard, c); pour(c, "", "\x16\x03\x03\x00\x00") }, false, notifier.Pending},
	"an endless body":      {"http", after(func(_ *strangers, c net.Conn) { pour(c, "HTTP/1.1 200 OK\r\n\r\n", "x") }), false, notifier.Sent},
	"an endless refusal":   {"http", after(func(_ *strangers, c net.Conn) { pour(c, "HTTP/1.1 500 No\r\n\r\n", "x") }), false, notifier.Pending},
	"a gzip bomb": {"http", after(func(_ *strangers, c net.Conn) {
		b := bomb()
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(b))
		_, _ = c.Write(b)
	}), false, notifier.Sent},
	"a million headers": {"http", after(func(_ *strangers, c net.Conn) { pour(c, "HTTP/1.1 200 OK\r\n", "X-Header: value\r\n") }), false, notifier.Pending},
}

// Nothing here is a matter of time: a post that is held is held for as long as
// the test likes, so whoever waited for it would wait for ever.
func TestEndpointsThatMisbehaveHoldUpNoMailAndNoOtherEndpoint(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const each, readers, programs = 10, 200, 20
		enough, let := context.WithCancel(context.Background())
		relay := emailtest.NewServer(t, emailtest.Options{})
		settings := settingsFor(t, dsn, relay.URL("tls=off"))
		settings.WebhookAllow = "127.0.0.0/8"
		s := boot(t, programOptions{settings: settings, within: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			unhook := context.AfterFunc(enough, cancel)
			return ctx, func() { unhook(); cancel() }
		}})
		t.Cleanup(let) // before the program drains

		good, bad, holding := newCustomer(t), &strangers{t: t}, int64(0)
		follow(t, s.db, readers)
		for i := range programs {
			s.endpoint(fmt.Sprintf("%s/%d", good.URL, i), nil)
		}
		addresses := map[string]string{}
		for name, h := range hostile {
			for range each {
				addresses[name] = bad.at(h.scheme, h.script)
				s.endpoint(addresses[name], nil)
				if h.holds {
					holding++
				}
			}
		}
		_, opened := s.announce("imap7 does not answer", nil)
		eventually(t, "everyone who holds a post holds one", func() bool { return bad.held.Load() == holding })
		for n := 1; n <= 3; n++ {
			good.wait(t, n*programs)
			eventually(t, "everyone has mail", func() bool { return len(relay.Messages()) >= n*readers })
			if held := bad.held.Load(); held != holding {
				t.Errorf("of %d posts that are held %d are left", holding, held)
			}
			s.announce(fmt.Sprintf("trouble %d", n), nil)
		}
		for name, h := range hostile {
			if h.state == "" {
				continue
			}
			u, err := url.Parse(addresses[name])
			if err != nil {
				t.Fatal(err)
			}
			first := func() notifier.Delivery {
				found, _, err := s.db.Deliveries(t.Context(), notifier.DeliveryQuery{Event: opened, Address: addresses[name], Limit: 1})
				if err != nil || len(found) != 1 {
					t.Fatalf("%s: %v, %v", name, found, err)
				}
				return found[0]
			}
			eventually(t, name+" came to something", func() bool { return !first().TriedAt.IsZero() })
			if d := first(); d.State != h.state && d.State != notifier.Sending || d.Relay != u.Host {
				t.Errorf("%s: %s by %q: %s", name, d.State, d.Relay, d.Reply)
			}
		}
	})
}
