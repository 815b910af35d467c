package notifier

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HeldUpdate is an update that waits for a notice. Until then it is not the
// incident's: nobody sees or counts it but the staff.
type HeldUpdate struct {
	ID          string // that the update will have
	IncidentID  string
	After       AfterNotice
	Saying      Saying // with its times resolved, but for {{at "now"}}, which is when it is published
	CreatedAt   time.Time
	CreatedBy   string
	PublishedAt time.Time   // zero while it is held
	Trouble     string      // why it could not be published when its moment came; else ""
	Notice      NoticeState // where the notice stands; cancelled means that it is held for good
}

var (
	figure = regexp.MustCompile(`\{\{\s*notice\.([A-Za-z_]*)\s*\}\}`)
	// figures are what an update may tell of the notice that it waits for.
	figures = map[string]func(*Notice) int64{
		"sent":    func(n *Notice) int64 { return n.Counts[Sent] },
		"bounced": func(n *Notice) int64 { return n.Counts[Bounced] },
		"failed":  func(n *Notice) int64 { return n.Counts[Failed] + n.Counts[Expired] },
		"retrying": func(n *Notice) int64 {
			return n.Counts[Pending] + n.Counts[Sending] + n.Counts[Held]
		},
		"suppressed":      func(n *Notice) int64 { return n.Counts[Suppressed] },
		"without_address": func(n *Notice) int64 { return n.WithoutAddress },
	}
)

// Figures fills what became of the notice into a body: {{notice.sent}},
// {{notice.bounced}}, {{notice.failed}} (which includes what expired),
// {{notice.retrying}}, {{notice.suppressed}} and {{notice.without_address}}. Any
// other is an *Invalid.
func (n *Notice) Figures(body string) (string, error) {
	var bad error
	out := figure.ReplaceAllStringFunc(body, func(tag string) string {
		of := figures[figure.FindStringSubmatch(tag)[1]]
		if of == nil {
			bad = Invalidf("body", "%s is not one of {{notice.sent}}, {{notice.bounced}}, {{notice.failed}}, {{notice.retrying}}, {{notice.suppressed}}, {{notice.without_address}}", tag)
			return tag
		}
		return grouped(of(n))
	})
	return out, bad
}

// unwaited refuses the figures of a notice in a text that waits for none: they
// would go out as they are written.
func unwaited(body string) error {
	if tag := figure.FindString(body); tag != "" {
		return Invalidf("body", "%s is told by an update only that waits for its notice: name that by after_notice (--after-notice)", tag)
	}
	return nil
}

// grouped is a figure as people write it: 1,500.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// unresolved stands for {{at "now"}} while the other times of a body are resolved.
const unresolved = "\ue000now\ue000"

// hold turns an update that waits for a notice into what is kept of it until
// then. It must be one that could be published now.
func (i Incident) hold(s Saying, d Desk) (Posting, error) {
	after := *s.AfterNotice
	switch {
	case after.ID == "":
		return Posting{}, Invalidf("after_notice.id", "names no notice")
	case after.When != WhenTried && after.When != WhenFinal:
		return Posting{}, Invalidf("after_notice.when", "%q is not one of tried, final", after.When)
	}
	s.AfterNotice = nil
	s.Body = strings.ReplaceAll(s.Body, "\r\n", "\n")
	filled, err := (&Notice{}).Figures(s.Body)
	if err != nil {
		return Posting{}, err
	}
	now := s
	now.Body = filled
	p, err := i.Say(now, d)
	if err != nil {
		return Posting{}, err
	}
	text := atTag.ReplaceAllStringFunc(s.Body, func(tag string) string {
		if strings.TrimSpace(atTag.FindStringSubmatch(tag)[1]) == "now" {
			return unresolved
		}
		return tag
	})
	if text, _, err = ResolveTimes(text, d.Now, d.Zone); err != nil {
		return Posting{}, err
	}
	s.Body = strings.ReplaceAll(text, unresolved, `{{at "now"}}`)
	s.At = utc(s.At)
	p.Update.Body = s.Body
	p.Held = &HeldUpdate{ID: p.Update.ID, IncidentID: i.ID, After: after, Saying: s, CreatedAt: utc(d.Now)}
	p.Event, p.Incident = nil, i
	return p, nil
}

// Publish says what was held, with the figures that the notice has come to.
func (h *HeldUpdate) Publish(i Incident, n *Notice, d Desk) (Posting, error) {
	s := h.Saying
	s.Components = cloned(s.Components)
	var err error
	if s.Body, err = n.Figures(s.Body); err != nil {
		return Posting{}, err
	}
	fresh, first := d.NewID, true
	d.NewID = func() string {
		if first {
			first = false
			return h.ID
		}
		return fresh()
	}
	return i.Say(s, d)
}

// Stale reports whether all that was held has been said in the meantime.
func (h *HeldUpdate) Stale(i Incident) bool {
	return i.State != Retracted && h.Saying.Status != "" && !i.News(h.Saying)
}

func cloned(list *[]string) *[]string {
	if list == nil {
		return nil
	}
	out := slices.Clone(*list)
	return &out
}
