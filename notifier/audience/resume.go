package audience

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"allclear/notifier"
)

// taken is how far a file was read, and by what the same file is known. It is
// kept, as JSON, with the rows that it is behind.
type taken struct {
	How string `json:"how"` // it is read
	// Head is the first batch: most other files are told by it, before much of
	// them is read.
	Head  prefix `json:"head"`
	Whole prefix `json:"whole"` // up to Point
	Point Point  `json:"point"`
	// First of the rejects.
	First *refused `json:"first,omitempty"`
}

// prefix is what a file begins with.
type prefix struct {
	Bytes int64  `json:"bytes"`
	Sum   string `json:"sum"` // SHA-256, in hex
}

// rows is how many rows of the file stand before the Point.
func (t *taken) rows() int64 { return t.Point.Rows + t.Point.Rejected + t.Point.WithoutAddress }

// how spells the options by which a file is another audience.
func (o *Options) how() string {
	text, _ := json.Marshal([]any{o.Map, o.Delimiter, o.Encoding, fmt.Sprint(o.Zone), o.Format, o.Numbers}) // plain values
	return string(text)
}

// earlier is an upload that broke off, until it shows that it was of another file.
type earlier struct {
	left notifier.Left
	taken
	other bool
}

// tries is how often the longest part that is there is looked for: while it is
// read, others may go on with it.
const tries = 10

// resume goes on with what an earlier upload of the same file brought, where
// there is one: the input stands behind it then. Else it stands at its beginning.
func (b *batch) resume(ctx context.Context, in *again, sum hash.Hash) (Point, error) {
	defer in.settle()
	for range tries {
		left, err := b.keeper.LeftAudiences(ctx, b.loading.Notice, b.loading.Replace)
		if err != nil {
			return Point{}, err
		}
		all := ofOptions(left, b.how)
		if len(all) == 0 || !in.keep() {
			break
		}
		same, err := longest(ctx, in, sum, all)
		if errors.Is(err, errNoRoom) {
			break
		}
		if err != nil {
			return Point{}, fmt.Errorf("read what was taken up before: %w", err)
		}
		if same == nil {
			break
		}
		b.upload, err = b.keeper.ResumeAudience(ctx, same.left)
		if err == nil {
			b.head, b.kept, b.behind, b.headed = same.Head, true, same.rows(), same.Point.Rejected > 0
			b.first = same.First
			b.read = same.Point.Rows + same.Point.Rejected
			return same.Point, nil
		}
		if !errors.Is(err, notifier.ErrNotFound) {
			return Point{}, err
		}
		// It came further meanwhile: what is left of a connection that was cut is
		// still being read. Whoever is there now ends that, and goes on behind it.
		if err := in.alive(); errors.Is(err, errNoRoom) {
			break
		} else if err != nil {
			return Point{}, fmt.Errorf("read what was taken up before: %w", err)
		}
		if err := b.keeper.EndAudience(ctx, same.left); err != nil && !errors.Is(err, notifier.ErrNotFound) {
			return Point{}, err
		}
		if err := in.restart(sum); err != nil {
			return Point{}, err
		}
	}
	return Point{}, in.restart(sum)
}

// restart goes back to the beginning, of which nothing is summed.
func (t *again) restart(sum hash.Hash) error {
	sum.Reset()
	return t.rewind()
}

// ofOptions are the uploads that were read as this one is.
func ofOptions(left []notifier.Left, how string) (out []*earlier) {
	for _, l := range left {
		e := &earlier{left: l}
		if err := json.Unmarshal([]byte(l.Taken), &e.taken); err == nil && e.How == how && e.Point.Line > 0 && e.Whole.Bytes == e.Point.Offset {
			out = append(out, e)
		}
	}
	return out
}

// longest reads on until it is known which of the uploads were of this file,
// and goes behind what the one that came farthest brought; nil is none.
func longest(ctx context.Context, in *again, sum hash.Hash, all []*earlier) (same *earlier, err error) {
	type check struct {
		of *earlier
		prefix
		whole bool
	}
	var checks []check
	for _, e := range all {
		checks = append(checks, check{e, e.Head, false}, check{e, e.Whole, true})
	}
	slices.SortStableFunc(checks, func(x, y check) int { return int(x.Bytes - y.Bytes) })
	at := int64(0)
	for _, c := range checks {
		if c.of.other {
			continue
		}
		err := advance(ctx, in, sum, c.Bytes-at)
		if errors.Is(err, io.EOF) { // it is shorter
			break
		}
		if err != nil {
			return nil, err
		}
		at = c.Bytes
		if c.of.other = hex.EncodeToString(sum.Sum(nil)) != c.Sum; !c.of.other && c.whole {
			same = c.of
		}
	}
	if same == nil || same.Whole.Bytes == at {
		return same, nil
	}
	if err := in.restart(sum); err != nil {
		return nil, err
	}
	return same, advance(ctx, in, sum, same.Whole.Bytes)
}

// advance sums the next n bytes; io.EOF where there are fewer.
func advance(ctx context.Context, in io.Reader, sum hash.Hash, n int64) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		read, err := io.CopyN(sum, in, min(n, 4<<20))
		if n -= read; err != nil {
			return err
		}
	}
	return nil
}

// broke reports whether an upload ended by what has nothing to do with its file:
// the same file again may do better.
func broke(err error) bool {
	var bad *notifier.Invalid
	return !errors.As(err, &bad) && !errors.Is(err, notifier.ErrConflict) && !errors.Is(err, notifier.ErrNotFound)
}
