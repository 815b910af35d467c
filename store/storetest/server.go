package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serverSettings of a Server. fsync is off: what dies in tests is processes, and
// what they wrote the kernel keeps.
const serverSettings = "-c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off -c log_min_messages=fatal -c shared_buffers=32MB -c wal_retrieve_retry_interval=100ms"

// Server is a PostgreSQL of one test's own, that may be hurt. It is gone when
// the test ends or is killed.
type Server struct {
	t    testing.TB
	yard *yard
	data string // its folder
	port int

	ended chan struct{} // closed when its first process has ended
}

// NewServer makes and starts a server with an empty database "allclear".
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := newYard(t).server("one")
	s.tool("initdb", "-D", s.data, "-U", "allclear", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	s.Start()
	s.Exec(`CREATE DATABASE allclear`)
	return s
}

// DSN is the address of its database.
func (s *Server) DSN() string { return address(s.port) + "&target_session_attrs=read-write" }

func address(ports ...int) string {
	hosts := make([]string, len(ports))
	for i, p := range ports {
		hosts[i] = "127.0.0.1:" + strconv.Itoa(p)
	}
	u := url.URL{Scheme: "postgres", User: url.User("allclear"), Host: strings.Join(hosts, ","), Path: "/allclear", RawQuery: "sslmode=disable"}
	return u.String()
}

// Start starts it as it was left, and returns when it answers. It is a child of
// the test, who alone can take note of its end: a server does not start while
// the process that its last one was can be seen.
func (s *Server) Start() {
	s.t.Helper()
	log, err := os.OpenFile(s.data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	args := append([]string{"-D", s.data, "-p", strconv.Itoa(s.port), "-k", s.yard.dir}, strings.Fields(serverSettings)...)
	cmd := s.yard.command(context.Background(), filepath.Join(s.yard.bin, "postgres"), args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func() { _ = cmd.Wait(); close(s.ended) }()
	for deadline := time.Now().Add(time.Minute); ; {
		// In this order: before its own file it is the last one's, which was ready.
		if own := s.pidFile(1) == strconv.Itoa(cmd.Process.Pid); own {
			if status := s.pidFile(8); status == "ready" || status == "standby" {
				return
			}
		}
		select {
		case <-s.ended:
			s.t.Fatalf("the server in %s ended:\n%s", s.data, s.log())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server in %s does not start:\n%s", s.data, s.log())
		}
	}
}

// Crash ends it as it ends itself when one of its processes dies, and cuts every connection.
func (s *Server) Crash() {
	s.t.Helper()
	s.tool("pg_ctl", "-D", s.data, "-s", "-w", "-m", "immediate", "stop")
	<-s.ended
}

// Promote makes a standby the primary.
func (s *Server) Promote() {
	s.t.Helper()
	s.tool("pg_ctl", "-D", s.data, "-s", "-w", "promote")
}

// Kill ends the server and all its processes with SIGKILL, and returns when they are gone.
func (s *Server) Kill() {
	s.t.Helper()
	pid, err := strconv.Atoi(s.pidFile(1))
	if err != nil {
		s.t.Fatalf("the server in %s does not run: %v", s.data, err)
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP) // so that it starts no new ones meanwhile
	all := children(pid)
	for _, p := range append(all, pid) {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
	<-s.ended
	for _, p := range all {
		for !gone(p) {
			<-time.After(time.Millisecond)
		}
	}
}

// pidFile is a line of postmaster.pid, from 1; "" where there is none.
func (s *Server) pidFile(line int) string {
	text, _ := os.ReadFile(filepath.Join(s.data, "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	if len(lines) < line {
		return ""
	}
	return strings.TrimSpace(lines[line-1])
}

func (s *Server) log() []byte {
	text, _ := os.ReadFile(s.data + ".log")
	return text
}

// children are the processes that one has started itself.
func children(pid int) []int {
	var out []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		child, parent, _, err := readStat(path)
		if err == nil && parent == pid {
			out = append(out, child)
		}
	}
	return out
}

// gone reports whether a process has ended; one that nobody waits for has, too.
func gone(pid int) bool {
	_, _, state, err := readStat(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || state == "Z"
}

// readStat reads proc(5)'s "pid (name) state parent ...", whose name may hold anything.
func readStat(path string) (pid, parent int, state string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, "", err
	}
	head, _, ok := bytes.Cut(text, []byte(" ("))
	end := bytes.LastIndex(text, []byte(") "))
	if !ok || end < 0 {
		return 0, 0, "", errors.New("no process")
	}
	if pid, err = strconv.Atoi(string(head)); err != nil {
		return 0, 0, "", err
	}
	_, err = fmt.Sscan(string(text[end+2:]), &state, &parent)
	return pid, parent, state, err
}

// Exec runs statements in the server's own database.
func (s *Server) Exec(statements ...string) {
	s.t.Helper()
	db, err := sql.Open("pgx", strings.Replace(address(s.port), "/allclear?", "/postgres?", 1))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // now, and not with the test: it may ask a thousand times
	for _, q := range statements {
		if _, err := db.ExecContext(context.Background(), q); err != nil {
			s.t.Fatalf("%s: %v", q, err)
		}
	}
}

// await asks until the answer is true.
func (s *Server) await(question string) {
	s.t.Helper()
	db := SQL(s.t, strings.Replace(address(s.port), "/allclear?", "/postgres?", 1))
	for deadline := time.Now().Add(time.Minute); ; {
		var yes bool
		err := db.QueryRowContext(s.t.Context(), question).Scan(&yes)
		if yes && err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not within a minute: %s (%v)", question, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// tool runs one of PostgreSQL's programs.
func (s *Server) tool(name string, args ...string) {
	s.t.Helper()
	if out, err := s.yard.command(s.t.Context(), filepath.Join(s.yard.bin, name), args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, s.log())
	}
}

// watchman says "ready", and when its standard input ends he ends every server
// in his folder, with the shared memory that a killed one leaves, and removes it.
// $1: the folder, $2: PostgreSQL's programs.
const watchman = `
cd "$1" || exit 1
leave() {
	for pid in */postmaster.pid; do
		[ -f "$pid" ] || continue
		"$2/pg_ctl" -D "${pid%/*}" -m immediate -w stop >/dev/null 2>&1 ||
			ipcrm -m "$(sed -n '7s/.* //p' "$pid")" >/dev/null 2>&1
	done
	cd /; rm -rf "$1"
}
trap 'leave "$1" "$2"' EXIT
echo ready
cat >/dev/null
`

// yard is a folder with servers of one test.
type yard struct {
	t   testing.TB
	dir string
	bin string
	who *syscall.Credential // nil: as this process
}

func newYard(t testing.TB) *yard {
	t.Helper()
	bin, err := findPostgres()
	if err != nil {
		if os.Getenv("ALLCLEAR_TEST_STRICT") == "1" {
			t.Fatalf("no PostgreSQL: %v", err)
		}
		t.Skipf("no PostgreSQL to hurt: %v; install its server (initdb, pg_ctl)", err)
	}
	y := &yard{t: t, bin: bin}
	var lifeline *os.File
	if y.dir, y.who, lifeline, err = runShell(watchman, bin); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = lifeline.Close()
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
			if _, err := os.Stat(y.dir); errors.Is(err, os.ErrNotExist) {
				return
			}
		}
		t.Errorf("the servers in %s do not end", y.dir)
	})
	return y
}

func (y *yard) server(name string) *Server {
	y.t.Helper()
	port, err := freePort()
	if err != nil {
		y.t.Fatal(err)
	}
	return &Server{t: y.t, yard: y, data: filepath.Join(y.dir, name), port: port}
}

func (y *yard) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = y.dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=" + y.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: y.who}
	return cmd
}
