package storetest

import (
	"strconv"
	"testing"
)

// Pair is a primary and its synchronous standby: what was committed on A is on
// B, and where B cannot be reached A commits nothing. Who knows both addresses
// uses the one that takes writes.
type Pair struct {
	A, B *Server
}

// NewPair makes and starts both, with an empty database "allclear".
func NewPair(t testing.TB) *Pair {
	t.Helper()
	a := NewServer(t)
	b := a.yard.server("two")
	a.tool("pg_basebackup", "-D", b.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
		"-d", "host=127.0.0.1 user=allclear port="+strconv.Itoa(a.port))
	b.Start()
	// Behind the copy, so that B, once it is promoted, waits for nobody.
	a.Exec(`ALTER SYSTEM SET synchronous_standby_names = '*'`, `SELECT pg_reload_conf()`)
	a.await(`SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'`)
	return &Pair{A: a, B: b}
}

// DSN names both, A first.
func (p *Pair) DSN() string { return address(p.A.port, p.B.port) + "&target_session_attrs=read-write" }
