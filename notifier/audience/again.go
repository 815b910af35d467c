package audience

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// again is an input whose beginning may have to be read a second time. Where it
// cannot go back, what was read is kept meanwhile in a file that has no name.
type again struct {
	in     io.Reader
	seeker io.Seeker // nil: it cannot go back
	start  int64     // where in begins, for the seeker

	folder  string
	most    int64                     // that is kept
	spare   func(folder string) int64 // nil: there is room
	checked int64                     // up to this size there is
	keeping bool                      // what is read goes into kept, too
	kept    *os.File
	size    int64  // of what is kept
	at      int64  // the next byte of it to be read
	over    []byte // what was read and did not find room there, behind it
}

// errNoRoom is a file that cannot be kept as far as would be needed.
var errNoRoom = errors.New("no room to keep the beginning of the file")

// mostKept is how much of a file is kept, and sparedEach how much between two
// looks at the room there is: what is written on the same disk goes first.
const (
	mostKept   = 2 << 30
	sparedEach = 16 << 20
)

func readAgain(in io.Reader, l Loading) *again {
	t := &again{in: in, folder: l.Folder, spare: l.Spare, most: l.mostKept}
	if t.most == 0 {
		t.most = mostKept
	}
	if s, ok := in.(io.Seeker); ok {
		if at, err := s.Seek(0, io.SeekCurrent); err == nil {
			t.seeker, t.start = s, at
		}
	}
	return t
}

// keep makes sure that what is read from here on can be read again, and reports
// whether it can.
func (t *again) keep() bool {
	if t.seeker != nil || t.kept != nil {
		return true
	}
	f, err := os.CreateTemp(t.folder, "audience-*")
	if err != nil {
		return false
	}
	_ = os.Remove(f.Name()) // where a file in use cannot be removed, close does it
	t.kept, t.keeping = f, true
	return true
}

// alive reads a little further, to know whether somebody is still there; what it
// reads is read again.
func (t *again) alive() error {
	if t.seeker != nil {
		return nil
	}
	if _, err := t.Read(make([]byte, 4096)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// rewind goes back to the beginning.
func (t *again) rewind() error {
	t.at = 0
	if t.seeker == nil {
		return nil
	}
	if _, err := t.seeker.Seek(t.start, io.SeekStart); err != nil {
		return fmt.Errorf("read the file again: %w", err)
	}
	return nil
}

// settle says that it is not gone back any more.
func (t *again) settle() {
	if t.keeping = false; t.at == t.size {
		t.close()
	}
}

func (t *again) close() {
	if t.kept != nil {
		_ = t.kept.Close()
		_ = os.Remove(t.kept.Name()) // as a rule it is not there any more
		t.kept, t.at, t.size = nil, 0, 0
	}
}

func (t *again) Read(p []byte) (int, error) {
	if t.at < t.size {
		n, err := t.kept.ReadAt(p[:min(int64(len(p)), t.size-t.at)], t.at)
		if t.at += int64(n); t.at == t.size && !t.keeping {
			t.close()
		}
		if n > 0 {
			err = nil
		}
		return n, err
	}
	if len(t.over) > 0 {
		n := copy(p, t.over)
		t.over = t.over[n:]
		return n, nil
	}
	n, err := t.in.Read(p)
	if !t.keeping || n == 0 {
		return n, err
	}
	if err := t.write(p[:n]); err != nil {
		t.keeping, t.over = false, append(t.over, p[:n]...)
		return 0, err
	}
	t.size += int64(n)
	t.at = t.size
	return n, err
}

// write keeps p, where there is room for it.
func (t *again) write(p []byte) error {
	n := int64(len(p))
	if t.size+n > t.checked {
		t.checked = t.most
		if t.spare != nil {
			t.checked = min(t.most, t.size+max(0, min(t.spare(t.folder), max(sparedEach, n))))
		}
		if t.size+n > t.checked {
			return errNoRoom
		}
	}
	if _, err := t.kept.WriteAt(p, t.size); err != nil {
		return fmt.Errorf("%w: %w", errNoRoom, err)
	}
	return nil
}
