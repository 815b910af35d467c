package main

import (
	"context"

	"allclear/notifier/email/mailbox"
)

// inspection checks the signatures of caught mails as they come, so that the
// mailbox need not keep them all.
type inspection struct {
	box               *mailbox.Mailbox // nil where the mails go elsewhere
	want              int64            // signatures on each mail
	seen              int64            // number of the last mail that was looked at
	pass, fail, mails int64
	done              chan struct{} // closed when nobody looks any more
	cancel            context.CancelFunc
}

func newInspection(ctx context.Context, m *mailRoom) *inspection {
	ctx, cancel := context.WithCancel(ctx)
	i := &inspection{box: m.box, want: int64(len(m.keys)), done: make(chan struct{}), cancel: cancel}
	if i.box == nil {
		close(i.done)
		return i
	}
	go func() {
		defer close(i.done)
		for i.box.Wait(ctx, i.seen+1) == nil && i.round(ctx) == nil {
		}
	}()
	return i
}

// round looks at every mail that is new.
func (i *inspection) round(ctx context.Context) error {
	return i.box.Walk(func(m mailbox.Mail) error {
		if m.Number > i.seen {
			i.look(m)
			i.seen = m.Number
		}
		return ctx.Err()
	})
}

// look counts a mail's signatures. One that lacks counts as one that fails.
func (i *inspection) look(m mailbox.Mail) {
	i.mails++
	var good, bad int64
	for _, s := range i.box.Verify(m) {
		if s.Err == nil {
			good++
		} else {
			bad++
		}
	}
	i.pass += good
	i.fail += bad + max(i.want-good-bad, 0)
}

// finish looks at the rest, once all of the mails that were sent are there.
func (i *inspection) finish(ctx context.Context, sent int64) error {
	defer i.stop()
	if i.box == nil {
		return nil
	}
	if err := i.box.Wait(ctx, sent); err != nil {
		return err
	}
	i.stop()
	return i.round(ctx)
}

// stop ends the looking and waits for its end.
func (i *inspection) stop() {
	i.cancel()
	<-i.done
}
