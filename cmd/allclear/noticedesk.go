package main

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/notifier/audience"
	"allclear/store"
	"allclear/subscribers"
)

// Approving says when a notice needs a second person.
type Approving struct {
	ApprovalAbove string `setting:"APPROVAL_ABOVE" group:"settings" default:"1000" placeholder:"N" help:"A notice to more recipients than this needs the approval of a second person."`
}

// above reads the setting.
func (s *Approving) above() (int64, error) {
	if s.ApprovalAbove == "" {
		return 1000, nil // settings that no command line filled in
	}
	n, err := strconv.ParseInt(s.ApprovalAbove, 10, 64)
	if err != nil || n < 0 {
		return 0, wrong("APPROVAL_ABOVE", "%q is no number of recipients; write 1000, or 0 to have every notice approved", s.ApprovalAbove)
	}
	return n, nil
}

// audienceFiles reads files of who is meant into the store.
type audienceFiles struct {
	db       *store.Store
	zone     *time.Location   // of times without an offset, where the query names none
	progress func(rows int64) // nil is nobody
}

// LoadAudience is part of api.Audiences.
func (f audienceFiles) LoadAudience(ctx context.Context, notice string, replace bool, in io.Reader, query, contentType string) (notifier.Notice, error) {
	query, exclude, err := cutParameter(query, "exclude_notice")
	if err != nil {
		return notifier.Notice{}, err
	}
	o, err := audience.ParseOptions(query, contentType)
	if err != nil {
		return notifier.Notice{}, err
	}
	if o.Zone == nil {
		o.Zone = f.zone
	}
	o.Check = recipientAddress
	l := audience.Loading{Notice: notice, Replace: replace, Options: o, Progress: f.progress}
	if exclude != "" {
		if _, err := f.db.Notice(ctx, exclude); err != nil {
			if errors.Is(err, notifier.ErrNotFound) {
				err = notifier.Invalidf("exclude_notice", "there is no notice %q", notifier.Clip(exclude))
			}
			return notifier.Notice{}, err
		}
		l.SkipName = exclude
		l.Skip = func(ctx context.Context, ch notifier.Channel, address string) (bool, error) {
			_, err := f.db.RecipientByAddress(ctx, exclude, ch, address)
			if errors.Is(err, notifier.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		}
	}
	got, err := audience.Load(ctx, f.db, in, l)
	return got.Notice, err
}

// recipientAddress checks whom a notice may go to. An endpoint is none: it has
// no data of its own, and nobody who reads it.
func recipientAddress(ch notifier.Channel, s string) (string, error) {
	if ch == notifier.Webhook {
		return "", notifier.Invalidf("channel", "a notice goes by email or sms, not to a webhook")
	}
	return subscribers.ParseOn(ch, s)
}

// cutParameter takes one parameter out of a raw query, which is left as it was
// otherwise: delimiter=; survives no parsing.
func cutParameter(query, name string) (rest, value string, err error) {
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		key, v, _ := strings.Cut(pair, "=")
		if key != name {
			kept = append(kept, pair)
			continue
		}
		if value, err = url.QueryUnescape(v); err != nil {
			return "", "", notifier.Invalidf(name, "%q cannot be read", notifier.Clip(v))
		}
	}
	return strings.Join(kept, "&"), value, nil
}

// noticeDesk is what the API's notices need of the program.
func (p *Program) noticeDesk() (api.NoticeDesk, error) {
	above, err := p.o.settings.above()
	if err != nil {
		return api.NoticeDesk{}, err
	}
	zone, err := p.o.settings.zone()
	if err != nil {
		return api.NoticeDesk{}, err
	}
	return api.NoticeDesk{
		Audiences: audienceFiles{db: p.db, zone: zone}, Above: above,
	}, nil
}
