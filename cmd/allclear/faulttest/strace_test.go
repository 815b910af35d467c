package faulttest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// straceWorks is asked once: a container may have strace and not be allowed to use it.
var straceWorks = sync.OnceValue(func() error {
	out, err := exec.Command("strace", "-f", "-qq", "-e", "trace=fsync", "true").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
})

// strace runs a program with something injected into its system calls. It
// traces as a grandchild, so that the program's process is the one we started.
// It counts calls by thread: GOMAXPROCS=1 keeps them on few.
// What it saw is written to record.
func strace(t *testing.T, record, calls, inject string) launch {
	t.Helper()
	if err := straceWorks(); err != nil {
		without(t, fmt.Sprintf("strace does not work here: %v; apt-get install strace, and let it trace (CAP_SYS_PTRACE)", err))
	}
	before := []string{"strace", "-D", "-f", "-qq", "-o", record, "-e", "trace=" + calls, "-e", "inject=" + calls + ":" + inject}
	if !strings.Contains(inject, "signal=") {
		// Much quicker; but strace 6.1 forgets a signal for any call behind the first.
		before = append(before, "--seccomp-bpf")
	}
	return launch{command: "serve", env: []string{"GOMAXPROCS=1"}, before: before}
}

// injected reports whether strace changed the outcome of a call.
func injected(t *testing.T, record string) bool {
	t.Helper()
	b, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, []byte("(INJECTED)"))
}

// died reports whether a process was killed, and not by us.
func (p *process) died() bool {
	if !p.ended() {
		return false
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

// through waits until an event is done, or the process is gone.
func (s *site) through(p *process, event string) {
	s.t.Helper()
	eventually(s.t, "the event is done or the process gone", func() bool {
		if p.ended() {
			return true
		}
		state, _, err := s.progress(event)
		return err == nil && state == "done"
	})
}
