package webhook

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"allclear/notifier"
)

// piped makes a rig whose connections are pipes to script, for time that passes
// by itself (testing/synctest): nobody waits for it.
func piped(t *testing.T, script func(net.Conn), with ...func(*setup)) *rig {
	t.Helper()
	return newRig(t, append([]func(*setup){func(s *setup) {
		s.options.Now, s.options.Within = time.Now, nil
		s.guard.Dial = func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				script(there)
			}()
			return here, nil
		}
	}}, with...)...)
}

// gone waits until the other end hangs up.
func gone(c net.Conn) { io.Copy(io.Discard, c) }

// Every way to be slow costs 15 s, and not a moment more.
func TestWhoIsSlowIsCutOffAfter15Seconds(t *testing.T) {
	for name, c := range map[string]struct {
		url    string
		script func(net.Conn)
		after  time.Duration
		says   string
	}{
		"who never answers":          {"http://127.0.0.1/", func(c net.Conn) { hearRequest(c); gone(c) }, 15 * time.Second, "did not answer within 15 s"},
		"who never reads":            {"http://127.0.0.1/", func(net.Conn) { time.Sleep(time.Hour) }, 15 * time.Second, "did not answer within 15 s"}, //nolint:forbidigo // the clock is the test's
		"who shakes hands with none": {"https://127.0.0.1/", func(c net.Conn) { gone(c) }, 10 * time.Second, "was not ready in time"},
		"a byte of a header a second": {"http://127.0.0.1/", func(c net.Conn) {
			hearRequest(c)
			drip(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("y", 100))
		}, 15 * time.Second, "did not answer within 15 s"},
		"an early hint a second": {"http://127.0.0.1/", func(c net.Conn) {
			hearRequest(c)
			for range 4 {
				io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n")
				time.Sleep(time.Second) //nolint:forbidigo // the clock is the test's
			}
			gone(c)
		}, 15 * time.Second, "did not answer within 15 s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := piped(t, c.script)
				r.endpoint(3, c.url)
				began := time.Now()
				se := r.fails(3)
				if spent := time.Since(began); spent != c.after || se.Receipt.Took != c.after {
					t.Errorf("it took %s, and is said to have taken %s", spent, se.Receipt.Took)
				}
				if !strings.Contains(se.Receipt.Reply, c.says) || se.Permanent || se.Fault != notifier.FaultRecipient {
					t.Errorf("%+v", se)
				}
				if r.seats.taken() != 0 {
					t.Error("a seat is still taken")
				}
				time.Sleep(time.Hour) //nolint:forbidigo // whoever sleeps in a script wakes
			})
		})
	}
}

func drip(c net.Conn, s string) {
	for _, b := range []byte(s) {
		if _, err := c.Write([]byte{b}); err != nil {
			return
		}
		time.Sleep(time.Second) //nolint:forbidigo // the clock is the test's
	}
}

// An answer counts from its status on. Its body is only for the log.
func TestABodyThatDripsIsCutOffAfter2SecondsAndTheStatusCounts(t *testing.T) {
	for status, ok := range map[string]bool{"200 OK": true, "404 Not Found": false} {
		synctest.Test(t, func(t *testing.T) {
			r := piped(t, func(c net.Conn) {
				hearRequest(c)
				io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 1000\r\n\r\n")
				drip(c, strings.Repeat("z", 1000))
			})
			r.endpoint(3, "http://127.0.0.1/")
			f, began := &flight{}, time.Now()
			f.hook = func() {
				if time.Since(began) != 0 {
					t.Errorf("taken after %s", time.Since(began))
				}
			}
			receipt, err := r.Send(t.Context(), message(7, 3), f)
			if se, failed := err.(*notifier.SendError); failed { //nolint:errorlint // as the contract says
				receipt = se.Receipt
			}
			if ok != (err == nil) || receipt.Answer == "" || receipt.Took != 2*time.Second || time.Since(began) != 2*time.Second {
				t.Errorf("%s: %+v, %v", status, receipt, err)
			}
			time.Sleep(time.Hour) //nolint:forbidigo // the other end wakes
		})
	}
}

func TestADrainCutsOffWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := piped(t, func(c net.Conn) { gone(c) })
		r.endpoint(3, "http://127.0.0.1/")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if _, err := r.Send(ctx, message(7, 3), &flight{}); err == nil {
			t.Error("sent")
		}
		if spent := time.Since(began); spent != time.Second || r.seats.taken() != 0 {
			t.Errorf("after %s; %d seats taken", spent, r.seats.taken())
		}
	})
}

func TestIdleConnectionsAreClosedBeforeServersDoSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan time.Time, 1)
		r := piped(t, func(c net.Conn) {
			in := newReader(c)
			for hear(in) != nil {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
			closed <- time.Now()
		})
		r.endpoint(3, "http://127.0.0.1/")
		if _, _, err := r.send(3); err != nil {
			t.Fatal(err)
		}
		used := time.Now()
		if idle := (<-closed).Sub(used); idle < idleTime || idle > 2*idleTime {
			t.Errorf("closed after %s", idle)
		}
		synctest.Wait()
		if r.lines.count != 0 || len(r.lines.idle) != 0 || r.lines.sweep != nil {
			t.Errorf("%d lines are remembered", r.lines.count)
		}
		if _, _, err := r.send(3); err != nil {
			t.Error(err)
		}
	})
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	r := newRig(t)
	s := newSink(t, false, answering(http.StatusOK, ""))
	for port := range idleMost + 10 {
		there := mustTarget(t, s.URL)
		there.port = uint16(port + 1)
		conn, far := net.Pipe()
		far.Close()
		r.lines.put(there, newLine(conn))
	}
	if r.lines.count != idleMost {
		t.Errorf("%d lines are idle", r.lines.count)
	}
	r.Close()
	if r.lines.count != 0 || len(r.lines.idle) != 0 {
		t.Error("closed, and not empty")
	}
}
