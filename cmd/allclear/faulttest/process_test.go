package faulttest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what should come by itself.
const patience = time.Minute

// theBinary is the program as it is shipped: without cgo, without the race detector.
type theBinary struct {
	once sync.Once
	dir  string
	err  error
}

var built theBinary

// path builds the program for the first test that asks.
func (b *theBinary) path(t testing.TB) string {
	t.Helper()
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "allclear-faults-"); b.err != nil { //nolint:usetesting // it outlives the test that builds it
			return
		}
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(b.dir, "allclear"), "allclear/cmd/allclear")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if b.err != nil {
		t.Fatalf("build the program: %v", b.err)
	}
	return filepath.Join(b.dir, "allclear")
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// process is the program as a process of its own.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string // where it answers; "" for a worker that does not
	log  *tail
	gone chan struct{} // closed when it has ended
}

// launch says how a process is started beside the site's own settings.
type launch struct {
	command string   // serve or worker
	env     []string // settings that replace the site's
	before  []string // a command that runs it, strace say; it must not fork between
	started func(*process)
}

// start starts a process and waits until it serves. It answers an error where
// the process ended before that.
func (s *site) start(l launch) (*process, error) {
	s.t.Helper()
	args := append(append([]string{}, l.before...), built.path(s.t), l.command)
	p := &process{t: s.t, log: &tail{}, gone: make(chan struct{})}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Env = append(s.env(), l.env...)
	mortal(p.cmd)
	out, err := p.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.processes = append(s.processes, p)
	if l.started != nil {
		l.started(p)
	}
	serving := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			p.log.write(lines.Bytes())
			url, ok := strings.CutPrefix(lines.Text(), "listening on ")
			if ok || lines.Text() == "working" {
				serving <- url
			}
		}
		_ = p.cmd.Wait()
		close(p.gone)
	}()
	s.t.Cleanup(func() {
		p.kill()
		if s.t.Failed() {
			s.t.Logf("log of process %d:\n%s", p.cmd.Process.Pid, p.log)
		}
	})
	select {
	case p.url = <-serving:
		if p.url == "working" {
			p.url = ""
		}
	case <-p.gone:
		return p, errors.New("it ended before it served")
	case <-time.After(patience):
		s.t.Fatalf("it does not serve:\n%s", p.log)
	}
	if l.command == "serve" {
		s.url = p.url
	}
	return p, nil
}

// serve starts `allclear serve`, which must come up.
func (s *site) serve(env ...string) *process {
	s.t.Helper()
	p, err := s.start(launch{command: "serve", env: env})
	if err != nil {
		s.t.Fatalf("serve: %v\n%s", err, p.log)
	}
	return p
}

// worker starts `allclear worker`, which must come up.
func (s *site) worker(env ...string) *process {
	s.t.Helper()
	p, err := s.start(launch{command: "worker", env: append([]string{"ALLCLEAR_STATE=" + s.t.TempDir(), "ALLCLEAR_LISTEN="}, env...)})
	if err != nil {
		s.t.Fatalf("worker: %v\n%s", err, p.log)
	}
	return p
}

// kill is kill -9; it returns when the process is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.gone
}

// signal sends it one.
func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("signal %d: %v", sig, err)
	}
}

// freeze stops it as a machine does that hangs; thaw lets it go on.
func (p *process) freeze() { p.signal(syscall.SIGSTOP) }
func (p *process) thaw()   { p.signal(syscall.SIGCONT) }

// stop is the orderly end, which must be one.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	wait(p.t, p.gone)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("exit %d\n%s", code, p.log)
	}
}

// ended reports whether it is gone.
func (p *process) ended() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// tail keeps the end of a log.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (l *tail) write(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(append(l.b, line...), '\n')
	if over := len(l.b) - 64<<10; over > 32<<10 {
		l.b = bytes.Clone(l.b[over:])
	}
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}

// without ends a test that needs a part which is not here: a failure where
// nothing may be left out.
func without(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ALLCLEAR_TEST_STRICT") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// wait waits for a channel to be closed.
func wait(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("not within %s", patience)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
