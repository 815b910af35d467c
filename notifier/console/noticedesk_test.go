package console_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/templates"
)

// keeper keeps audiences.
type keeper interface {
	Recipient(ctx context.Context, notice string, place int64) (notifier.Recipient, error)
	BeginAudience(ctx context.Context, notice string, replace bool) (notifier.Upload, error)
	AddToAudience(ctx context.Context, u notifier.Upload, rows []notifier.AudienceRow, rejects []notifier.Reject) error
	FinishAudience(ctx context.Context, u notifier.Upload, withoutAddress int64, sum [32]byte) (notifier.Notice, error)
}

// notices are what the program gives the console for notices, as far as tests
// need it: files are lines of an address and a subject.
func (b *bench) notices(s keeper, set *templates.Set) console.NoticeDesk {
	look := func(ctx context.Context, n notifier.Notice, at console.Looking) (console.Copy, error) {
		r, err := s.Recipient(ctx, n.ID, 1)
		if err != nil {
			return console.Copy{}, err
		}
		mail, err := set.Notice(n, r)
		return console.Copy{To: r, Mail: mail, SMS: &notifier.Letter{Text: strings.Join([]string{at.Which, at.Language, at.Timezone}, " ")}}, err
	}
	return console.NoticeDesk{
		Draft: func(n notifier.Notice, by notifier.Actor) (notifier.Notice, []string, error) {
			b.ids++
			n.ID, n.State, n.CreatedAt, n.CreatedBy = fmt.Sprintf("n%06d", b.ids), notifier.NoticeDraft, b.Now(), by.Name
			return n, nil, n.Check()
		},
		Event: func(id string) notifier.Event {
			return notifier.Event{ID: "e" + id, Type: notifier.NoticeSent, Lane: notifier.LaneBulk, NoticeID: id, AcceptedAt: b.Now(), ExpiresAt: b.Now().Add(time.Hour)}
		},
		Load: func(ctx context.Context, id string, replace bool, in io.Reader, query, kind string) (n notifier.Notice, resumed int64, err error) {
			if strings.HasPrefix(query, "exclude_notice=") && strings.HasSuffix(query, "&members=imap7") {
				upload, err := s.BeginAudience(ctx, id, replace)
				if err != nil {
					return n, 0, err
				}
				row := notifier.AudienceRow{Line: 1, Channel: notifier.Email, Address: "lives@example.com", Fields: []notifier.Field{{Name: "subject", Text: "x"}}}
				if err := s.AddToAudience(ctx, upload, []notifier.AudienceRow{row}, nil); err != nil {
					return n, 0, err
				}
				n, err = s.FinishAudience(ctx, upload, 0, [32]byte{})
				return n, 0, err
			}
			if query != "" || kind != "text/csv" {
				return n, 0, notifier.Invalidf("map", "is %s of %s", query, kind)
			}
			upload, err := s.BeginAudience(ctx, id, replace)
			if err != nil {
				return n, 0, err
			}
			var rows []notifier.AudienceRow
			var rejects []notifier.Reject
			sum, text := sha256.New(), bufio.NewScanner(in)
			for line := 1; text.Scan(); line++ {
				sum.Write(text.Bytes())
				address, subject, ok := strings.Cut(text.Text(), ",")
				if !ok {
					rejects = append(rejects, notifier.Reject{Line: line, Reason: "no subject", Text: text.Text()})
					continue
				}
				if subject == "gone on with" {
					resumed = int64(line)
				}
				rows = append(rows, notifier.AudienceRow{Line: line, Channel: notifier.Email, Address: address, Fields: []notifier.Field{{Name: "subject", Text: subject}}})
			}
			if err := text.Err(); err != nil {
				return n, 0, err
			}
			if err := s.AddToAudience(ctx, upload, rows, rejects); err != nil {
				return n, 0, err
			}
			n, err = s.FinishAudience(ctx, upload, 0, [32]byte(sum.Sum(nil)))
			return n, resumed, err
		},
		Look: look,
		Test: func(ctx context.Context, n notifier.Notice, which, to string) (string, error) {
			if to == "later@example.com" {
				return "", notifier.Refuse(notifier.ErrUnavailable, "not sent: the relay rests")
			}
			c, err := look(ctx, n, console.Looking{Which: which})
			if err != nil {
				return "", err
			}
			return "250 for " + to + ": " + c.Mail.Subject, nil
		},
		Flight: func(context.Context, notifier.Notice) (console.Flight, error) {
			return console.Flight{Warnings: []string{"the relay rests"}, Checks: []notifier.Finding{{About: "SPF", OK: true, Text: "has one record"}, {About: "DMARC", Text: "has none"}}, Takes: 90 * time.Second, Guessed: true}, nil
		},
		Report: func(_ context.Context, n notifier.Notice, w io.Writer) error {
			_, err := fmt.Fprintf(w, "report of %s\n", n.ID)
			return err
		},
		Rejects: func(_ context.Context, id string, w io.Writer) error {
			_, err := fmt.Fprintf(w, "rejects of %s\n", id)
			return err
		},
		Columns: templates.NoticeColumns,
		Above:   2,
	}
}
