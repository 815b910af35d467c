package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/store"
)

type noticeCmd struct {
	Create      noticeCreateCmd    `cmd:"" help:"Draft a notice; its id is printed last."`
	Edit        noticeEditCmd      `cmd:"" help:"Change what it says, or what it belongs to, before it is sent."`
	Audience    noticeAudienceCmd  `cmd:"" help:"Say whom it is for, with each one's own data, by a file."`
	Preview     noticePreviewCmd   `cmd:"" help:"Show what one recipient would get."`
	Test        noticeTestCmd      `cmd:"" help:"Mail one recipient's copy to yourself."`
	Preflight   noticePreflightCmd `cmd:"" help:"Show whom it would go to, and what to look at before."`
	Rejects     noticeRejectsCmd   `cmd:"" help:"Give back the rows that could not be used."`
	Send        noticeSendCmd      `cmd:"" help:"Look it over, then let it go out."`
	Approve     noticeApproveCmd   `cmd:"" help:"Override the need of a second person, with a reason."`
	Pause       noticePauseCmd     `cmd:"" help:"Hold it back; within a second nothing more begins."`
	Resume      noticeResumeCmd    `cmd:"" help:"Let it go on."`
	Cancel      noticeCancelCmd    `cmd:"" help:"End it: what had not gone out never will."`
	RetryFailed noticeRetryCmd     `cmd:"" help:"Try again what failed."`
	Status      noticeStatusCmd    `cmd:"" help:"Show how far it is."`
	Report      noticeReportCmd    `cmd:"" help:"What became of it for everyone, as CSV."`
	List        noticeListCmd      `cmd:"" help:"List notices, newest first."`
	Delete      noticeDeleteCmd    `cmd:"" help:"Delete a draft."`
}

type noticeCreateCmd struct {
	Title     string `required:"" placeholder:"TEXT" help:"What it is about. Recipients read it, too: as headline, and behind the template's words in the subject, where --subject is left out."`
	Template  string `required:"" placeholder:"NAME" help:"restore-started, restore-completed, account-affected, mail-bounced or blank."`
	Incident  string `placeholder:"ID" help:"The incident it belongs to."`
	Subject   string `placeholder:"TEXT" help:"May hold {{column}}; default: the template's own, with the title; a subject is the headline, too."`
	Body      string `placeholder:"FILE" help:"Markdown with {{column}}, {{rows}} and {{at \"-20m\"}}; - is standard input."`
	Approvals int    `placeholder:"N" help:"How many other people must agree at least."`
	Audience  string `placeholder:"FILE" help:"Whom it is for, as allclear notice audience reads it: cells are printed as they stand there, but for times and the columns of --numbers."`
	audienceFlags
	Base
	Linked
}

func (c *noticeCreateCmd) Run(a *app) error {
	zone, err := c.zone()
	if err != nil {
		return err
	}
	body, err := a.text("", c.Body)
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		set, err := c.noticeSet(db)
		if err != nil {
			return err
		}
		n, warnings, err := api.DraftNotice(notifier.Notice{
			Title: c.Title, Template: c.Template, Subject: c.Subject, Body: body, IncidentID: c.Incident, Approvals: c.Approvals,
		}, desk(db.Now(), zone), notifier.ActorFrom(ctx), set)
		if err != nil {
			return err
		}
		if err := db.CreateNotice(ctx, n); err != nil {
			return err
		}
		warn(a.err, warnings)
		if c.Audience != "" {
			if info, err := os.Stat(c.Audience); err == nil && info.Size() >= large {
				fmt.Fprintf(a.err, "draft %s; where this breaks off, allclear notice audience %[1]s %s, with the same options, goes on with it\n", n.ID, c.Audience)
			}
			if kept, err := a.loadAudience(ctx, db, n.ID, c.Audience, true, c.audienceFlags, zone); kept {
				return err
			} else if err != nil {
				return errors.Join(err, db.DeleteNotice(context.WithoutCancel(ctx), n.ID)) // nothing half-done is left
			}
		}
		_, err = fmt.Fprintln(a.out, n.ID)
		return err
	})
}

// large is a file that takes some time to read.
const large = 16 << 20 // bytes

type noticeListCmd struct {
	Limit int  `default:"50" placeholder:"N" help:"How many, 1 to 200 (default: 50)."`
	JSON  bool `name:"json" help:"Print a JSON array."`
	Base
	Approving
}

func (c *noticeListCmd) Run(a *app) error {
	if c.Limit < 1 || c.Limit > 200 {
		return &usageError{"--limit must be 1 to 200"}
	}
	above, err := c.above()
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		list, more, err := db.Notices(ctx, "", c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			out := []any{}
			for _, n := range list {
				out = append(out, api.NoticeSummary(n, above))
			}
			return printJSON(a.out, out)
		}
		if len(list) == 0 {
			fmt.Fprintln(a.out, "none; allclear notice create makes one")
			return nil
		}
		t := newTable("id", "created", "state", ">recipients", ">tried", "title")
		for _, n := range list {
			t.add(n.ID, n.CreatedAt.UTC().Format("2006-01-02 15:04Z"), words(string(n.State)), count(n.Recipients), count(n.Tried), n.Title)
		}
		if err := t.print(a.out); err != nil {
			return err
		}
		if more != "" {
			fmt.Fprintln(a.out, "and older ones (--limit shows more)")
		}
		return nil
	})
}

type noticeDeleteCmd struct {
	ID string `arg:"" help:"The notice."`
	Base
}

func (c *noticeDeleteCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if err := db.DeleteNotice(ctx, c.ID); err != nil {
			return noNotice(err, c.ID)
		}
		fmt.Fprintf(a.out, "deleted %s\n", c.ID)
		return nil
	})
}

type noticeStatusCmd struct {
	ID   string `arg:"" help:"The notice."`
	JSON bool   `name:"json" help:"Print what GET /api/v1/notices/ID answers."`
	Base
	Approving
}

func (c *noticeStatusCmd) Run(a *app) error {
	above, err := c.above()
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if c.JSON {
			text, err := api.NoticeJSON(ctx, db, c.ID, above)
			if err != nil {
				return noNotice(err, c.ID)
			}
			_, err = a.out.Write(text)
			return err
		}
		n, err := db.Notice(ctx, c.ID)
		if err != nil {
			return noNotice(err, c.ID)
		}
		kept, err := db.KeptUploads(ctx, c.ID)
		if err != nil {
			return err
		}
		if err := printNotice(a.out, n, above); err != nil {
			return err
		}
		for _, k := range kept {
			fmt.Fprintf(a.out, "%-12s%s of a file that %s, the last %s; the same file again, with the same options, goes on behind them\n", "upload",
				plural(k.Rows, "row"), map[bool]string{true: "is to take its place", false: "is to be added"}[k.Replaces], stamp(k.At))
		}
		return nil
	})
}

// printNotice tells how far a notice is.
func printNotice(w io.Writer, n notifier.Notice, above int64) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s%s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s  %s\n", n.ID, n.Title)
	line("state", "%s", words(string(n.State)))
	if n.Halted != "" {
		line("because", "%s", n.Halted)
	}
	line("template", "%s", n.Template)
	if n.IncidentID != "" {
		line("incident", "%s", n.IncidentID)
	}
	line("audience", "%s", audienceWords(n))
	if !n.CleanedAt.IsZero() {
		line("deleted", "%s, what the file said of people (ALLCLEAR_AUDIENCE_RETENTION)", stamp(n.CleanedAt))
	} else if n.Recipients > 0 && !n.State.Final() {
		line("touched", "%s; ALLCLEAR_AUDIENCE_RETENTION later, or 30 days where that is shorter, it ends, if it stands still", stamp(n.ChangedAt))
	}
	if need := n.Needs(above); need > 0 {
		line("approvals", "%d of %d", len(n.Approved), need)
	}
	for _, x := range n.Approved {
		line("approved", "by %s, %s%s", x.By, stamp(x.At), map[bool]string{true: ": " + x.Reason}[x.Reason != ""])
	}
	line("created", "%s by %s", stamp(n.CreatedAt), n.CreatedBy)
	if !n.OrderedAt.IsZero() {
		line("ordered", "%s by %s", stamp(n.OrderedAt), n.OrderedBy)
	}
	if n.State == notifier.NoticeScheduled {
		line("goes out", "%s", stamp(n.Order.At))
	}
	if n.Order.PerSecond > 0 {
		line("at most", "%s a second", count(int64(n.Order.PerSecond)))
	}
	if !n.BegunAt.IsZero() {
		line("begun", "%s", stamp(n.BegunAt))
		line("tried", "%s of %s", count(n.Tried), count(n.Recipients))
		line("account", "%s", accountWords(n))
	}
	if !n.DoneAt.IsZero() {
		line("over", "%s", stamp(n.DoneAt))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// audienceWords says in a line whom a notice is for.
func audienceWords(n notifier.Notice) string {
	out := plural(n.Recipients, "recipient") + ", " + plural(n.Rows, "row")
	if n.Rejected > 0 {
		out += ", " + count(n.Rejected) + " rejected"
	}
	if n.WithoutAddress > 0 {
		out += ", " + count(n.WithoutAddress) + " without an address"
	}
	if n.CaseTwins > 0 {
		out += fmt.Sprintf(" (%s differ by upper and lower case only)", count(n.CaseTwins))
	}
	return out
}

// accountWords lists the deliveries by state, those there are.
func accountWords(n notifier.Notice) string {
	var parts []string
	for _, s := range notifier.DeliveryStates {
		if c := n.Counts[s]; c > 0 {
			parts = append(parts, count(c)+" "+string(s))
		}
	}
	return all(parts, "nothing yet")
}

type noticeReportCmd struct {
	ID  string `arg:"" help:"The notice."`
	Out string `placeholder:"FILE" help:"Write to this file (readable by its owner only) in place of standard output."`
	Base
	From string `setting:"FROM" group:"settings" placeholder:"ADDRESS" help:"Who mails come from: it is part of every Message-ID."`
}

func (c *noticeReportCmd) Run(a *app) error {
	mail := Mail{From: c.From}
	id := func(string, int64) string { return "" }
	if c.From != "" {
		from, err := mail.sender("")
		if err != nil {
			return err
		}
		id = (&mailRoom{from: from}).messageID
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		n, err := db.Notice(ctx, c.ID)
		if err != nil {
			return noNotice(err, c.ID)
		}
		return a.into(c.Out, func(w io.Writer) error { return api.WriteReport(ctx, db, n, id, w) })
	})
}

type noticeRejectsCmd struct {
	ID     string `arg:"" help:"The notice."`
	Out    string `placeholder:"FILE" help:"Write to this file (readable by its owner only) in place of standard output."`
	Forget bool   `help:"Drop them in place of giving them back: they were mended and added, or are meant for nobody."`
	Base
}

func (c *noticeRejectsCmd) Run(a *app) error {
	if c.Forget && c.Out != "" {
		return &usageError{"--forget and --out exclude each other"}
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if _, err := db.Notice(ctx, c.ID); err != nil {
			return noNotice(err, c.ID)
		}
		if c.Forget {
			n, err := db.DropRejects(ctx, c.ID)
			if err == nil {
				_, err = fmt.Fprintln(a.out, audienceWords(n))
			}
			return err
		}
		return a.into(c.Out, func(w io.Writer) error { return api.WriteRejects(ctx, db, c.ID, w) })
	})
}

// into lets do write to a file that only its owner may read, or to standard output.
func (a *app) into(file string, do func(io.Writer) error) (err error) {
	if file == "" {
		return do(a.out)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return do(f)
}

func noNotice(err error, id string) error {
	return missing(err, "no notice %q; allclear notice list shows them", id)
}
