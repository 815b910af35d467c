package main

import "path/filepath"

// databaseProcess is the database's process, where that is one of its own.
type databaseProcess struct {
	apart bool   // the database is not in the process that asks
	pid   string // "" where it is on another machine, or where we may not look
}

// unseen tells that the server's CPU time cannot be told from that of strangers.
func (s databaseProcess) unseen() bool { return s.apart && s.pid == "" }

// onDisk tells whether a commit reaches a disk on this ground, as far as we see.
func (g *ground) onDisk() bool {
	folders := []string{g.folder}
	if s := databaseServer(g.dsn); s.pid != "" {
		folders = append(folders, filepath.Join("/proc", s.pid, "cwd")) // where PostgreSQL keeps its data
	} else if !s.apart {
		folders = append(folders, filepath.Dir(g.dsn))
	}
	return !inMemory(folders...)
}

// fsyncIsFree is what a report says of figures that were taken in memory.
const fsyncIsFree = "Kept in memory (tmpfs), where fsync is free: on a disk it is slower."

// serverIsUnseen is what is said where CPU time is not told from that of strangers.
const serverIsUnseen = "The database server's CPU time is not visible: root on its machine sees it."
