package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/digest"
	"allclear/store"
	"allclear/subscribers"
	"allclear/templates"
)

// hour reads when digests come to those who chose no hour.
func (s *Digests) hour() (int, error) {
	if s.DigestHour == "" {
		return 9, nil
	}
	h, err := strconv.Atoi(s.DigestHour)
	if err != nil || h < 0 || h > 23 {
		return 0, wrong("DIGEST_HOUR", "%q is no hour of the day; write 0 to 23", s.DigestHour)
	}
	return h, nil
}

// calendar is when digests are due.
func (s *Digests) calendar(c *Clock) (*digest.Calendar, error) {
	hour, err := s.hour()
	if err != nil {
		return nil, err
	}
	zone, err := c.zone()
	if err != nil {
		return nil, err
	}
	return digest.NewCalendar(hour, zone)
}

// openDigests builds what makes digests when they are due.
func (p *Program) openDigests(ctx context.Context) error {
	calendar, err := p.calendar(ctx)
	if err != nil {
		return err
	}
	p.digests = digest.New(digest.Options{Store: p.db, Calendar: calendar, Now: p.db.Now, Log: p.o.log, Made: func(n int) {
		p.metrics.made.WithLabelValues(notifier.LaneDigest.String()).Add(float64(n))
		p.nudgeDoors()
	}})
	return nil
}

// calendar is when digests are due by this process's settings: an hour or a zone
// that it was not given is the one that counts already, where one does.
func (p *Program) calendar(ctx context.Context) (*digest.Calendar, error) {
	s := p.o.settings
	kept, err := p.db.DigestSetting(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := digest.Parse(kept); err == nil {
		hour, zone, _ := strings.Cut(kept, " ")
		s.DigestHour, s.Timezone = cmp.Or(s.DigestHour, hour), cmp.Or(s.Timezone, zone)
	}
	return s.calendar(&s.Clock)
}

// agreeOnDigests makes this process's hour and zone of digests those of every
// process on its database. Of those with different settings the one that was
// started last decides, once, as far as they are set: who restarts one without
// them means to move nobody's digests. A worker decides only where nobody did,
// because nobody thinks of digests who adds one.
func (p *Program) agreeOnDigests(ctx context.Context) error {
	calendar, err := p.calendar(ctx)
	if err != nil {
		return err
	}
	if p.o.worker {
		if set, err := p.db.DigestSetting(ctx); err != nil || set != "" {
			return err
		}
	}
	before, err := p.db.SetDigests(ctx, calendar.Setting())
	if err == nil && before != "" && before != calendar.Setting() {
		p.o.log.Warn("digests were planned by another hour or zone; from now on every process on this database plans by this one's", "before", before, "now", calendar.Setting())
	}
	return err
}

// digestWords is when somebody's digests come.
func digestWords(s subscribers.Subscriber) string {
	out := "at the service's hour"
	if h := s.Hour.String(); h != "" {
		out = "at " + h + ":00"
	}
	switch s.Cadence {
	case subscribers.Weekly:
		out += " on " + s.Weekday.Day().String() + "s"
	case subscribers.Monthly:
		out += " on the first day of the month"
	}
	if s.Critical {
		out += "; what is critical at once"
	}
	if s.AllQuiet {
		out += "; one although there is nothing new"
	}
	return out
}

type digestCmd struct {
	Preview  digestPreviewCmd  `cmd:"" help:"What a follower's next digest would tell."`
	Run      digestRunCmd      `cmd:"" help:"Make the digests that are due, to be sent now."`
	Calendar digestCalendarCmd `cmd:"" help:"When digests come, and to how many."`
}

type digestRunCmd struct {
	At   string `placeholder:"TIME" help:"Those due at this time: now (default), 09:00, \"2026-11-30 09:00 Europe/Oslo\"."`
	JSON bool   `name:"json" help:"Print one JSON object."`
	Base
	Clock
	Digests
}

// Help says what becomes of what was missed.
func (c *digestRunCmd) Help() string {
	return `A running serve or worker does so by itself. Each follower gets one digest of their day, however often this is run; periods that nobody made digests of are made up for by one. A time ahead makes today what would be due then, and uses up the periods until then: each reader's next digest comes after it.`
}

// mostAhead is how far ahead digests can be made: those periods are used up, and a
// year that was mistyped would be silence until then.
const mostAhead = 366 * 24 * time.Hour

func (c *digestRunCmd) Run(a *app) error {
	calendar, err := c.calendar(&c.Clock)
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		at, err := c.at(db.Now(), c.At)
		if err != nil {
			return err
		}
		if at.Sub(db.Now()) > mostAhead {
			return notifier.Invalidf("at", "lies more than a year ahead (%s); nobody would get a digest before then", stamp(at))
		}
		log, err := a.logger(&c.Base)
		if err != nil {
			return err
		}
		made := int64(0)
		m := a.meter("making digests", 0)
		next, err := digest.New(digest.Options{Store: db, Calendar: calendar, Now: db.Now, Log: log}).MakeAt(ctx, at, func(n int) {
			made += int64(n)
			m.set(made)
		})
		m.close()
		if err != nil {
			return err
		}
		if err := db.Audit(ctx, "digest.run", stamp(at), plural(made, "digest")); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a.out, struct {
				At   *time.Time `json:"at"`
				Made int64      `json:"made"`
				Next *time.Time `json:"next_at"`
			}{jsonTime(at), made, jsonTime(next)})
		}
		fmt.Fprintf(a.out, "made %s", plural(made, "digest"))
		if !next.IsZero() {
			fmt.Fprintf(a.out, "; the next are due at %s", stamp(next))
		}
		fmt.Fprintln(a.out)
		return nil
	})
}

// at reads a time of a digest; "" is now.
func (s *Clock) at(now time.Time, text string) (time.Time, error) {
	zone, err := s.zone()
	if err != nil {
		return time.Time{}, err
	}
	at, err := instant("at", text, desk(now, zone))
	if err == nil && at.IsZero() {
		at = now
	}
	return at, err
}

type digestPreviewCmd struct {
	Subscriber string `required:"" placeholder:"ID|ADDRESS" help:"Whose."`
	At         string `placeholder:"TIME" help:"As it would be made at this time (default: now)."`
	HTML       bool   `name:"html" help:"Print the mail's HTML."`
	JSON       bool   `name:"json" help:"Print one JSON object."`
	Base
	Linked
}

func (c *digestPreviewCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		who, err := findSubscriber(ctx, db, c.Subscriber)
		if err != nil {
			return err
		}
		at, err := c.at(db.Now(), c.At)
		if err != nil {
			return err
		}
		set, err := c.noticeSet(db)
		if err != nil {
			return err
		}
		l, told, err := previewDigest(ctx, db, set, who, at)
		if err != nil {
			return err
		}
		if l == nil && !c.JSON {
			fmt.Fprintf(a.out, "%s has missed nothing; there would be no mail\n", who.Address)
			return nil
		}
		if l == nil {
			l = &notifier.Letter{}
		}
		switch {
		case c.JSON:
			return printJSON(a.out, struct {
				Subscriber string              `json:"subscriber"`
				Cadence    subscribers.Cadence `json:"cadence"`
				Incidents  int                 `json:"incidents"`
				Subject    string              `json:"subject"`
				Text       string              `json:"text"`
				HTML       string              `json:"html"`
			}{who.Number.String(), who.Cadence, told, l.Subject, l.Text, l.HTML})
		case c.HTML:
			fmt.Fprintln(a.out, l.HTML)
			return nil
		}
		fmt.Fprintf(a.out, "Subject: %s\n\n%s\n", l.Subject, strings.TrimRight(l.Text, "\n"))
		return nil
	})
}

type digestCalendarCmd struct {
	Days int  `default:"7" placeholder:"N" help:"How many days ahead (default: 7)."`
	JSON bool `name:"json" help:"Print one JSON object a line."`
	Base
	Clock
	Digests
}

// comingRun is one line of the calendar.
type comingRun struct {
	At      time.Time           `json:"at"`
	Local   string              `json:"local"`
	Cadence subscribers.Cadence `json:"cadence"`
	Zone    string              `json:"timezone"`
	Spec    string              `json:"schedule"`
	Readers int64               `json:"readers"`
}

func (c *digestCalendarCmd) Run(a *app) error {
	if c.Days < 1 || c.Days > 400 {
		return notifier.Invalidf("days", "%d is not between 1 and 400", c.Days)
	}
	calendar, err := c.calendar(&c.Clock)
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		runs, err := comingRuns(ctx, db, calendar, c.Days)
		if err != nil {
			return err
		}
		t := newTable("at", "local time", "how often", ">readers", "time zone")
		for _, run := range runs {
			r := comingRun{run.At, localTime(run.At.In(run.Zone)), run.Cadence, run.Zone.String(), run.Schedule, run.Readers}
			if c.JSON {
				if err := json.NewEncoder(a.out).Encode(r); err != nil {
					return err
				}
				continue
			}
			t.add(r.At.UTC().Format("2006-01-02 15:04Z"), r.Local, r.Cadence, count(r.Readers), r.Zone)
		}
		switch {
		case c.JSON:
			return nil
		case len(t.rows) == 0:
			fmt.Fprintf(a.out, "nobody gets a digest within %s\n", plural(int64(c.Days), "day"))
			return nil
		}
		return t.print(a.out)
	})
}

// localTime is a time as its reader's calendar and clock have it.
func localTime(t time.Time) string { return t.Format("Mon 2 Jan 15:04 ") + templates.ZoneName(t) }
