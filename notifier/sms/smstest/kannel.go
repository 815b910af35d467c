package smstest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// What Kannel's user is called and lets itself in with.
const (
	User     = "allclear"
	Password = "secret"
)

// patience is how long a part of Kannel may take for what it does at once.
const patience = time.Minute

// fakesmsc is the carrier that Kannel brings for tests; it is not on the path.
const fakesmsc = "/usr/lib/kannel/test/fakesmsc"

// Kannel is a real one: its bearerbox and its smsbox. All ends with the test.
type Kannel struct {
	t       testing.TB
	dir     string
	send    int // ports: of sendsms, and of the carrier's side
	carrier int
	lines   chan string
	log     *buffer
	hangUp  func() // the phone; nil: there is none
}

// The options of sendsms-user and sms-service are those that the guide to text messages asks for.
const conf = `group = core
admin-port = %d
admin-password = nothing-to-see
admin-interface = 127.0.0.1
smsbox-port = %d
smsbox-interface = 127.0.0.1
box-allow-ip = "127.0.0.1"
box-deny-ip = "*.*.*.*"
log-level = 0
dlr-storage = internal

group = smsc
smsc = fake
smsc-id = nowhere
port = %d
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %d
sendsms-interface = 127.0.0.1
log-level = 0

group = sendsms-user
username = ` + User + `
password = ` + Password + `
max-messages = 3
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 1
omit-empty = true
get-url = "%s"
`

// Start starts one that takes messages on sendPort and tells the address that
// inbound returns of what people write. Where Kannel is not installed the test
// is skipped, or failed where nothing may be left out.
func Start(t testing.TB, inbound func(sendPort int) string) *Kannel {
	t.Helper()
	paths := map[string]string{"fakesmsc": fakesmsc}
	for _, name := range []string{"bearerbox", "smsbox"} {
		path, err := exec.LookPath(name)
		if err != nil {
			path = "/usr/sbin/" + name
		}
		paths[name] = path
	}
	for name, path := range paths {
		if _, err := os.Stat(path); err != nil {
			const mend = " is missing: apt-get install -y kannel kannel-extras"
			if os.Getenv("ALLCLEAR_TEST_STRICT") == "1" {
				t.Fatal(name + mend)
			}
			t.Skip(name + mend)
		}
	}
	k := &Kannel{t: t, dir: t.TempDir(), send: freePort(t), carrier: freePort(t), lines: make(chan string, 100), log: &buffer{}}
	file := filepath.Join(k.dir, "kannel.conf")
	text := fmt.Sprintf(conf, freePort(t), freePort(t), k.carrier, k.send, inbound(k.send))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what Kannel said:\n%s", k.log)
		}
	})
	k.start(paths["bearerbox"], file)
	k.Until("the carrier's port", func() bool { return listens(k.carrier) })
	k.start(paths["smsbox"], file)
	k.Until("sendsms's port", func() bool { return listens(k.send) })
	return k
}

// start starts a program that ends with the test.
func (k *Kannel) start(path string, args ...string) {
	k.t.Helper()
	cmd := exec.Command(path, args...) // ended below
	cmd.Dir, cmd.Stdout, cmd.Stderr = k.dir, k.log, k.log
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	k.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
}

// Until waits until a condition holds.
func (k *Kannel) Until(what string, holds func() bool) {
	k.t.Helper()
	end := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(end) {
			k.t.Fatalf("not within %s: %s", patience, what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
}

func listens(port int) bool {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// buffer takes what several programs say.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// has reports how often words were said.
func (b *buffer) has(words string) int { return strings.Count(b.String(), words) }
