package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of /proc/stat: USER_HZ, which is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// ownCPU is the CPU time this process has used.
func ownCPU() (time.Duration, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, fmt.Errorf("ask for the CPU time used: %w", err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), nil
}

// machineCPU is the time all processors were busy, stolen time too.
func machineCPU() (time.Duration, error) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("ask for the machine's CPU time: %w", err)
	}
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	var busy time.Duration
	// cpu user nice system idle iowait irq softirq steal guest guest_nice; what
	// guests used is in user and nice already.
	for i, f := range strings.Fields(string(line)) {
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/stat: %w", err)
		}
		busy += time.Duration(n) * tick
	}
	return busy, nil
}

// forgetPeak makes the kernel measure the peak of memory anew. Where that is
// not allowed, the peak is that of the whole run.
func forgetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// memoryOf is the most memory process pid ("self") ever had, and what it has now, in bytes.
func memoryOf(pid string) (peak, now int64, err error) {
	raw, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, 0, fmt.Errorf("ask for memory: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, _ := strconv.ParseInt(kb, 10, 64)
		switch name {
		case "VmHWM":
			peak = n << 10
		case "VmRSS":
			now = n << 10
		}
	}
	return peak, now, nil
}

// childAttributes make a process that Ctrl-C at the terminal is not for, and
// that ends with us however we end.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// cpuOf is the CPU time that a process and those it waited for have used.
func cpuOf(pid int) (time.Duration, error) {
	s, err := readStat(strconv.Itoa(pid))
	if err != nil {
		return 0, fmt.Errorf("ask for CPU time: %w", err)
	}
	return s.cpu, nil
}

// processStat is what /proc/PID/stat tells.
type processStat struct {
	parent string
	cpu    time.Duration // its own and that of children it waited for
}

func readStat(pid string) (processStat, error) {
	raw, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return processStat{}, err
	}
	// The name in brackets may hold anything.
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(f) < 15 {
		return processStat{}, fmt.Errorf("/proc/%s/stat has %d fields", pid, len(f))
	}
	s := processStat{parent: f[1]}
	for _, x := range f[11:15] { // utime stime cutime cstime
		n, _ := strconv.ParseInt(x, 10, 64)
		s.cpu += time.Duration(n) * tick
	}
	return s, nil
}
