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

func databaseServer(string) (pid string) { return "" }

func familyCPU(string) time.Duration { return 0 }
