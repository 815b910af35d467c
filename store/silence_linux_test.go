package store

import (
	"net"
	"syscall"
	"testing"
	"time"
)

func TestAQuestionToAServerThatVanishedIsGivenUpInHalfAMinute(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg, err := postgresConfig("postgres://allclear:secret@" + l.Addr().String() + "/allclear")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := cfg.DialFunc(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ms int
	if cerr := raw.Control(func(fd uintptr) { ms, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	if limit := time.Duration(ms) * time.Millisecond; limit <= 0 || limit > 30*time.Second {
		t.Errorf("what is never acknowledged is waited for %s", limit)
	}
}

func TestASocketFileIsDialledAsItIs(t *testing.T) {
	path := t.TempDir() + "/.s.PGSQL.5432"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg, err := postgresConfig("host=" + path[:len(path)-len("/.s.PGSQL.5432")] + " dbname=allclear")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := cfg.DialFunc(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}
