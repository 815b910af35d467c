package audience

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"allclear/notifier"
)

// MemberKeeper keeps who lives on a component. The list that was there before
// stands until FinishMembers, and for good where DropAudience comes in its place.
type MemberKeeper interface {
	BeginMembers(ctx context.Context, key string) (notifier.Upload, error)
	AddMembers(ctx context.Context, u notifier.Upload, addresses []string) error
	FinishMembers(ctx context.Context, u notifier.Upload) (members int64, err error)
	DropAudience(ctx context.Context, u notifier.Upload) error
}

// Members is what came of a list of who lives on a component.
type Members struct {
	Members        int64
	Rejected       int64
	Rejects        []notifier.Reject // the first mostRejects
	WithoutAddress int64
}

const mostRejects = 100

func (m *Members) first() *refused {
	if len(m.Rejects) == 0 {
		return nil
	}
	return &refused{m.Rejects[0].Line, m.Rejects[0].Reason}
}

// LoadMembers reads who lives on a component: a file as Load reads it, of which
// only the addresses count, or nothing but an address on each line. After an
// error the list is what it was.
func LoadMembers(ctx context.Context, k MemberKeeper, in io.Reader, key string, o Options, progress func(rows int64)) (Members, error) {
	in, above := withHeader(in)
	r, err := NewReader(in, o)
	if err != nil {
		return Members{}, err
	}
	u, err := k.BeginMembers(ctx, key)
	if err != nil {
		return Members{}, err
	}
	var out Members
	if err = out.fill(ctx, k, u, r, above, progress); err == nil {
		err = r.nobody(out.first())
	}
	if err == nil {
		out.WithoutAddress = r.Point().WithoutAddress
		if out.Members, err = k.FinishMembers(ctx, u); err == nil {
			return out, nil
		}
	}
	last, done := context.WithTimeout(context.WithoutCancel(ctx), dropTime)
	defer done()
	return Members{}, errors.Join(err, k.DropAudience(last, u))
}

// withHeader puts the header before a list that has none, and tells how many
// lines that are: its first line is an address then.
func withHeader(in io.Reader) (io.Reader, int) {
	buffered := bufio.NewReaderSize(in, 1<<10)
	start, _ := buffered.Peek(512) // an error comes again with the first read
	line, _, _ := bytes.Cut(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), []byte("\n"))
	if !bytes.Contains(line, []byte("@")) || bytes.HasPrefix(bytes.TrimSpace(line), []byte("{")) {
		return buffered, 0
	}
	if bytes.HasPrefix(start, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3) // it is there
	}
	return io.MultiReader(strings.NewReader("email\n"), buffered), 1
}

func (m *Members) fill(ctx context.Context, k MemberKeeper, u notifier.Upload, r *Reader, above int, progress func(rows int64)) error {
	var batch []string
	var read int64
	flush := func() error {
		if len(batch) > 0 {
			if err := k.AddMembers(ctx, u, batch); err != nil {
				return err
			}
		}
		batch = nil
		if progress != nil {
			progress(read)
		}
		return nil
	}
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return flush()
		}
		if err != nil {
			return err
		}
		read++
		if row.Reason != "" {
			m.Rejected++
			if len(m.Rejects) < mostRejects {
				m.Rejects = append(m.Rejects, notifier.Reject{Line: row.Line - above, Reason: row.Reason, Text: row.Text})
			}
			continue
		}
		if batch = append(batch, row.Address); len(batch) >= batchRows {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}
