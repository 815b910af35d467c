package outbox

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"allclear/notifier"
)

// Journal keeps the acknowledgements of peers between the moment they are read
// and the moment they are settled in the database. It is a file of the
// process's own, written without fsync: it survives the death of the process,
// which is what costs repeats most often; where the whole machine is lost, what
// was acknowledged since the last settle is repeated (I2). Only the worker's
// name at its head is synced, whenever it is opened: with it the leases are taken
// back at once after such a loss too, and nobody waits for them to end.
//
// Two segments take turns: while one is written, the other waits until
// everything in it is settled and is then emptied. So the journal stays small
// however long the sending lasts.
type Journal struct {
	worker string
	left   []*Left

	mu       sync.Mutex
	segments [2]*segment
	current  int
	broken   bool // the last record could not be written
}

// Ack is one acknowledgement read back.
type Ack struct {
	ID      notifier.DeliveryID
	At      time.Time
	Receipt notifier.Receipt
}

// Left is what an earlier process left in its journal.
type Left struct {
	Worker string
	Acks   []Ack
	forget func() error
}

// Forget empties the journal that was left; call it when everything is settled.
func (l *Left) Forget() error { return l.forget() }

type segment struct {
	file    *os.File
	size    int64 // where the next record goes
	waiting int   // records that are not settled
}

const (
	journalMagic   = "allclear acks 1\n"
	workerSize     = 16
	segmentSize    = 1 << 20
	journalsAtMost = 1000
)

// OpenJournal takes the first journal in dir that no living process holds,
// or a new one, and reads what was left in it and in every other that nobody
// holds. identity names the database (at most 32 bytes): a journal of another
// one is left alone, because the same number means another delivery there.
func OpenJournal(dir, identity string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	var j *Journal
	for n := 1; n <= journalsAtMost; n++ {
		path := filepath.Join(dir, fmt.Sprintf("acks-%d", n))
		_, err := os.Stat(path + ".0")
		fresh := errors.Is(err, fs.ErrNotExist)
		if fresh && j != nil {
			return j, nil
		}
		one, left, err := openPair(path, identity)
		switch {
		case errors.Is(err, errHeld), errors.Is(err, errForeign):
			continue
		case err != nil:
			return nil, fmt.Errorf("open the ack journal %s: %w", path, err)
		}
		if j == nil {
			j = one
			left.forget = one.empty
		} else {
			left.forget = func() error { return errors.Join(one.empty(), one.Close()) }
		}
		j.left = append(j.left, left)
	}
	if j == nil {
		return nil, fmt.Errorf("open the ack journal: %d journals in %s are in use", journalsAtMost, dir)
	}
	return j, nil
}

var (
	errHeld    = errors.New("held by a living process")
	errForeign = errors.New("belongs to another database")
)

// openPair locks and reads both segments of one journal.
func openPair(path, identity string) (*Journal, *Left, error) {
	j := &Journal{}
	left := &Left{}
	for i := range j.segments {
		f, err := os.OpenFile(fmt.Sprintf("%s.%d", path, i), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, nil, errors.Join(err, j.release())
		}
		j.segments[i] = &segment{file: f}
		if i == 0 {
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
				return nil, nil, errors.Join(errHeld, j.release())
			}
		}
		data, err := os.ReadFile(f.Name())
		if err != nil {
			return nil, nil, errors.Join(err, j.release())
		}
		worker, acks, ok := readSegment(data, identity)
		if !ok && len(data) >= headerSize && bytes.HasPrefix(data, []byte(journalMagic)) {
			return nil, nil, errors.Join(errForeign, j.release())
		}
		if i == 0 {
			j.worker = worker
			if worker == "" {
				j.worker = newWorker()
			}
		}
		left.Acks = append(left.Acks, acks...)
		j.segments[i].size, j.segments[i].waiting = int64(len(data)), len(acks)
		if worker == "" {
			if err := j.segments[i].begin(j.worker, identity); err != nil {
				return nil, nil, errors.Join(err, j.release())
			}
		}
		// Whoever made it may have died before it was synced, or with a disk that failed.
		if err := f.Sync(); err != nil {
			return nil, nil, errors.Join(err, j.release())
		}
	}
	left.Worker = j.worker
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, nil, errors.Join(err, j.release())
	}
	return j, left, nil
}

const headerSize = len(journalMagic) + workerSize + 32

func (s *segment) begin(worker, identity string) error {
	h := make([]byte, headerSize)
	copy(h, journalMagic)
	copy(h[len(journalMagic):], worker)
	copy(h[len(journalMagic)+workerSize:], identity)
	if err := s.file.Truncate(0); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(h, 0); err != nil {
		return err
	}
	s.size = int64(headerSize)
	return nil
}

// syncFolder makes the names of new files in dir last, and its own.
func syncFolder(dir string) error {
	for _, name := range []string{dir, filepath.Dir(dir)} {
		d, err := os.Open(name)
		if err != nil {
			continue // a parent that may not be read was there before
		}
		err = d.Sync()
		_ = d.Close()
		if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
			return fmt.Errorf("sync the state folder: %w", err)
		}
	}
	return nil
}

// readSegment reads as many whole records as there are; a torn one at the end
// was never acted upon.
func readSegment(data []byte, identity string) (worker string, acks []Ack, ok bool) {
	if len(data) < headerSize || !bytes.HasPrefix(data, []byte(journalMagic)) {
		return "", nil, false
	}
	worker = string(data[len(journalMagic) : len(journalMagic)+workerSize])
	var id [32]byte
	copy(id[:], identity)
	if !bytes.Equal(data[len(journalMagic)+workerSize:headerSize], id[:]) {
		return "", nil, false
	}
	for rest := data[headerSize:]; len(rest) >= 8; {
		size := int(binary.BigEndian.Uint32(rest))
		if size > len(rest)-8 || size > 4096 || crc32.ChecksumIEEE(rest[8:8+size]) != binary.BigEndian.Uint32(rest[4:]) {
			break
		}
		if a, ok := readAck(rest[8 : 8+size]); ok {
			acks = append(acks, a)
		}
		rest = rest[8+size:]
	}
	return worker, acks, true
}

func readAck(b []byte) (Ack, bool) {
	if len(b) < 16 {
		return Ack{}, false
	}
	a := Ack{ID: notifier.DeliveryID(binary.BigEndian.Uint64(b)), At: time.UnixMicro(int64(binary.BigEndian.Uint64(b[8:]))).UTC()}
	parts := bytes.SplitN(b[16:], []byte{0}, 3)
	if len(parts) != 3 {
		return Ack{}, false
	}
	a.Receipt = notifier.Receipt{Relay: string(parts[0]), Reply: string(parts[1]), Remote: string(parts[2])}
	return a, true
}

// appendAck encodes a record: size, checksum, delivery, time, receipt.
func appendAck(b []byte, a Ack) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(a.ID))
	b = binary.BigEndian.AppendUint64(b, uint64(a.At.UnixMicro()))
	for i, s := range []string{a.Receipt.Relay, a.Receipt.Reply, a.Receipt.Remote} {
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, notifier.Clip(s)...)
	}
	body := b[at+8:]
	binary.BigEndian.PutUint32(b[at:], uint32(len(body)))
	binary.BigEndian.PutUint32(b[at+4:], crc32.ChecksumIEEE(body))
	return b
}

// Worker is the name under which this process holds leases. It stays the same
// over restarts, so that they can be taken back.
func (j *Journal) Worker() string { return j.worker }

// Left is what earlier processes left behind, this journal's own first.
func (j *Journal) Left() []*Left { return j.left }

// Append writes one acknowledgement down. The mark it returns goes to Settled
// when the database knows. An error means that it is not written down and that
// nothing half-written is left.
func (j *Journal) Append(a Ack) (mark int, err error) {
	var buf [256]byte
	rec := appendAck(buf[:0], a)
	j.mu.Lock()
	defer j.mu.Unlock()
	defer func() { j.broken = err != nil }()
	if s := j.segments[j.current]; s.size > segmentSize && j.segments[1-j.current].waiting == 0 {
		j.current = 1 - j.current
		if err := j.segments[j.current].rewind(); err != nil {
			return 0, err
		}
	}
	s := j.segments[j.current]
	if _, err := s.file.WriteAt(rec, s.size); err != nil {
		return 0, errors.Join(fmt.Errorf("write the ack journal: %w", err), s.file.Truncate(s.size))
	}
	s.size += int64(len(rec))
	s.waiting++
	return j.current, nil
}

// room is how much must fit into a journal again that could not be written.
const room = 64 << 10

// Check reports whether acknowledgements can be written down. It is asked again
// and again, and tries only where the last one could not be: a disk was full, say.
func (j *Journal) Check() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.broken {
		return nil
	}
	s := j.segments[j.current]
	_, err := s.file.WriteAt(make([]byte, room), s.size) // read back these would be empty records
	if err = errors.Join(err, s.file.Truncate(s.size)); err != nil {
		return fmt.Errorf("write the ack journal: %w", err)
	}
	j.broken = false
	return nil
}

// Settled says that n acknowledgements with this mark are in the database.
func (j *Journal) Settled(mark, n int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.segments[mark]
	s.waiting -= n
	if s.waiting == 0 && s.size > int64(headerSize) {
		return s.rewind()
	}
	return nil
}

func (s *segment) rewind() error {
	if err := s.file.Truncate(int64(headerSize)); err != nil {
		return fmt.Errorf("empty the ack journal: %w", err)
	}
	s.size = int64(headerSize)
	return nil
}

// empty forgets everything that is written down.
func (j *Journal) empty() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []error
	for _, s := range j.segments {
		s.waiting = 0
		errs = append(errs, s.rewind())
	}
	return errors.Join(errs...)
}

// Close lets go of the journal. What is not settled stays in it for the next process.
func (j *Journal) Close() error { return j.release() }

func (j *Journal) release() error {
	var errs []error
	for _, s := range j.segments {
		if s != nil {
			errs = append(errs, s.file.Close())
		}
	}
	return errors.Join(errs...)
}

// newWorker makes a name of 80 random bits.
func newWorker() string {
	b := make([]byte, 10)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").EncodeToString(b)
}
