package main

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// databaseServer finds the process on this machine that listens where dsn
// points, so that the database's part of the work is told from that of
// strangers; "" where there is none, or where we may not look.
func databaseServer(dsn string) (pid string) {
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		return ""
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "5432"
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ""
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return ""
	}
	inode := listeningInode(uint16(n))
	if inode == "" {
		return ""
	}
	sockets, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, file := range sockets {
		if to, err := os.Readlink(file); err == nil && to == "socket:["+inode+"]" {
			return strings.Split(file, "/")[2]
		}
	}
	return ""
}

// listeningInode is the socket that listens on a port; "" for none.
func listeningInode(port uint16) string {
	var raw [2]byte
	binary.BigEndian.PutUint16(raw[:], port)
	end := ":" + strings.ToUpper(hex.EncodeToString(raw[:]))
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table)
		for line := range strings.Lines(string(text)) {
			// sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
			if f := strings.Fields(line); len(f) > 9 && strings.HasSuffix(f[1], end) && f[3] == "0A" {
				return f[9]
			}
		}
	}
	return ""
}

// familyCPU is the CPU time of a process, its children, and those that have
// ended; 0 for pid "".
func familyCPU(pid string) time.Duration {
	if pid == "" {
		return 0
	}
	var sum time.Duration
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		one := filepath.Base(dir)
		if s, err := readStat(one); err == nil && (one == pid || s.parent == pid) {
			sum += s.cpu
		}
	}
	return sum
}
