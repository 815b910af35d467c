package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// theBinary is the real program, built by the first test that asks.
type theBinary struct {
	once sync.Once
	dir  string
	err  error
}

var built theBinary

func (b *theBinary) path() (string, error) {
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "allclear-test-"); b.err != nil {
			return
		}
		if out, err := exec.Command("go", "build", "-o", filepath.Join(b.dir, "allclear"), ".").CombinedOutput(); err != nil {
			b.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	return filepath.Join(b.dir, "allclear"), b.err
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// process is the real program as a process of its own.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	log  *lockedBuffer
	gone chan struct{} // closed when it has ended
}

// startServe starts `allclear serve` and waits until it serves.
func startServe(t *testing.T, dsn, state, relay string) *process {
	t.Helper()
	path, err := built.path()
	if err != nil {
		t.Fatalf("build the program: %v", err)
	}
	p := &process{t: t, log: &lockedBuffer{}, gone: make(chan struct{})}
	p.cmd = exec.Command(path, "serve")
	p.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "ALLCLEAR_DATABASE=" + dsn, "ALLCLEAR_STATE=" + state, "ALLCLEAR_LISTEN=127.0.0.1:0",
		"ALLCLEAR_BASE_URL=http://127.0.0.1:8080", "ALLCLEAR_SECRET=" + string(storetest.Secret()),
		"ALLCLEAR_FROM=status@fjordpost.example", "ALLCLEAR_RELAY=" + relay, "ALLCLEAR_SMTP_CONNECTIONS=8",
	}
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serving := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			_, _ = p.log.Write(append(bytes.Clone(lines.Bytes()), '\n'))
			if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				serving <- url
			}
		}
		_ = p.cmd.Wait()
		close(p.gone)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of process %d:\n%s", p.cmd.Process.Pid, p.log)
		}
	})
	select {
	case p.url = <-serving:
	case <-p.gone:
		t.Fatalf("serve ended:\n%s", p.log)
	case <-time.After(patienceOfTests):
		t.Fatalf("serve does not serve:\n%s", p.log)
	}
	return p
}

// kill is kill -9; it returns when the process is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.gone
}

// prepare makes followers and a token in a database that nobody serves yet.
func prepare(t *testing.T, dsn string, n int) (db *store.Store, token string) {
	t.Helper()
	db = storetest.At(t, dsn)()
	follow(t, db, n)
	token, err := createToken(t.Context(), db, "test", notifier.RoleAdmin)
	if err != nil {
		t.Fatal(err)
	}
	return db, token
}

func TestKilledInTheMiddleOfSendingNobodyIsSkippedAndHardlyAnyoneToldTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const n, connections = 1500, 8
		state := t.TempDir()
		db, token := prepare(t, dsn, n)
		l := newLedger(t)
		reached, killed := make(chan struct{}), make(chan struct{})
		l.onMail = func(i int) {
			if i == n/3 {
				close(reached)
			}
			if i >= 2*n/3 { // however late the kill comes, it is in the middle
				<-killed
			}
		}
		first := startServe(t, dsn, state, "smtp://"+l.addr+"?tls=off")
		said, err := callAPI(t.Context(), first.url, token, "POST", "/incidents", object{"title": "Mail is late", "body": "Since {{at \"-5m\"}}."}, http.StatusCreated)
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, reached)
		first.kill()
		close(killed)
		before := l.count()
		if before >= n {
			t.Fatalf("all %d mails were out before the kill", before)
		}
		startServe(t, dsn, state, "smtp://"+l.addr+"?tls=off")
		if p := waitDone(t, db, said.text("event_id")); p.Counts[notifier.Sent] != n {
			t.Fatalf("counts %v", p.Counts)
		}
		t.Logf("killed after %d mails", before)
		l.check(t, n, connections)
	})
}

func TestKilledInTheMiddleOfAFanOutNobodyIsSkippedAndHardlyAnyoneToldTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const n, connections = 9000, 8
		state := t.TempDir()
		db, token := prepare(t, dsn, n)
		l := newLedger(t)
		for try := 1; ; try++ {
			p := startServe(t, dsn, state, "smtp://"+l.addr+"?tls=off")
			answered := make(chan string, 1)
			go func() {
				said, err := callAPI(context.WithoutCancel(t.Context()), p.url, token, "POST", "/incidents",
					object{"title": "Mail is late", "kind": "incident", "body": fmt.Sprintf("Try %d.", try)}, http.StatusCreated)
				if err != nil {
					t.Error(err)
				}
				answered <- said.text("event_id")
			}()
			event := <-answered
			if event == "" {
				return
			}
			if killInFanOut(t, db, p, event, n) {
				startServe(t, dsn, state, "smtp://"+l.addr+"?tls=off")
				if got := waitDone(t, db, event); got.Total != n || got.Counts[notifier.Sent] != n {
					t.Fatalf("counts %v", got.Counts)
				}
				l.check(t, n, connections)
				return
			}
			// The fan-out was quicker than this test; let it end, and begin with a clean sheet.
			if try == 5 {
				t.Fatal("the fan-out was over before the kill, five times; give this test more followers")
			}
			p.kill()
			q := startServe(t, dsn, state, "smtp://"+l.addr+"?tls=off")
			waitDone(t, db, event)
			q.kill()
			l.mu.Lock()
			clear(l.taken)
			l.mu.Unlock()
		}
	})
}

// killInFanOut kills p as soon as some deliveries of event are made, and
// reports whether that was before the last of them.
func killInFanOut(t *testing.T, db *store.Store, p *process, event string, n int64) bool {
	t.Helper()
	deadline := time.Now().Add(patienceOfTests)
	for time.Now().Before(deadline) {
		at, err := db.Progress(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		if at.Total == 0 {
			continue
		}
		p.kill()
		if at, err = db.Progress(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		t.Logf("killed with %d of %d deliveries made", at.Total, n)
		return at.Total < n && at.State() == notifier.Expanding
	}
	t.Fatal("no delivery was made")
	return false
}

func TestSIGTERMSettlesWhatIsInFlightAndLeavesTheRestForTheNext(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const n = 200
		state := t.TempDir()
		db, token := prepare(t, dsn, n)
		l := newLedger(t)
		blocked, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		l.onMail = func(i int) {
			if i >= 20 {
				once.Do(func() { close(blocked) })
				<-release
			}
		}
		p := startServe(t, dsn, state, "smtp://"+l.addr+"?tls=off")
		said, err := callAPI(t.Context(), p.url, token, "POST", "/incidents", object{"title": "Mail is late", "body": "Late."}, http.StatusCreated)
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, blocked)
		if status, _ := get(t, p.url+"/readyz"); status != http.StatusOK {
			t.Errorf("readyz before: %d", status)
		}
		asked := time.Now()
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		eventually(t, "readyz says draining while mails are in flight", func() bool {
			status, body := get(t, p.url+"/readyz")
			return status == http.StatusServiceUnavailable && strings.TrimSpace(body) == "draining"
		})
		close(release)
		waitFor(t, p.gone)
		if code := p.cmd.ProcessState.ExitCode(); code != 0 || time.Since(asked) > drainAll {
			t.Fatalf("exit %d after %s\n%s", code, time.Since(asked), p.log)
		}
		at, err := db.Progress(t.Context(), said.text("event_id"))
		if err != nil {
			t.Fatal(err)
		}
		out := l.count()
		if got := at.Counts[notifier.Sent]; got != int64(out) || at.Counts[notifier.Sending] != 0 {
			t.Fatalf("%d mails were taken, counts %v: want all of them settled and every lease released", out, at.Counts)
		}
		if out == n {
			t.Fatal("the drain sent everything; it must not claim anew")
		}
		startServe(t, dsn, state, "smtp://"+l.addr+"?tls=off")
		waitDone(t, db, said.text("event_id"))
		l.check(t, n, 0)
	})
}

func TestASecondSignalEndsTheProcessAtOnce(t *testing.T) {
	dsn := storetest.DSN(t, "sqlite")
	db, token := prepare(t, dsn, 20)
	l := newLedger(t)
	blocked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	l.onMail = func(int) { once.Do(func() { close(blocked) }); <-release }
	t.Cleanup(func() { close(release) })
	p := startServe(t, dsn, t.TempDir(), "smtp://"+l.addr+"?tls=off")
	if _, err := callAPI(t.Context(), p.url, token, "POST", "/incidents", object{"title": "Mail is late", "body": "Late."}, http.StatusCreated); err != nil {
		t.Fatal(err)
	}
	waitFor(t, blocked)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it drains", func() bool { return strings.Contains(p.log.String(), "draining") })
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, p.gone)
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Errorf("it ended with %v, not by the signal", p.cmd.ProcessState)
	}
	if n, err := db.Followers(t.Context()); err != nil || n != 20 {
		t.Errorf("the database after it: %d followers, %v", n, err)
	}
	page, _, err := db.Subscribers(t.Context(), subscribers.Query{Limit: 1})
	if err != nil || len(page) != 1 {
		t.Errorf("the database after it: %v", err)
	}
}

func waitFor(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patienceOfTests):
		t.Fatalf("not within %s", patienceOfTests)
	}
}
