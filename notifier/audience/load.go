package audience

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"allclear/notifier"
)

// Keeper keeps what a file says of whom. What was there before stands until
// FinishAudience, and for good where DropAudience comes in its place.
type Keeper interface {
	BeginAudience(ctx context.Context, notice string, replace bool) (edition int64, err error)
	AddToAudience(ctx context.Context, edition int64, rows []notifier.AudienceRow, rejects []notifier.Reject) error
	FinishAudience(ctx context.Context, edition int64, withoutAddress int64, sum [32]byte) (notifier.Notice, error)
	DropAudience(ctx context.Context, edition int64) error
}

// Loading says whose audience a file is.
type Loading struct {
	Notice  string // its id
	Replace bool   // the file takes the place of what is there; else it joins it
	Options Options
	// Progress is told how many rows were read, once in a while; nil is nobody.
	Progress func(rows int64)
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
// where the file is at fault, and wraps in's where that cannot be read.
func Load(ctx context.Context, k Keeper, in io.Reader, l Loading) (notifier.Notice, error) {
	sum := sha256.New()
	r, err := NewReader(io.TeeReader(in, sum), l.Options)
	if err != nil {
		return notifier.Notice{}, err
	}
	edition, err := k.BeginAudience(ctx, l.Notice, l.Replace)
	if err != nil {
		return notifier.Notice{}, err
	}
	b := batch{keeper: k, edition: edition, loading: l}
	if err = b.fill(ctx, r); err == nil {
		how, _ := json.Marshal([]any{l.Options.Map, l.Options.Delimiter, l.Options.Encoding, fmt.Sprint(l.Options.Zone), l.Options.Format}) // plain values
		sum.Write(how)
		var n notifier.Notice
		n, err = k.FinishAudience(ctx, edition, r.Point().WithoutAddress, [32]byte(sum.Sum(nil)))
		if err == nil {
			return n, nil
		}
	}
	// Whoever sent the file may be gone, and its context with it.
	last, done := context.WithTimeout(context.WithoutCancel(ctx), dropTime)
	defer done()
	return notifier.Notice{}, errors.Join(err, k.DropAudience(last, edition))
}

// batch is what was read and not yet kept.
type batch struct {
	keeper  Keeper
	edition int64
	loading Loading
	headed  bool

	rows    []notifier.AudienceRow
	rejects []notifier.Reject
	bytes   int
	read    int64
}

func (b *batch) fill(ctx context.Context, r *Reader) error {
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return b.flush(ctx)
		}
		if err != nil {
			return err
		}
		b.read++
		b.add(row, r)
		if len(b.rows)+len(b.rejects) >= batchRows || b.bytes >= batchBytes {
			if err := b.flush(ctx); err != nil {
				return err
			}
		}
	}
}

func (b *batch) add(row Row, r *Reader) {
	if row.Reason != "" {
		bad := notifier.Reject{Line: row.Line, Reason: row.Reason, Text: row.Text}
		if !b.headed {
			bad.Header, b.headed = headLine(r.Point()), true
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

func (b *batch) flush(ctx context.Context) error {
	if len(b.rows)+len(b.rejects) > 0 {
		if err := b.keeper.AddToAudience(ctx, b.edition, b.rows, b.rejects); err != nil {
			return err
		}
	}
	// The Keeper may hold on to what it was given.
	b.rows, b.rejects, b.bytes = nil, nil, 0
	if b.loading.Progress != nil {
		b.loading.Progress(b.read)
	}
	return nil
}
