package storetest_test

import (
	"bufio"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"allclear/store"
	"allclear/store/storetest"
)

func TestEveryTestGetsADatabaseOfItsOwn(t *testing.T) {
	var seen []string
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			for _, make := range []func(testing.TB, string) string{storetest.DSN, storetest.EmptyDSN, storetest.DSN} {
				dsn := make(t, dialect)
				if slices.Contains(seen, dsn) {
					t.Errorf("%s was given before", dsn)
				}
				seen = append(seen, dsn)
				one, two := storetest.At(t, dsn)(), storetest.At(t, dsn)()
				if err := one.Audit(t.Context(), "seen by two", "", ""); err != nil {
					t.Fatal(err)
				}
				if two.Dialect() != dialect {
					t.Errorf("%s is %s", dsn, two.Dialect())
				}
				var n int
				if err := storetest.SQL(t, dsn).QueryRow(`SELECT count(*) FROM audit`).Scan(&n); err != nil || n != 1 {
					t.Errorf("%s has %d rows, %v", dsn, n, err)
				}
			}
		})
	}
}

func TestADatabaseIsGoneAfterItsTest(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		var dsn string
		if !t.Run(dialect, func(t *testing.T) {
			dsn = storetest.DSN(t, dialect)
			storetest.At(t, dsn)()
		}) || dsn == "" {
			continue // not to be had here
		}
		if s, err := store.Open(t.Context(), store.Options{DSN: dsn}); err == nil {
			_ = s.Close()
			t.Errorf("%s is still there", dsn)
		}
	}
}

// A killed test program cannot clean up. Its cluster must end all the same.
func TestAClusterDoesNotOutliveAKilledTest(t *testing.T) {
	const child = "ALLCLEAR_TEST_CHILD"
	if os.Getenv(child) != "" {
		_, _ = os.Stdout.WriteString("\ncluster " + storetest.DSN(t, "postgres") + "\n")
		select {} // until killed
	}
	if os.Getenv("TEST_DATABASE_URL") != "" {
		t.Skip("the tests run on another server")
	}
	storetest.DSN(t, "postgres") // skips where there is no PostgreSQL
	before := clusters()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAClusterDoesNotOutliveAKilledTest$", "-test.v")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	dsn := ""
	for dsn == "" && lines.Scan() {
		if words := lines.Text(); len(words) > 8 && words[:8] == "cluster " {
			dsn = words[8:]
		}
	}
	if dsn == "" {
		t.Fatal("the child made no cluster")
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	s := storetest.At(t, dsn)()
	if err := s.Ping(t.Context()); err != nil {
		t.Fatalf("the child's cluster at %s: %v", u.Host, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(time.Minute); ; {
		_, err := store.Open(t.Context(), store.Options{DSN: dsn})
		after := clusters()
		gone := !slices.ContainsFunc(after, func(dir string) bool {
			return !slices.Contains(before, dir) && holds(dir, u.Port())
		})
		if err != nil && gone {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the cluster at %s is still there: %v, %v", u.Host, err, after)
		}
	}
}

// clusters are the folders of those that run, of whatever test.
func clusters() (all []string) {
	for _, home := range []string{"/tmp", "/dev/shm"} {
		here, _ := filepath.Glob(home + "/allclear-pg-*")
		all = append(all, here...)
	}
	return all
}

// holds reports whether dir is the cluster at a port.
func holds(dir, port string) bool {
	found, _ := filepath.Glob(filepath.Join(dir, ".s.PGSQL."+port))
	return len(found) > 0
}
