package audience

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"allclear/notifier"
)

// Keeper keeps what a file says of whom. What was there before stands until
// FinishAudience, and for good where DropAudience comes in its place.
type Keeper interface {
	BeginAudience(ctx context.Context, notice string, replace bool) (notifier.Upload, error)
	// TakeUp keeps rows, and how far the file was read behind them, or neither;
	// "" is where nobody can go on.
	TakeUp(ctx context.Context, u notifier.Upload, rows []notifier.AudienceRow, rejects []notifier.Reject, taken string) error
	FinishAudience(ctx context.Context, u notifier.Upload, withoutAddress int64, sum [32]byte) (notifier.Notice, error)
	DropAudience(ctx context.Context, u notifier.Upload) error
	Resumer
}

// Resumer keeps for a while what uploads brought that broke off.
type Resumer interface {
	// LeftAudiences are those that an upload which begins now could go on with.
	LeftAudiences(ctx context.Context, notice string, replace bool) ([]notifier.Left, error)
	// ResumeAudience goes on with one; notifier.ErrNotFound where it is not as
	// it was any more.
	ResumeAudience(ctx context.Context, left notifier.Left) (notifier.Upload, error)
	// EndAudience keeps whoever goes on with one from bringing more of it;
	// notifier.ErrNotFound where it is over.
	EndAudience(ctx context.Context, left notifier.Left) error
}

// Loading says whose audience a file is.
type Loading struct {
	Notice  string // its id
	Replace bool   // the file takes the place of what is there; else it joins it
	Options Options
	// Folder keeps the beginning of a file that cannot be read twice, while it
	// is compared with what an earlier upload brought; "" is the system's.
	Folder string
	// Spare is how many bytes it may write there, or no more of them; nil is as
	// many as there is room for.
	Spare func(folder string) int64
	// Resumed is told how many rows of the file an earlier upload brought, where
	// it is gone on behind them; nil is nobody.
	Resumed func(rows int64)
	// Kept is told, where reading broke off, how many rows of the file are kept
	// that it can be gone on with behind; nil is nobody.
	Kept func(rows int64)
	// Progress is told how many rows were read, once in a while; nil is nobody.
	Progress func(rows int64)

	batchRows int   // tests bring fewer
	mostKept  int64 // tests keep less
}

// How much goes to the Keeper at once: so many rows, or so many bytes of them,
// so that memory does not grow with the file.
const (
	batchRows  = 1000
	batchBytes = 1 << 20
)

// dropTime is how long a load that broke off may take to clean up behind it.
const dropTime = 10 * time.Second

// Load reads a file to its end and gives its rows to k, in batches. After an
// error what was there before is still there. The error is a *notifier.Invalid
// where the file is at fault, and wraps in's where that cannot be read: what was
// taken up of it by then is kept, and the same file again is gone on with
// behind that.
func Load(ctx context.Context, k Keeper, in io.Reader, l Loading) (notifier.Notice, error) {
	input, sum := readAgain(in, l), sha256.New()
	defer input.close()
	b := batch{keeper: k, loading: l, how: l.Options.how()}
	from, err := b.resume(ctx, input, sum)
	if err != nil {
		return notifier.Notice{}, err
	}
	l.Options.From, l.Options.Sum = from, sum
	r, err := NewReader(input, l.Options)
	if err != nil {
		return notifier.Notice{}, err
	}
	if !b.kept {
		if b.upload, err = k.BeginAudience(ctx, l.Notice, l.Replace); err != nil {
			return notifier.Notice{}, err
		}
	} else {
		b.goesOn()
	}
	if err = b.fill(ctx, r, sum); err == nil {
		err = r.nobody(b.first)
	}
	if err == nil {
		sum.Write([]byte(b.how))
		var n notifier.Notice
		n, err = k.FinishAudience(ctx, b.upload, r.Point().WithoutAddress, [32]byte(sum.Sum(nil)))
		if err == nil {
			return n, nil
		}
	}
	if b.kept && broke(err) {
		if l.Kept != nil {
			l.Kept(b.behind)
		}
		return notifier.Notice{}, err
	}
	// Whoever sent the file may be gone, and its context with it.
	last, done := context.WithTimeout(context.WithoutCancel(ctx), dropTime)
	defer done()
	dropped := k.DropAudience(last, b.upload)
	if errors.Is(dropped, notifier.ErrConflict) || errors.Is(dropped, notifier.ErrNotFound) { // it is not ours any more
		dropped = nil
	}
	return notifier.Notice{}, errors.Join(err, dropped)
}

// batch is what was read and not yet kept.
type batch struct {
	keeper  Keeper
	upload  notifier.Upload
	loading Loading
	how     string
	head    prefix
	kept    bool  // something of the file is, and can be gone on with
	behind  int64 // so many rows
	headed  bool
	first   *refused // of the rejects; nil is none

	rows    []notifier.AudienceRow
	rejects []notifier.Reject
	bytes   int
	read    int64
}

// goesOn tells that rows are there already.
func (b *batch) goesOn() {
	if b.loading.Resumed != nil {
		b.loading.Resumed(b.behind)
	}
	if b.loading.Progress != nil {
		b.loading.Progress(b.read)
	}
}

func (b *batch) fill(ctx context.Context, r *Reader, sum hash.Hash) error {
	most := b.loading.batchRows
	if most == 0 {
		most = batchRows
	}
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return b.flush(ctx, r, sum)
		}
		if err != nil {
			return err
		}
		b.read++
		b.add(row, r)
		if len(b.rows)+len(b.rejects) >= most || b.bytes >= batchBytes {
			if err := b.flush(ctx, r, sum); err != nil {
				return err
			}
		}
	}
}

func (b *batch) add(row Row, r *Reader) {
	if row.Reason != "" {
		if b.first == nil {
			b.first = &refused{row.Line, row.Reason}
		}
		bad := notifier.Reject{Line: row.Line, Reason: row.Reason, Text: row.Text}
		if !b.headed {
			bad.Header, bad.Encoding, b.headed = headLine(r.Point()), r.Point().Encoding, true
		}
		b.rejects = append(b.rejects, bad)
		b.bytes += len(row.Text) + len(row.Reason)
		return
	}
	b.rows = append(b.rows, notifier.AudienceRow{
		Line: row.Line, Channel: row.Channel, Address: row.Address, Language: row.Language, Timezone: row.Timezone, Account: row.Account, Fields: row.Fields,
	})
	for _, f := range row.Fields {
		b.bytes += len(f.Name) + len(f.Text)
	}
}

// headLine is the first line of a CSV file, with its line end, as the first of
// its rejects keeps it: without it nobody could send the mended rows.
func headLine(p Point) string {
	if len(p.Header) == 0 {
		return ""
	}
	var line strings.Builder
	w := csv.NewWriter(&line)
	if p.Delimiter != "" {
		w.Comma, _ = utf8.DecodeRuneInString(p.Delimiter)
	}
	_ = w.Write(p.Header) // to memory
	w.Flush()
	return line.String()
}

func (b *batch) flush(ctx context.Context, r *Reader, sum hash.Hash) error {
	if len(b.rows)+len(b.rejects) > 0 {
		far, text, err := b.far(r, sum)
		if err != nil {
			return err
		}
		if err := b.keeper.TakeUp(ctx, b.upload, b.rows, b.rejects, text); err != nil {
			return err
		}
		b.kept, b.head, b.behind = text != "", far.Head, far.rows()
	}
	// The Keeper may hold on to what it was given.
	b.rows, b.rejects, b.bytes = nil, nil, 0
	if b.loading.Progress != nil {
		b.loading.Progress(b.read)
	}
	return nil
}

// far is how far the file was read; "" is where nobody could go on: behind what
// might be read otherwise where another file goes on otherwise.
func (b *batch) far(r *Reader, sum hash.Hash) (far taken, text string, err error) {
	far = taken{How: b.how, Head: b.head, First: b.first, Whole: prefix{r.Point().Offset, hex.EncodeToString(sum.Sum(nil))}, Point: r.Point()}
	if !r.Settled() {
		return far, "", nil
	}
	if b.head.Bytes == 0 {
		far.Head = far.Whole
	}
	written, err := json.Marshal(far)
	if err != nil {
		return far, "", fmt.Errorf("tell how far the file was read: %w", err)
	}
	return far, string(written), nil
}
