package webhook

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"allclear/notifier"
)

const most = 64 << 10 // bytes that one post may make us read

// endless writes b over and over until nobody reads it any more.
func endless(c io.Writer, b string) {
	block := bytes.Repeat([]byte(b), 1+(16<<10)/len(b))
	for {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
}

// bomb is ten megabytes in ten kilobytes.
func bomb() []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	z.Write(make([]byte, 10<<20))
	z.Close()
	return b.Bytes()
}

// What a peer does once it heard the request, and what comes of it.
var misbehaviours = map[string]struct {
	script func(net.Conn)
	status int // 0: no answer
	says   string
}{
	"an endless body after 200": {func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		endless(c, "x")
	}, 200, "200 OK"},
	"an endless body after 500": {func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 500 Oops\r\nContent-Length: 99999999999\r\n\r\n")
		endless(c, "x")
	}, 500, "500 Oops"},
	"endless chunks": {func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		endless(c, "1\r\nx\r\n")
	}, 200, "200 OK"},
	"an endless extension of a chunk": {func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
		endless(c, "x")
	}, 200, "200 OK"},
	"endless trailers": {func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\n")
		endless(c, "X: y\r\n")
	}, 200, "200 OK"},
	"a gzip bomb": {func(c net.Conn) {
		b := bomb()
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(b))
		c.Write(b)
	}, 200, "200 OK"},
	"a million headers": {func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		endless(c, "X-Header: value\r\n")
	}, 0, "longer than 16 kB"},
	"one endless header": {func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Header: ")
		endless(c, "x")
	}, 0, "longer than 16 kB"},
	"an endless status line": {func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 ")
		endless(c, "OK")
	}, 0, "longer than 16 kB"},
	"an endless first line": {func(c net.Conn) { endless(c, "x") }, 0, "longer than 16 kB"},
	"endless early hints":   {func(c net.Conn) { endless(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") }, 0, "interim answers"},
	"endless continues":     {func(c net.Conn) { endless(c, "HTTP/1.1 100 Continue\r\n\r\n") }, 0, "interim answers"},
	"five early hints": {func(c net.Conn) {
		io.WriteString(c, strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 5)+"HTTP/1.1 204 No Content\r\n\r\n")
	}, 204, "204 No Content"},
	"another protocol": {func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		endless(c, "\x81\x01x")
	}, 101, "101 Switching Protocols"},
	"HTTP/2 that nobody agreed on": {func(c net.Conn) {
		c.Write([]byte("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\r\n\r\n"))
	}, 0, "did not answer in HTTP/1.1"},
	"the greeting of a mail server": {func(c net.Conn) { io.WriteString(c, "220 mail.example.com ESMTP\r\n\r\n") }, 0, "did not answer in HTTP/1.1"},
	"a negative length":             {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n") }, 0, "did not answer in HTTP/1.1"},
	"two lengths": {func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
	}, 0, "did not answer in HTTP/1.1"},
	"a status of nothing":    {func(c net.Conn) { endless(c, "HTTP/1.1 042 What\r\n\r\n") }, 0, "did not answer in HTTP/1.1"},
	"a close without a word": {func(net.Conn) {}, 0, "closed the connection without an answer"},
	"half a status line":     {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 20") }, 0, "did not answer in HTTP/1.1"},
	"half of its headers":    {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nX: y\r\n") }, 0, "closed the connection without an answer"},
	"half a body": {func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	}, 200, "200 OK"},
	"control characters in the status line": {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 404 \x1b[31mred\x00\r\nContent-Length: 0\r\n\r\n") }, 404, "404  [31mred "},
}

func TestAPeerThatMisbehavesCostsLittleAndItsOwnSeat(t *testing.T) {
	for name, c := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			for _, secure := range []bool{false, true} {
				r := newRig(t)
				script := func(conn net.Conn) {
					if hearRequest(conn) != nil {
						c.script(conn)
					}
				}
				scheme := "http"
				if secure {
					scheme = "https"
					trusted := newSink(t, true, nil)
					r = newRig(t, func(s *setup) { s.roots = trusted.Server })
					plain := script
					script = func(conn net.Conn) { secured := tls.Server(conn, trusted.TLS); plain(secured); secured.CloseWrite() }
				}
				r.endpoint(3, scheme+"://"+raw(t, script)+"/")
				receipt, f, err := r.send(3)
				se, _ := err.(*notifier.SendError) //nolint:errorlint // as the contract says
				if se != nil {
					receipt = se.Receipt
					if se.Fault != notifier.FaultRecipient || se.Permanent {
						t.Errorf("%+v", se)
					}
				}
				ok := c.status/100 == 2
				if ok != (err == nil) || ok != (len(f.taken) == 1) || receipt.Status != c.status || !strings.Contains(receipt.Reply, c.says) {
					t.Errorf("secure %v: %+v, %v; want %d %q", secure, receipt, err, c.status, c.says)
				}
				if n := r.wire.read.Load(); n > most {
					t.Errorf("secure %v: %d bytes read", secure, n)
				}
				if r.wire.open.Load() != 0 && c.status != 204 && c.status != 404 {
					t.Errorf("secure %v: the connection is kept", secure)
				}
				if r.seats.taken() != 0 {
					t.Errorf("secure %v: a seat is still taken", secure)
				}
			}
		})
	}
}

func TestAHandshakeWithoutEndIsCutOff(t *testing.T) {
	for name, record := range map[string]string{
		"a hello of 60 kB":        "\x16\x03\x03\x40\x00\x02\x00\xea\x60" + strings.Repeat("\x00", 16380),
		"endless warnings":        "\x15\x03\x03\x00\x02\x01\x5a",
		"endless empty fragments": "\x16\x03\x03\x00\x00",
		"plain HTTP":              "HTTP/1.1 400 Bad Request\r\n\r\n",
	} {
		r := newRig(t)
		addr := raw(t, func(c net.Conn) {
			go io.Copy(io.Discard, c)
			endless(c, record)
		})
		r.endpoint(3, "https://"+addr+"/")
		se := r.fails(3)
		if se.Stage != stageTLS || se.Fault != notifier.FaultRecipient || se.Permanent {
			t.Errorf("%s: %+v", name, se)
		}
		if n := r.wire.read.Load(); n > handshakeBytes || r.wire.open.Load() != 0 || r.seats.taken() != 0 {
			t.Errorf("%s: %d bytes read, %d connections open, %d seats taken", name, n, r.wire.open.Load(), r.seats.taken())
		}
	}
}

// What is left of one answer is not the next one's.
func TestAnAnswerWithAnotherBehindItIsTheLastOfItsConnection(t *testing.T) {
	addr := raw(t, func(c net.Conn) {
		in := newReader(c)
		for hear(in) != nil {
			io.WriteString(c, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	r := newRig(t)
	r.endpoint(3, "http://"+addr+"/")
	for range 3 {
		if se := r.fails(3); se.Code != 500 {
			t.Errorf("%+v", se)
		}
	}
	if n := len(r.wire.called()); n != 3 {
		t.Errorf("%d connections", n)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := newSink(t, secure, answering(200, "ok"))
		r := newRig(t, func(c *setup) {
			if secure {
				c.roots = s.Server
			}
		})
		for reader := range int64(20) {
			r.endpoint(reader, s.URL)
			if _, _, err := r.send(reader); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(r.wire.called()); n != 1 {
			t.Errorf("secure %v: %d connections for 20 posts", secure, n)
		}
	}
}

// Servers close idle connections when they like, and some say so with a 408.
// The endpoint does not pay for that.
func TestAConnectionThatDiedWhileIdleIsReplaced(t *testing.T) {
	for name, goodbye := range map[string]string{
		"without a word": "", "with a 408": "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", "with a rest": "the rest of a body\r\n\r\n",
	} {
		posts, died := 0, make(chan struct{}, 1)
		addr := raw(t, func(c net.Conn) {
			if hearRequest(c) == nil {
				return
			}
			posts++
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			io.WriteString(c, goodbye)
			c.Close()
			died <- struct{}{}
		})
		r := newRig(t)
		r.endpoint(3, "http://"+addr+"/")
		f := &flight{}
		for range 3 {
			if _, err := r.Send(t.Context(), message(7, 3), f); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			<-died
		}
		if posts != 3 || len(f.taken) != 3 {
			t.Errorf("%s: %d posts heard, %d taken", name, posts, len(f.taken))
		}
		if n := f.begun.Load(); n < 3 {
			t.Errorf("%s: the flight was asked %d times", name, n)
		}
	}
}

// A fresh connection that is closed is the endpoint's failure: it is not asked again at once.
func TestAFreshConnectionIsTriedOnce(t *testing.T) {
	r := newRig(t)
	r.endpoint(3, "http://"+raw(t, func(c net.Conn) { hearRequest(c) })+"/")
	r.fails(3)
	if n := len(r.wire.called()); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestTheEnvironmentsProxyIsNotAsked(t *testing.T) {
	proxy := newSink(t, false, nil)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	s := newSink(t, false, nil)
	r := newRig(t)
	r.endpoint(3, s.URL)
	if _, _, err := r.send(3); err != nil || len(proxy.heard()) != 0 || len(s.heard()) != 1 {
		t.Errorf("%v, %d posts to the proxy", err, len(proxy.heard()))
	}
	if http.DefaultTransport.(*http.Transport).Proxy == nil {
		t.Error("this test would not notice")
	}
}
