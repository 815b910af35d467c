package store_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"allclear/store"
	"allclear/store/storetest"
)

func TestAFileThatMayNotBeReadOrWrittenIsToldAsSuch(t *testing.T) {
	dsn := storetest.DSN(t, "sqlite")
	_ = storetest.At(t, dsn)().Close()
	// The way to the file is open to everyone.
	for dir := filepath.Dir(dsn); dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []os.FileMode{0o444, 0o000} {
		if err := os.Chmod(dsn, mode); err != nil {
			t.Fatal(err)
		}
		for _, create := range []bool{false, true} {
			err := asNobody(func() error {
				s, err := store.Open(t.Context(), store.Options{DSN: dsn, Create: create})
				if err == nil {
					_ = s.Close()
				}
				return err
			})
			if err == nil || !strings.HasSuffix(err.Error(), "cannot open the database at "+dsn+" for reading and writing: permission denied") {
				t.Errorf("mode %v, create %v: %v", mode, create, err)
			}
		}
	}
}

// asNobody runs do without root's rights, where the tests have them: on a
// thread of its own, which ends with it.
func asNobody(do func() error) error {
	done := make(chan error, 1)
	go func() {
		if os.Getuid() == 0 {
			runtime.LockOSThread() // and never unlocked
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
				done <- errno
				return
			}
		}
		done <- do()
	}()
	return <-done
}
