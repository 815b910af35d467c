package faulttest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"allclear/notifier/ledgertest"
)

// machine is a site whose database and state lie on a file system of their own,
// in an image. To lose the power is to go on with a copy of the image that was
// taken while nothing was synced for it: what was written and not synced is in
// the kernel's memory, and not in the copy.
type machine struct {
	*site
	dir, image string
	losses     int
}

// newMachine makes a site of n readers on an ext4 file system of its own.
func newMachine(t *testing.T, n int) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		without(t, "only root may mount a file system, which losing the power needs")
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		without(t, "mkfs.ext4 is missing: apt-get install e2fsprogs")
	}
	m := &machine{dir: t.TempDir(), image: filepath.Join(t.TempDir(), "disk.img")}
	f, err := os.Create(m.image)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(64 << 20); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	run(t, "mkfs.ext4", "-q", "-F", m.image)
	if out, err := m.mount(); err != nil {
		without(t, fmt.Sprintf("a file system cannot be mounted here: %v: %s", err, out))
	}
	t.Cleanup(func() { run(t, "umount", "--lazy", m.dir) }) // after the processes, which were started later, have gone
	m.site = newSite(t, filepath.Join(m.dir, "allclear.db"), n)
	m.state = filepath.Join(m.dir, "state")
	run(t, "sync", "-f", m.dir)
	return m
}

// mount mounts the image. The journal of ext4 is not to commit by itself in the
// middle of a test, so that only what the program synced is safe.
func (m *machine) mount() ([]byte, error) {
	return exec.Command("mount", "-o", "loop,commit=300", m.image, m.dir).CombinedOutput()
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v: %s", name, args, err, out)
	}
}

// lose loses the power under p, and has it back. What stands on the disk as it
// was then is what the next process finds.
func (m *machine) lose(p *process) {
	m.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGSTOP) // it may have ended before
	m.losses++
	after := fmt.Sprintf("%s.%d", m.image, m.losses)
	run(m.t, "cp", "--sparse=always", m.image, after)
	p.kill()
	run(m.t, "umount", m.dir)
	if err := os.Remove(m.image); err != nil {
		m.t.Fatal(err)
	}
	m.image = after
	if out, err := m.mount(); err != nil {
		m.t.Fatalf("mount what is left: %v: %s", err, out)
	}
}

// worker is the name at the head of the ack journal.
func (m *machine) worker() string {
	m.t.Helper()
	journal, err := os.ReadFile(filepath.Join(m.state, "acks-1.0"))
	if err != nil || len(journal) < 32 {
		m.t.Fatalf("the ack journal after the loss: %q, %v", journal, err)
	}
	return string(journal[16:32])
}

// sent adds up what the counts say is sent: that much is settled, and safe.
func (m *machine) sent() (n int) {
	m.t.Helper()
	for _, e := range m.events {
		counts, err := m.counts(e)
		if err != nil {
			m.t.Fatal(err)
		}
		n += int(counts["sent"])
	}
	return n
}

// told is how many readers the relay has mails for, of how many posts: repeats do not count.
func (m *machine) told() int {
	type line struct {
		post int
		to   string
	}
	of := map[line]bool{}
	for _, mail := range m.ledger.Mails() {
		for _, post := range mail.Marks {
			of[line{post, mail.To}] = true
		}
	}
	return len(of)
}

// The ack journal is not synced, so the machine's death may take it along. Told
// again is then at most who was told since the last settlement: everything that
// the counts had as sent is safe.
func TestTheLossOfTheMachineLosesNobodyAndRepeatsOnlyWhatWasNotSettled(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 300)
	random := dice(t)
	m.slowly(4 * time.Millisecond)
	lost := 0
	for range rounds(t, 5) {
		p := m.serve()
		m.open()
		m.ledger.First(m.marks[len(m.marks)-1])
		upTo(random, 120*time.Millisecond) // all of them take 150 ms
		settled := m.sent()
		p.freeze()
		// Beside those that the relay has, one on the wire for each connection.
		unsettled := m.told() - settled
		lost += unsettled
		m.doubts += max(unsettled, 0) + connections
		m.lose(p)
	}
	if lost == 0 {
		t.Error("everything was settled whenever the power was lost: the test is blind")
	}
	t.Logf("%d mails were out and not settled when the power was lost", lost)
	m.serve()
	m.done()
	m.ledger.Check(t, ledgertest.Faults{Doubts: m.doubts, Anywhere: true, Counts: m.counts})
	whole(t, m.dsn)
}

func TestAnIncidentThatWasAnsweredSurvivesTheLossOfTheMachineRightAfterIt(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 12)
	worker := ""
	for range rounds(t, 5) {
		before := m.ledger.Count()
		p := m.serve()
		m.open()
		m.lose(p)
		// Whatever it sent in so short a life may be settled or not.
		m.doubts += m.ledger.Count() - before + connections
		// Under its old name it takes back its leases at once, and nobody waits a
		// minute for them to end.
		if name := m.worker(); worker != "" && name != worker {
			t.Errorf("the worker is %q; before the loss it was %q", name, worker)
		} else {
			worker = name
		}
	}
	m.serve()
	m.done()
	m.ledger.Check(t, ledgertest.Faults{Doubts: m.doubts, Anywhere: true, Counts: m.counts})
}

// The name at the head of the journal is synced whenever it is opened: whoever
// made the file may have died before its own sync, or with a disk that failed.
func TestAJournalWhoseMakerDidNotSyncItKeepsItsNameThroughTheLossOfTheMachine(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 12)
	m.serve().stop()
	segments := map[string][]byte{}
	for _, name := range []string{"acks-1.0", "acks-1.1"} {
		path := filepath.Join(m.state, name)
		head, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		segments[path] = head
	}
	name := m.worker()
	if err := os.RemoveAll(m.state); err != nil {
		t.Fatal(err)
	}
	run(t, "sync", "-f", m.dir)
	if err := os.Mkdir(m.state, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, head := range segments { // and nobody syncs them
		if err := os.WriteFile(path, head, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := m.serve()
	m.lose(p)
	if now := m.worker(); now != name {
		t.Errorf("the worker is %q; before the loss it was %q", now, name)
	}
}

// The control: where fsync says "done" and does nothing, as with synchronous
// off, the same loss of the machine loses an incident that was answered, and
// the check says so.
func TestWithoutFsyncTheLossOfTheMachineLosesAnIncidentAndTheCheckSaysSo(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 12)
	lifted, lift := m.barrier()
	m.ledger.Before(func(ledgertest.Mail) string { <-lifted; return "" })
	p, err := m.start(strace(t, os.DevNull, "fsync,fdatasync", "retval=0"))
	if err != nil {
		t.Fatalf("serve: %v\n%s", err, p.log)
	}
	m.open()
	m.lose(p)
	lift()
	m.serve()
	if ids := m.find("Mail is late"); len(ids) != 0 {
		t.Errorf("the incident survived: this test cannot tell a sync from none")
	}
	found := m.ledger.Complaints(ledgertest.Faults{Doubts: 12, Anywhere: true, Counts: m.counts})
	if !slices.ContainsFunc(found, func(c ledgertest.Complaint) bool { return c.Kind == ledgertest.Lost }) {
		t.Errorf("a lost incident is not complained of: %v", found)
	}
	t.Logf("as it must: %v", found)
}
