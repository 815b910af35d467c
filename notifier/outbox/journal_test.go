package outbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/notifier"
)

var at = time.Date(2026, 11, 23, 16, 11, 0, 123456000, time.UTC)

func ack(n int64) Ack {
	return Ack{ID: notifier.MakeDeliveryID(7, n), At: at, Receipt: notifier.Receipt{Relay: "127.0.0.1:25", Reply: "250 2.0.0 Ok: queued as 4F3A", Remote: "4F3A"}}
}

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := OpenJournal(dir, "db-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func write(t *testing.T, j *Journal, acks ...Ack) (mark int) {
	t.Helper()
	for _, a := range acks {
		m, err := j.Append(a)
		if err != nil {
			t.Fatal(err)
		}
		mark = m
	}
	return mark
}

func TestWhatWasWrittenIsReadBackByTheNextProcess(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	write(t, j, ack(1), ack(2))
	worker := j.Worker()
	if err := j.Close(); err != nil { // a killed process closes nothing, but the kernel lets go of its lock just so
		t.Fatal(err)
	}
	next := open(t, dir)
	left := next.Left()
	if len(left) != 1 || left[0].Worker != worker || next.Worker() != worker {
		t.Fatalf("left %+v by %q; want one journal of %q", left, next.Worker(), worker)
	}
	if len(left[0].Acks) != 2 || left[0].Acks[0] != ack(1) || left[0].Acks[1] != ack(2) {
		t.Fatalf("read back %+v", left[0].Acks)
	}
	if err := left[0].Forget(); err != nil {
		t.Fatal(err)
	}
	_ = next.Close()
	if again := open(t, dir).Left(); len(again[0].Acks) != 0 {
		t.Fatalf("still there after Forget: %+v", again[0].Acks)
	}
}

func TestWhatIsSettledIsNotReadBack(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	if err := j.Settled(write(t, j, ack(1), ack(2)), 2); err != nil {
		t.Fatal(err)
	}
	write(t, j, ack(3))
	_ = j.Close()
	if got := open(t, dir).Left()[0].Acks; len(got) != 1 || got[0] != ack(3) {
		t.Fatalf("read back %+v; want only the one that was not settled", got)
	}
}

func TestTwoLivingProcessesHaveJournalsOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if a.Worker() == b.Worker() {
		t.Fatal("two processes share a worker name")
	}
	if len(b.Left()) != 1 || len(b.Left()[0].Acks) != 0 {
		t.Fatalf("the second process reads what the first still writes: %+v", b.Left())
	}
}

func TestOneProcessRecoversTheJournalsOfAllDeadOnes(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	write(t, a, ack(1))
	write(t, b, ack(2))
	workers := map[string]bool{a.Worker(): true, b.Worker(): true}
	_, _ = a.Close(), b.Close()
	c := open(t, dir)
	var acks []Ack
	for _, l := range c.Left() {
		if !workers[l.Worker] {
			t.Errorf("unknown worker %q", l.Worker)
		}
		acks = append(acks, l.Acks...)
		if err := l.Forget(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acks) != 2 {
		t.Fatalf("recovered %+v; want both", acks)
	}
	write(t, c, ack(3)) // the journal that was kept goes on
}

func TestAJournalOfAnotherDatabaseIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	write(t, j, ack(1))
	_ = j.Close()
	other, err := OpenJournal(dir, "db-2")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range other.Left() {
		if len(l.Acks) > 0 {
			t.Fatalf("read acknowledgements of another database: %+v", l.Acks)
		}
	}
	_ = other.Close()
	if got := open(t, dir).Left()[0].Acks; len(got) != 1 {
		t.Fatalf("the other database's start lost ours: %+v", got)
	}
}

func TestATornRecordAtTheEndCostsOnlyItself(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	write(t, j, ack(1), ack(2))
	_ = j.Close()
	path := filepath.Join(dir, "acks-1.0")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := headerSize + (len(data)-headerSize)/2
	for cut := whole; cut < len(data); cut++ {
		if err := os.WriteFile(path, data[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, dir)
		if got := j.Left()[0].Acks; len(got) != 1 || got[0] != ack(1) {
			t.Fatalf("cut at %d: read back %+v; want the first record", cut, got)
		}
		_ = j.Close()
	}
}

func TestTheJournalStaysSmallHoweverLongTheSendingLasts(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	type open struct{ mark int }
	var unsettled []open
	for n := int64(1); n <= 60_000; n++ {
		unsettled = append(unsettled, open{write(t, j, ack(n))})
		if len(unsettled) > 600 { // as with sending at full speed, some are always open
			for _, u := range unsettled[:500] {
				if err := j.Settled(u.mark, 1); err != nil {
					t.Fatal(err)
				}
			}
			unsettled = unsettled[500:]
		}
	}
	for i := range 2 {
		fi, err := os.Stat(filepath.Join(dir, fmt.Sprintf("acks-1.%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Size() > 2*segmentSize {
			t.Errorf("segment %d has %d bytes; want at most %d", i, fi.Size(), 2*segmentSize)
		}
	}
	_ = j.Close()
	back := map[notifier.DeliveryID]bool{}
	re, err := OpenJournal(dir, "db-1")
	if err != nil {
		t.Fatal(err)
	}
	defer re.Close()
	for _, a := range re.Left()[0].Acks {
		back[a.ID] = true
	}
	for i := range unsettled {
		if id := notifier.MakeDeliveryID(7, 60_000-int64(i)); !back[id] {
			t.Fatalf("%s is not settled and was not read back", id)
		}
	}
}

func TestEveryReceiptIsReadBackAsItWasClipped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Ack{
			ID: notifier.MakeDeliveryID(rapid.Int64Range(1, 1<<31-1).Draw(t, "event"), rapid.Int64Range(1, 1<<32-1).Draw(t, "reader")),
			At: at,
			Receipt: notifier.Receipt{
				Relay: rapid.String().Draw(t, "relay"), Reply: rapid.String().Draw(t, "reply"), Remote: rapid.String().Draw(t, "remote"),
			},
		}
		head := make([]byte, headerSize)
		copy(head, journalMagic)
		copy(head[len(journalMagic):], "aaaaaaaaaaaaaaaa")
		copy(head[len(journalMagic)+workerSize:], "db")
		_, got, ok := readSegment(appendAck(head, a), "db")
		if !ok || len(got) != 1 {
			t.Fatalf("read %v, %v", got, ok)
		}
		want := a
		want.Receipt = notifier.Receipt{Relay: notifier.Clip(a.Receipt.Relay), Reply: notifier.Clip(a.Receipt.Reply), Remote: notifier.Clip(a.Receipt.Remote)}
		if got[0] != want {
			t.Fatalf("got %+v, want %+v", got[0], want)
		}
	})
}

func FuzzReadingAJournalNeverPanics(f *testing.F) {
	f.Add([]byte(journalMagic + strings.Repeat("a", workerSize+32) + "\x00\x00\x00\x10"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, acks, ok := readSegment(data, "db-1")
		if !ok && len(acks) > 0 {
			t.Fatal("acknowledgements from a file that is no journal")
		}
	})
}
