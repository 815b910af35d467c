package mailbox

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestShutdownClosesIdleClientsAndLeavesNothingRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	b, err := New(Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	idle, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	r := bufio.NewReader(idle)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := b.Shutdown(soon(t)); err != nil {
		t.Fatal(err)
	}
	idle.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := r.ReadByte(); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the idle client is still connected: %v", err)
	}
	if c, err := net.Dial("tcp", b.Addr()); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	if err := b.Shutdown(soon(t)); err != nil {
		t.Errorf("a second shutdown: %v", err)
	}
}

func TestShutdownLetsATransferEnd(t *testing.T) {
	b, err := New(Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, b)
	if err := c.Mail("a@x.example", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("b@x.example", nil); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "Subject: late\r\n\r\n")
	ctx := soon(t)
	for quiet := true; quiet; {
		select {
		case <-b.store.whenQuiet():
		default:
			quiet = false
		}
		if ctx.Err() != nil {
			t.Fatal("the transfer never began")
		}
	}
	done := make(chan error)
	go func() { done <- b.Shutdown(soon(t)) }()
	<-b.served
	io.WriteString(w, "end\r\n")
	if err := w.Close(); err != nil {
		t.Errorf("the mail in transfer was lost: %v", err)
	}
	if err := <-done; err != nil || b.Count() != 1 {
		t.Errorf("%v, %d mails", err, b.Count())
	}
}
