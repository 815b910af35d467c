package console

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// DigestDesk looks ahead at digests.
type DigestDesk struct {
	// Coming are the runs of so many days ahead, soonest first.
	Coming func(ctx context.Context, days int) ([]ComingRun, error)
	// Preview is what a subscriber's digest would be were it made then, as a
	// letter whose links lead nowhere; nil where they have missed nothing.
	Preview func(ctx context.Context, who subscribers.Subscriber, at time.Time) (*notifier.Letter, error)
}

// ComingRun is when the digests of one schedule are due.
type ComingRun struct {
	At       time.Time
	Cadence  subscribers.Cadence
	Zone     *time.Location
	Schedule string // as cron has it
	Readers  int64
}

// Local is the date and the time that the readers' clocks show.
func (r ComingRun) Local() string {
	at := r.At.In(r.Zone)
	return at.Format("Mon 2 Jan 2006, 15:04 ") + templates.ZoneName(at)
}

type digestsPage struct {
	Runs []ComingRun
	Days int
	Span []int
	All  int64 // readers of all runs
}

// mostDays is how far ahead the calendar looks.
const mostDays = 400

func (c *console) digests(q *request) (answer, error) {
	p := digestsPage{Days: 7, Span: []int{1, 7, 31, 92}}
	if given := q.URL.Query().Get("days"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 || n > mostDays {
			return answer{}, notifier.Invalidf("days", "%q is not between 1 and %d", notifier.Clip(given), mostDays)
		}
		p.Days = n
	}
	var err error
	if p.Runs, err = c.o.Digests.Coming(q.Context(), p.Days); err != nil {
		return answer{}, err
	}
	for _, r := range p.Runs {
		p.All += r.Readers
	}
	return answer{page: "digests", title: "Digests", data: p}, nil
}

type digestPage struct {
	Who     subscribers.Subscriber
	At      string // as it was asked for
	Then    time.Time
	Wrong   string
	Preview *preview // nil: nothing was missed
}

// digest shows what a subscriber's digest would tell at a time.
func (c *console) digest(q *request) (answer, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	p := digestPage{At: cmp.Or(q.URL.Query().Get("at"), "now")}
	if p.Who, err = c.o.Store.Subscriber(q.Context(), n); err != nil {
		return answer{}, err
	}
	said := answer{page: "digest", title: "Digest"}
	if p.Then, err = c.instant("at", p.At); err != nil {
		wrong := wrongOf(err)
		if wrong == nil {
			return answer{}, err
		}
		p.Wrong = wrong["at"]
		said.status, said.data = http.StatusUnprocessableEntity, p
		return said, nil
	}
	l, err := c.o.Digests.Preview(q.Context(), p.Who, p.Then)
	if err != nil {
		return answer{}, err
	}
	if l != nil {
		p.Preview = &preview{Subject: l.Subject, HTML: l.HTML, Text: l.Text}
		said.styles = styleSources(l.HTML)
	}
	said.data = p
	return said, nil
}
