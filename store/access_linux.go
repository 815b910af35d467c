package store

import (
	"os"
	"syscall"
)

// The modes of access(2), to which package syscall gives no names.
const (
	mayRead  = 4
	mayWrite = 2
)

// accessible reports why a file cannot be read and written, without opening it.
func accessible(path string) error {
	if err := syscall.Access(path, mayRead|mayWrite); err != nil {
		return &os.PathError{Op: "access", Path: path, Err: err}
	}
	return nil
}
