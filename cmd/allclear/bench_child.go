package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// child is the service in a process of its own.
type child struct {
	cmd  *exec.Cmd
	url  string
	said tail
	gone chan struct{}
}

// childPatience is how long a service may take until it serves.
const childPatience = time.Minute

// startChild starts `allclear serve` with these settings and waits until it serves.
func (a *app) startChild(ctx context.Context, settings map[string]string) (*child, error) {
	if a.self == nil {
		return nil, fmt.Errorf("start the service: this program does not know where it is")
	}
	program, err := a.self()
	if err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	c := &child{gone: make(chan struct{})}
	c.cmd = exec.CommandContext(context.WithoutCancel(ctx), program, "serve") //nolint:gosec // this very program
	c.cmd.SysProcAttr = childAttributes()
	c.cmd.Stderr = &c.said
	for name, value := range settings {
		c.cmd.Env = append(c.cmd.Env, prefix+name+"="+value)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	serving := make(chan string, 1)
	go func() {
		defer close(c.gone)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				serving <- url
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = c.cmd.Wait()
	}()
	patience := time.NewTimer(childPatience)
	defer patience.Stop()
	select {
	case c.url = <-serving:
		return c, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-c.gone:
		err = fmt.Errorf("the service ended: %s", &c.said)
	case <-patience.C:
		err = fmt.Errorf("the service does not serve after %s: %s", childPatience, &c.said)
	}
	c.kill()
	return nil, err
}

// kill ends it at once; what it leaves is thrown away or recovered by the next one.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.gone
}

// memory is the most it ever had, and what it has now, in bytes.
func (c *child) memory() (peak, now int64, err error) {
	return memoryOf(strconv.Itoa(c.cmd.Process.Pid))
}

// cpu is the CPU time it has used.
func (c *child) cpu() (time.Duration, error) { return cpuOf(c.cmd.Process.Pid) }

// tail keeps the end of what was written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - 4096; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
