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
	"syscall"
	"time"
)

// databaseServer finds the process that listens where dsn points, so that the
// database's part of the work is told from that of strangers.
func databaseServer(dsn string) databaseProcess {
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		return databaseProcess{} // SQLite, which works in the process that asks
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "5432"
	}
	unseen := databaseProcess{apart: true}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return unseen
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return unseen
	}
	inode := listeningInode(uint16(n))
	if inode == "" {
		return unseen
	}
	sockets, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, file := range sockets {
		if to, err := os.Readlink(file); err == nil && to == "socket:["+inode+"]" {
			return databaseProcess{apart: true, pid: strings.Split(file, "/")[2]}
		}
	}
	return unseen
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

// cpu is the CPU time of the server, its children, and those that have ended; 0
// where there is none, or none that is seen.
func (s databaseProcess) cpu() time.Duration {
	if s.pid == "" {
		return 0
	}
	var sum time.Duration
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		one := filepath.Base(dir)
		if stat, err := readStat(one); err == nil && (one == s.pid || stat.parent == s.pid) {
			sum += stat.cpu
		}
	}
	return sum
}

// inMemory tells that what is written to one of the folders never reaches a
// disk, so that fsync costs nothing.
func inMemory(folders ...string) bool {
	for _, folder := range folders {
		var at syscall.Statfs_t
		if syscall.Statfs(folder, &at) == nil && (uint32(at.Type) == tmpfs || uint32(at.Type) == ramfs) {
			return true
		}
	}
	return false
}

// The file systems that are memory, by the number statfs(2) gives them.
const (
	tmpfs = 0x01021994
	ramfs = 0x858458f6
)
