//go:build !linux

package faulttest

import (
	"os/exec"
	"testing"
)

// mortal can be done on Linux only; elsewhere a process outlives a killed test.
func mortal(*exec.Cmd) {}

func smallDisk(t *testing.T, _ string) string {
	t.Helper()
	without(t, "a small disk can only be mounted on Linux")
	return ""
}

func (*process) memory() int64 { return 0 }
