package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/store"
)

type noticeSendCmd struct {
	ID            string        `arg:"" help:"The notice."`
	Yes           bool          `help:"Ask nothing; accepts warnings and rejects, never a missing approval or recipients who lack something."`
	Expect        *int64        `placeholder:"N" help:"How many recipients you believe it has; refused where it has others."`
	AcceptRejects *int64        `placeholder:"N" help:"How many rejected rows you accept; refused where there are others."`
	AcceptMissing *int64        `placeholder:"N" help:"How many recipients you accept who lack any cell that the mail needs, as preflight counts them; they are sent nothing."`
	At            string        `placeholder:"TIME" help:"When it goes out: 16:11, \"2026-11-23 16:11 Europe/Oslo\"; default: now."`
	PerSecond     int           `placeholder:"N" help:"At most so many a second."`
	Canary        *float64      `placeholder:"PERCENT" help:"The share that goes first; 0 is none; default: 1 of 1,000 recipients or more."`
	HaltAbove     float64       `placeholder:"PERCENT" help:"It halts where more of the canary fails within 5 minutes (default: 5)."`
	CanaryWait    time.Duration `placeholder:"TIME" help:"How long the others wait at least, such as 5m."`
	Wait          bool          `help:"Return once everyone was tried, and tell the account; ends with 1 where somebody failed or bounced by then, beside those of --accept-missing."`
	Base
	Linked
	Mail
	Approving
}

func (c *noticeSendCmd) Run(a *app) error {
	above, err := c.above()
	if err != nil {
		return err
	}
	zone, err := c.zone()
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		n, err := db.Notice(ctx, c.ID)
		if err != nil {
			return noNotice(err, c.ID)
		}
		d := desk(db.Now(), zone)
		order, err := c.order(n, d)
		if err != nil {
			return err
		}
		if !c.Yes {
			missing, err := c.ask(ctx, a, db, n, above)
			if err != nil {
				return err
			}
			if c.AcceptMissing == nil { // the preflight that was agreed to names them
				order.AcceptMissing = missing
			}
		}
		set, err := c.noticeSet(db)
		if err != nil {
			return err
		}
		if err := api.Sendable(ctx, db, n, order, api.NoticeDesk{Letters: set, Needs: needs}); err != nil {
			return flagged(err)
		}
		order.Version = n.Mark()
		if n, err = db.OrderNotice(ctx, n.ID, order, above, api.NoticeEvent(n.ID, d)); err != nil {
			return noNotice(err, c.ID)
		}
		if err := a.ordered(n, above); err != nil || !c.Wait {
			return err
		}
		return a.follow(ctx, db, n)
	})
}

// order is what the flags ask for. What they leave out is taken as it is.
func (c *noticeSendCmd) order(n notifier.Notice, d notifier.Desk) (notifier.NoticeOrder, error) {
	o := notifier.NoticeOrder{Expect: n.Recipients, AcceptRejects: n.Rejected, PerSecond: c.PerSecond, HaltAbove: c.HaltAbove, CanaryWait: c.CanaryWait}
	if c.Expect != nil {
		o.Expect = *c.Expect
	}
	if c.AcceptRejects != nil {
		o.AcceptRejects = *c.AcceptRejects
	}
	if c.AcceptMissing != nil {
		o.AcceptMissing = *c.AcceptMissing
	}
	if c.Canary != nil {
		if o.Canary = *c.Canary; o.Canary <= 0 {
			o.Canary = -1
		}
	}
	var err error
	o.At, err = instant("at", c.At, d)
	return o, err
}

// ask shows the preflight and lets a person decide. It returns how many
// recipients they were told lack something.
func (c *noticeSendCmd) ask(ctx context.Context, a *app, db *store.Store, n notifier.Notice, above int64) (missing int64, err error) {
	p, err := preflight(ctx, db, &c.Linked, n, above, func(ctx context.Context) []notifier.Finding { return a.checkMail(ctx, &c.Base, &c.Mail, c.Name) })
	if err != nil {
		return 0, err
	}
	if err := printPreflight(a.err, n, p); err != nil {
		return 0, err
	}
	if in, ok := a.in.(*os.File); !ok || !a.interactive(a.err) || !a.interactive(in) {
		return 0, notifier.Refuse(notifier.ErrConflict, "nothing is sent without --yes where nobody can be asked")
	}
	fmt.Fprintf(a.err, "send it to %s? type yes: ", plural(n.Recipients, "recipient"))
	said, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(said) != "yes" {
		return 0, notifier.Refuse(notifier.ErrConflict, "nothing is sent")
	}
	return p.Missing, nil
}

// ordered tells what came of an order; one that waits for approval is no success.
func (a *app) ordered(n notifier.Notice, above int64) error {
	switch n.State {
	case notifier.NoticeAwaiting:
		fmt.Fprintf(a.err, "allclear: not sent: notice %s to %s needs the approval of %s (it has %d): POST /api/v1/notices/%s/approve by another person, or an administrator's reason (allclear notice approve %s --reason TEXT)\n",
			n.ID, plural(n.Recipients, "recipient"), plural(int64(n.Needs(above)), "other person"), len(n.Approved), n.ID, n.ID)
		return &failure{exitFailed}
	case notifier.NoticeScheduled:
		fmt.Fprintf(a.out, "notice %s goes out at %s to %s\n", n.ID, stamp(n.Order.At), plural(n.Recipients, "recipient"))
	default:
		fmt.Fprintf(a.out, "notice %s goes out to %s (event %s)\n", n.ID, plural(n.Recipients, "recipient"), n.EventID)
	}
	return nil
}

// followEvery is how often the account is looked at.
const followEvery = 500 * time.Millisecond

// follow waits until everyone was tried, and tells the account.
func (a *app) follow(ctx context.Context, db *store.Store, n notifier.Notice) error {
	m := a.meter("tried", n.Recipients)
	defer m.close()
	for !n.State.Final() && n.State != notifier.NoticeSettling && n.State != notifier.NoticeHalted && n.State != notifier.NoticePaused {
		if !rest(ctx, followEvery) {
			return ctx.Err()
		}
		var err error
		if n, err = db.Notice(ctx, n.ID); err != nil {
			return noNotice(err, n.ID)
		}
		m.set(n.Tried)
	}
	m.close()
	fmt.Fprintf(a.out, "%s: %s of %s tried: %s\n", words(string(n.State)), count(n.Tried), count(n.Recipients), accountWords(n))
	switch n.State {
	case notifier.NoticeHalted:
		return notifier.Refuse(notifier.ErrConflict, "it halted: %s", n.Halted)
	case notifier.NoticePaused, notifier.NoticeCancelled:
		return notifier.Refuse(notifier.ErrConflict, "it was %s before everyone was tried", n.State)
	}
	var never int64
	if n.Order.AcceptMissing > 0 {
		var err error
		if never, err = db.NeverWritten(ctx, n.ID); err != nil {
			return err
		}
	}
	return unreached(n, never)
}

// unreached is an error where recipients failed beside those who were accepted
// to be sent nothing and for whom so many mails were never written: others who
// were accepted may be suppressed or erased, and did not fail. Nor did who is
// tried again.
func unreached(n notifier.Notice, never int64) error {
	failed := n.Counts[notifier.Failed] + n.Counts[notifier.Bounced] + n.Counts[notifier.Expired] - never
	if failed <= 0 {
		return nil
	}
	who := plural(failed, "recipient") + " failed or bounced"
	if n.Order.AcceptMissing > 0 {
		who += ", beside those who lack what the mail needs"
	}
	return notifier.Refuse(notifier.ErrConflict, "%s: allclear notice report %s says why, allclear notice retry-failed %s tries again", who, n.ID, n.ID)
}

type noticeApproveCmd struct {
	ID     string `arg:"" help:"The notice."`
	Reason string `placeholder:"TEXT" help:"Why no second person could be asked; it is written into the audit."`
	Base
	Approving
}

func (c *noticeApproveCmd) Run(a *app) error {
	above, err := c.above()
	if err != nil {
		return err
	}
	if strings.TrimSpace(c.Reason) == "" {
		return notifier.Refuse(notifier.ErrConflict, "whoever works on this machine is never the second person; another one approves by POST /api/v1/notices/%s/approve, or say with --reason why nobody can", c.ID)
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		n, err := db.ApproveNotice(ctx, c.ID, notifier.ActorFrom(ctx), strings.TrimSpace(c.Reason), "", above)
		if err != nil {
			return noNotice(err, c.ID)
		}
		fmt.Fprintf(a.out, "approved by %s: %s; notice %s is %s\n", notifier.ActorFrom(ctx).Name, strings.TrimSpace(c.Reason), n.ID, words(string(n.State)))
		return nil
	})
}

// noticeStep is a command that needs no more than the notice's id.
type noticeStep struct {
	ID string `arg:"" help:"The notice."`
	Base
}

func (c *noticeStep) do(a *app, step func(*store.Store, context.Context, string) error) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if err := step(db, ctx, c.ID); err != nil {
			return noNotice(err, c.ID)
		}
		n, err := db.Notice(ctx, c.ID)
		if err != nil {
			return noNotice(err, c.ID)
		}
		if n.State == notifier.NoticeCancelled {
			fmt.Fprintf(a.out, "notice %s is cancelled: %s\n", n.ID, endWords(n))
			return nil
		}
		fmt.Fprintf(a.out, "notice %s is %s: %s of %s tried\n", n.ID, words(string(n.State)), count(n.Tried), count(n.Recipients))
		return nil
	})
}

// endWords says what became of a notice that was cancelled.
func endWords(n notifier.Notice) string {
	out := fmt.Sprintf("%s were sent, %s cancelled", count(n.Counts[notifier.Sent]), count(n.Counts[notifier.Cancelled]))
	for _, s := range notifier.DeliveryStates {
		if c := n.Counts[s]; c > 0 && s != notifier.Sent && s != notifier.Cancelled {
			out += ", " + count(c) + " " + string(s)
		}
	}
	return out
}

type noticePauseCmd struct{ noticeStep }

func (c *noticePauseCmd) Run(a *app) error { return c.do(a, (*store.Store).PauseNotice) }

type noticeResumeCmd struct{ noticeStep }

func (c *noticeResumeCmd) Run(a *app) error { return c.do(a, (*store.Store).ResumeNotice) }

type noticeCancelCmd struct{ noticeStep }

func (c *noticeCancelCmd) Run(a *app) error { return c.do(a, (*store.Store).CancelNotice) }

type noticeRetryCmd struct{ noticeStep }

func (c *noticeRetryCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		n, err := db.RetryFailedNotice(ctx, c.ID)
		if err != nil {
			return noNotice(err, c.ID)
		}
		fmt.Fprintf(a.out, "failed deliveries that are tried again: %s\n", count(int64(n)))
		return nil
	})
}
