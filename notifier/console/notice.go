package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"allclear/notifier"
)

// mostRejects is how many rows that cannot be used a page shows; the file has all.
const mostRejects = 50

// noticePage is one notice: what it is, whom it goes to, and how far it has come.
type noticePage struct {
	notifier.Notice
	Counts    []stateCount
	Share     share
	Rejects   []notifier.Reject
	Flight    *Flight // before it is sent, where it has an audience
	Needed    int     // approvals
	MayAgree  bool    // whoever looks may approve it
	Asks      bool    // it waits for somebody who approves it
	WhyNot    string  // why not
	Editable  bool
	Earlier   []notifier.Notice // that went out: who got one may be left out
	Lived     []notifier.Component
	Running   bool
	Incident  string // title of the one it belongs to
	Wrong     map[string]string
	Entered   url.Values // what was sent, where something of it is wrong
	FileWrong bool       // it was sent with a file
	Zone      string     // of a file's times that name none
	Tested    string     // what the relay said to a test
	Behind    int64      // so many rows of the file that was read just now were there before
	Following string     // where how it goes on can be followed; "" where nothing will
}

// LeftOut is how many rows nobody hears of.
func (p *noticePage) LeftOut() int64 { return p.Rejected + p.WithoutAddress }

// N is the count of a state.
func (p *noticePage) N(state string) int64 { return p.Notice.Counts[notifier.DeliveryState(state)] }

// Opens reports whether something was entered of when and how fast it goes,
// which is to be seen before it is sent once more.
func (p *noticePage) Opens() bool {
	return slices.ContainsFunc([]string{"at", "per_second", "canary_share", "canary_wait", "canary"}, func(f string) bool { return p.Entered.Get(f) != "" })
}

func (c *console) notice(q *request) (answer, error) {
	behind, _ := strconv.ParseInt(q.URL.Query().Get("behind"), 10, 64) // whatever else stands there is nothing
	return c.noticeWith(q, noticePage{Behind: behind})
}

func (c *console) noticeWith(q *request, p noticePage) (answer, error) {
	n, err := c.o.Store.Notice(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if err := c.fillNotice(q, n, &p); err != nil {
		return answer{}, err
	}
	said := answer{page: "notice", title: n.Title, data: &p}
	if p.Wrong != nil {
		p.Entered = q.form
		said.status = http.StatusUnprocessableEntity
	}
	return said, nil
}

// fillNotice finds out what a notice's page shows.
func (c *console) fillNotice(q *request, n notifier.Notice, p *noticePage) error {
	p.Notice, p.Needed, p.Zone = n, n.Needs(c.o.Notices.Above), c.o.Zone.String()
	p.Editable = n.State == notifier.NoticeDraft || n.State == notifier.NoticeAwaiting
	p.Asks = n.State == notifier.NoticeAwaiting || n.Reworded()
	p.Running = n.State.Begun() && !n.State.Final()
	p.Share = shareOf(n.Counts, n.Recipients)
	for _, s := range notifier.DeliveryStates {
		p.Counts = append(p.Counts, stateCount{s, n.Counts[s]})
	}
	if n.State != notifier.NoticeDraft && !n.State.Final() {
		p.Following = Path + "/notices/" + n.ID + "/live"
	}
	var refusal *notifier.Refusal
	if err := n.MayApprove(q.session.Staff.Actor().Name); errors.As(err, &refusal) {
		p.WhyNot = sentence(refusal.Message)
	} else {
		p.MayAgree = q.session.Staff.Role.Can(notifier.RoleApprover)
	}
	if n.IncidentID != "" {
		i, err := c.o.Store.Incident(q.Context(), n.IncidentID)
		if err != nil && !errors.Is(err, notifier.ErrNotFound) {
			return err
		}
		p.Incident = i.Title
	}
	if n.Rejected > 0 && q.session.Staff.Role.Can(notifier.RoleSender) {
		var err error
		if p.Rejects, _, err = c.o.Store.Rejects(q.Context(), n.ID, 0, mostRejects); err != nil {
			return err
		}
	}
	if p.Editable {
		if err := c.fillChoices(q, p); err != nil {
			return err
		}
	}
	if p.Editable && n.Recipients > 0 {
		f, err := c.o.Notices.Flight(q.Context(), n)
		if err != nil {
			return err
		}
		for i, w := range f.Warnings {
			f.Warnings[i] = asEntered(w)
		}
		p.Flight = &f
	}
	return nil
}

// fillChoices finds what the forms for an audience let choose from.
func (c *console) fillChoices(q *request, p *noticePage) error {
	all, _, err := c.o.Store.Notices(q.Context(), "", perPage)
	if err != nil {
		return err
	}
	for _, n := range all {
		if n.State.Begun() {
			p.Earlier = append(p.Earlier, n)
		}
	}
	p.Lived, err = c.o.Store.Components(q.Context())
	return err
}

// sentence is a refusal's words as a sentence of their own.
func sentence(words string) string {
	r, size := utf8.DecodeRuneInString(words)
	return string(unicode.ToUpper(r)) + strings.TrimSuffix(words[size:], ".") + "."
}
