package api

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strconv"
	"time"

	"allclear/notifier"
)

// reportBook is what of the store a report is written from.
type reportBook interface {
	NoticeReport(ctx context.Context, notice string, after int64, limit int) ([]notifier.Reported, error)
}

var reportColumns = []string{"address", "channel", "account", "outcome", "time", "attempts", "reply", "relay", "remote_id", "message_id", "delivery"}

// WriteReport writes what became of a notice for every recipient. A cell that a
// spreadsheet would run as a formula has an apostrophe before it.
func WriteReport(ctx context.Context, book reportBook, n notifier.Notice, messageID func(event string, reader int64) string, to io.Writer) error {
	out, after := csv.NewWriter(to), int64(0)
	for begun := false; ; begun = true {
		page, err := book.NoticeReport(ctx, n.ID, after, proofPage)
		if err != nil {
			return err
		}
		if !begun {
			_ = out.Write(reportColumns) // kept and told by Error
		}
		for _, r := range page {
			_ = out.Write(reportRow(n, r, messageID))
			after = r.Place
		}
		out.Flush()
		if err := out.Error(); err != nil {
			return errors.Join(err, ctx.Err())
		}
		if len(page) < proofPage {
			return nil
		}
	}
}

func reportRow(n notifier.Notice, r notifier.Reported, messageID func(event string, reader int64) string) []string {
	at, attempts, message, delivery := r.SentAt, "", "", ""
	if at.IsZero() {
		at = r.TriedAt
	}
	if r.Delivery != 0 {
		attempts, delivery = strconv.Itoa(r.Attempts), r.Delivery.String()
		if message = delivery; r.Channel == notifier.Email { // a webhook's id is the delivery's
			message = messageID(n.EventID, r.Delivery.Reader())
		}
	}
	outcome := string(r.State)
	if !n.State.Begun() {
		outcome = "not sent"
	}
	row := []string{r.Address, string(r.Channel), r.Account, outcome, when(at), attempts, r.Reply, r.Relay, r.Remote, message, delivery}
	for i, cell := range row {
		row[i] = notifier.SafeCell(cell)
	}
	return row
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
