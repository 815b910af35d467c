package storetest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// keeper makes a cluster, says "ready", and takes it away when its standard
// input ends: that is when the test program ends, even if it is killed. So a
// cluster never outlives its tests. $1: its folder, $2: PostgreSQL's programs,
// $3: the port.
const keeper = `
cd "$1" || exit 1
trap '"$2/pg_ctl" -D data -m immediate -w stop >/dev/null 2>&1; cd /; rm -rf "$1"' EXIT
{
	"$2/initdb" -D data -U allclear -A trust -E UTF8 --locale=C --no-sync --no-instructions &&
	"$2/pg_ctl" -D data -l server.log -w -t 60 start -o "-p $3 -k '$1' -c listen_addresses=127.0.0.1 -c max_connections=200 -c max_wal_size=256MB -c fsync=off -c full_page_writes=off -c log_min_messages=fatal"
} >log 2>&1 || { cat log server.log 2>/dev/null; exit 1; }
echo ready
cat >/dev/null
`

// startCluster answers the address of a cluster's own database, and the file
// that keeps it: the cluster ends when that is closed.
func startCluster() (address string, lifeline *os.File, err error) {
	bin, err := findPostgres()
	if err != nil {
		return "", nil, err
	}
	var failed error
	for range 3 { // another program may be quicker to take the port
		port, err := freePort()
		if err != nil {
			return "", nil, err
		}
		if lifeline, failed = keep(bin, port); failed == nil {
			return fmt.Sprintf("postgres://allclear@127.0.0.1:%d/postgres?sslmode=disable", port), lifeline, nil
		}
	}
	return "", nil, failed
}

func keep(bin string, port int) (*os.File, error) {
	_, _, lifeline, err := runShell(keeper, bin, strconv.Itoa(port))
	return lifeline, err
}

// runShell runs a script in a folder of its own, which is its first argument,
// as a user that PostgreSQL takes, and waits until it says "ready". It hears
// that lifeline is closed, or that this process ended, on its standard input.
func runShell(script string, args ...string) (dir string, who *syscall.Credential, lifeline *os.File, err error) {
	fail := func(err error) (string, *syscall.Credential, *os.File, error) { return "", nil, nil, err }
	dir, err = os.MkdirTemp(home(), "allclear-pg-")
	if err != nil {
		return fail(err)
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "keeper", dir}, args...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the terminal's Ctrl-C is not for it
	if os.Geteuid() == 0 {                               // PostgreSQL refuses to be run by root
		if who, err = unprivileged(); err != nil {
			return fail(err)
		}
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return fail(err)
		}
		cmd.SysProcAttr.Credential = who
	}
	reading, writing, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	cmd.Stdin = reading
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := cmd.Start(); err != nil {
		return fail(fmt.Errorf("start a cluster: %w", err))
	}
	_ = reading.Close()
	said := bufio.NewScanner(out)
	var words []string
	for said.Scan() {
		if said.Text() == "ready" {
			return dir, who, writing, nil
		}
		words = append(words, said.Text())
	}
	_ = writing.Close()
	_ = cmd.Wait()
	return fail(fmt.Errorf("start a cluster: %s", strings.Join(words[max(0, len(words)-5):], "; ")))
}

// home is the folder for clusters: in memory, where that has room. A database is
// some 570 files, and to make one costs ten times as much on a disk. Its name is
// short, as a socket's path has about 100 bytes.
func home() string {
	const memory, room, spare = "/dev/shm", 2 << 30, 6 << 20 // bytes; and kB, of what is left of the machine's
	var is syscall.Statfs_t
	info, err := os.Stat(memory)
	if err != nil || info.Mode()&(os.ModeSticky|0o777) != os.ModeSticky|0o777 || syscall.Statfs(memory, &is) != nil || is.Bavail*uint64(is.Bsize) < room || memorySpare() < spare {
		return "/tmp"
	}
	return memory
}

// memorySpare is how much memory the machine can give, in kB; 0 where it does not
// say: room in a file system in memory is a limit, and no promise.
func memorySpare() (kB int64) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(info)) {
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kB); n == 1 {
			return kB
		}
	}
	return 0
}

// findPostgres finds the newest installed server's programs.
func findPostgres() (string, error) {
	var found []string
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			found = append(found, filepath.Dir(p))
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin"} {
		dirs, _ := filepath.Glob(pattern)
		slices.Reverse(dirs)
		found = append(found, dirs...)
	}
	for _, dir := range found {
		if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		if _, err := exec.LookPath(filepath.Join(dir, "pg_ctl")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("initdb and pg_ctl were not found")
}

func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("there is no user postgres or nobody to run it as")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
