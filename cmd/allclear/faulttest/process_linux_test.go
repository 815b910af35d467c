package faulttest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"allclear/store/storetest"
)

// mortal makes a process die with the test that started it, however that ends.
func mortal(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// memory is the most it ever had, in bytes.
func (p *process) memory() int64 {
	p.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
			return n << 10
		}
	}
	p.t.Fatalf("no peak of memory in %s", raw)
	return 0
}

func TestAProgramDoesNotOutliveAKilledTest(t *testing.T) {
	const child = "ALLCLEAR_TEST_CHILD"
	if os.Getenv(child) != "" {
		p := newSite(t, storetest.DSN(t, "sqlite"), 1).serve()
		_, _ = os.Stdout.WriteString("\nserves " + p.url + "\n")
		select {} // until killed
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAProgramDoesNotOutliveAKilledTest$", "-test.v")
	// Of what it makes on the disk, nothing is left either.
	cmd.Env = append(os.Environ(), child+"=1", "TMPDIR="+t.TempDir())
	mortal(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	url := ""
	lines := bufio.NewScanner(out)
	for url == "" && lines.Scan() {
		if where, ok := strings.CutPrefix(lines.Text(), "serves "); ok {
			url = where
		}
	}
	answers := func() bool {
		res, err := client.Get(url + "/healthz")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err == nil && res.StatusCode == http.StatusOK
	}
	if url == "" || !answers() {
		t.Errorf("the child does not serve at %q", url)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "the program is gone with its test", func() bool { return !answers() })
}

// smallDisk mounts a file system of so many bytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		without(t, "a small disk can only be mounted by root")
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		without(t, "a small disk cannot be mounted: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}
