//go:build !linux

package main

import (
	"syscall"
	"time"

	"allclear/notifier"
)

var errLinuxOnly = notifier.Refuse(notifier.ErrUnavailable, "bench reads /proc for CPU time and memory, so it runs on Linux only")

func ownCPU() (time.Duration, error) { return 0, errLinuxOnly }

func machineCPU() (time.Duration, error) { return 0, errLinuxOnly }

func forgetPeak() {}

func memoryOf(string) (peak, now int64, err error) { return 0, 0, errLinuxOnly }

func childAttributes() *syscall.SysProcAttr { return nil }

func cpuOf(int) (time.Duration, error) { return 0, errLinuxOnly }

func databaseServer(string) databaseProcess { return databaseProcess{} }

func (databaseProcess) cpu() time.Duration { return 0 }

func inMemory(...string) bool { return false }
