package api

import (
	"bufio"
	"context"
	"io"

	"allclear/notifier"
)

// proofPage is how many rows of a notice's files are read at once.
const proofPage = 1000

// rejectBook is what of the store rejects are written from.
type rejectBook interface {
	Rejects(ctx context.Context, notice string, after int64, limit int) ([]notifier.Reject, int64, error)
}

// WriteRejects writes the rows that could not be used as they stood in the
// file, behind the file's own header, in UTF-8. Where a later file had another
// header that stands before its rows. Rows that named somebody who was erased
// are left out.
func WriteRejects(ctx context.Context, book rejectBook, notice string, to io.Writer) error {
	out, header, after := bufio.NewWriterSize(to, 32<<10), "", int64(0)
	for {
		page, next, err := book.Rejects(ctx, notice, after, proofPage)
		if err != nil {
			return err
		}
		for _, r := range page {
			if r.Header != "" && r.Header != header {
				header = r.Header
				_, _ = out.WriteString(header) // kept and told by Flush
			}
			if r.Text == "" {
				continue
			}
			if _, err := out.WriteString(r.Text + "\n"); err != nil {
				return err
			}
		}
		if len(page) == 0 || next == after || next == 0 {
			return out.Flush()
		}
		after = next
	}
}
