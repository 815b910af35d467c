package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"allclear/notifier"
)

// noticeRoom is messages to exactly those who were affected.
type noticeRoom struct {
	store  NoticeStore
	events Events
	tools  NoticeDesk
	desk   func() notifier.Desk
	log    *slog.Logger
}

func (c noticeRoom) routes() []route {
	see, write, agree := notifier.RoleViewer, notifier.RoleSender, notifier.RoleApprover
	return []route{
		{method: http.MethodGet, path: "/notices", role: see, do: c.list},
		{method: http.MethodPost, path: "/notices", role: write, do: c.create},
		{method: http.MethodGet, path: "/notices/{id}", role: see, do: c.show},
		{method: http.MethodPatch, path: "/notices/{id}", role: write, do: c.change},
		{method: http.MethodDelete, path: "/notices/{id}", role: write, do: c.remove},
		{method: http.MethodPut, path: "/notices/{id}/audience", role: write, stream: c.replaceAudience},
		{method: http.MethodPost, path: "/notices/{id}/audience", role: write, stream: c.joinAudience},
		{method: http.MethodPut, path: "/components/{key}/members", role: write, stream: c.takeMembers},
		{method: http.MethodGet, path: "/notices/{id}/preflight", role: write, do: c.preflight},
		{method: http.MethodPost, path: "/notices/{id}/preview", role: write, do: c.preview},
		{method: http.MethodPost, path: "/notices/{id}/test", role: write, stream: c.test},
		{method: http.MethodGet, path: "/notices/{id}/rejects.csv", role: write, stream: c.rejects},
		{method: http.MethodGet, path: "/notices/{id}/report.csv", role: write, stream: c.report},
		{method: http.MethodPost, path: "/notices/{id}/send", role: write, do: c.send},
		{method: http.MethodPost, path: "/notices/{id}/approve", role: agree, do: c.approve},
		{method: http.MethodPost, path: "/notices/{id}/pause", role: write, do: c.step(NoticeStore.PauseNotice)},
		{method: http.MethodPost, path: "/notices/{id}/resume", role: write, do: c.step(NoticeStore.ResumeNotice)},
		{method: http.MethodPost, path: "/notices/{id}/cancel", role: write, do: c.step(NoticeStore.CancelNotice)},
		{method: http.MethodPost, path: "/notices/{id}/retry-failed", role: write, do: c.retryFailed},
	}
}

// noticeBook shows notices from the two that know of them.
type noticeBook struct {
	NoticeStore
	Events
}

func (c noticeRoom) shown(ctx context.Context, status int, n notifier.Notice, warnings []string) (reply, error) {
	s, err := showNotice(ctx, noticeBook{c.store, c.events}, n, c.tools.Above)
	s.Warnings = keys(warnings)
	return reply{status, s}, err
}

func (c noticeRoom) list(ctx context.Context, q *request) (reply, error) {
	cursor, limit, err := query(q.URL.Query())
	if err != nil {
		return reply{}, err
	}
	found, next, err := c.store.Notices(ctx, cursor, limit)
	return paged(found, next, func(n notifier.Notice) noticeSummary { return summariseNotice(n, c.tools.Above) }), err
}

func (c noticeRoom) show(ctx context.Context, q *request) (reply, error) {
	n, err := c.store.Notice(ctx, q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return c.shown(ctx, http.StatusOK, n, nil)
}

func (c noticeRoom) create(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Title      string `json:"title"`
		Template   string `json:"template"`
		Subject    string `json:"subject"`
		Body       string `json:"body"`
		IncidentID string `json:"incident_id"`
		Approvals  int    `json:"approvals"`
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	n, warnings, err := DraftNotice(notifier.Notice{
		Title: in.Title, Template: in.Template, Subject: in.Subject, Body: in.Body, IncidentID: in.IncidentID, Approvals: in.Approvals,
	}, c.desk(), notifier.ActorFrom(ctx), c.tools.Letters)
	if err != nil {
		return reply{}, err
	}
	if err := c.store.CreateNotice(ctx, n); err != nil {
		return reply{}, err
	}
	if n, err = c.store.Notice(ctx, n.ID); err != nil {
		return reply{}, err
	}
	return c.shown(ctx, http.StatusCreated, n, warnings)
}

// DraftNotice makes a draft of what by wrote: its times are resolved, and what
// is wrong is an *Invalid. The warnings are for whoever wrote it.
func DraftNotice(n notifier.Notice, d notifier.Desk, by notifier.Actor, letters Letters) (notifier.Notice, []string, error) {
	n.Title, n.Subject = strings.TrimSpace(n.Title), strings.TrimSpace(n.Subject)
	body, warnings, err := noticeBody(n.Body, d)
	if err != nil {
		return n, nil, err
	}
	n.ID, n.Body, n.State, n.CreatedAt, n.CreatedBy = d.NewID(), body, notifier.NoticeDraft, d.Now.UTC(), by.Name
	if err := n.Check(); err != nil {
		return n, nil, err
	}
	return n, warnings, readable(n, nil, letters)
}

// readable says what keeps a notice from being written to people of whom these
// columns are known; without columns only its text is judged, and a draft need
// not have one yet.
func readable(n notifier.Notice, columns []string, letters Letters) error {
	if columns == nil && n.Subject == "" && n.Body == "" {
		return nil
	}
	for _, err := range letters.CheckNotice(n, columns) {
		return err
	}
	return nil
}

// noticeBody makes a body what is kept. Braces are warned of elsewhere: in a
// notice they may name a column.
func noticeBody(body string, d notifier.Desk) (string, []string, error) {
	body, all, err := notifier.ResolveTimes(strings.ReplaceAll(body, "\r\n", "\n"), d.Now, d.Zone)
	var warnings []string
	for _, w := range all {
		if !strings.HasPrefix(w, "{{") {
			warnings = append(warnings, w)
		}
	}
	return body, warnings, err
}

// change changes a draft, or the rate of one that is on its way.
func (c noticeRoom) change(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Title      *string `json:"title"`
		Template   *string `json:"template"`
		Subject    *string `json:"subject"`
		Body       *string `json:"body"`
		IncidentID *string `json:"incident_id"`
		Approvals  *int    `json:"approvals"`
		PerSecond  *int    `json:"per_second"`
	}
	nulls, err := q.decode(&in, false)
	if err != nil {
		return reply{}, err
	}
	none, unlimited := "", 0
	for _, name := range nulls {
		switch name {
		case "subject":
			in.Subject = &none
		case "body":
			in.Body = &none
		case "incident_id":
			in.IncidentID = &none
		case "per_second":
			in.PerSecond = &unlimited
		default:
			return reply{}, notifier.Invalidf(name, "cannot be null")
		}
	}
	id := q.PathValue("id")
	if in.PerSecond != nil {
		if *in.PerSecond < 0 {
			return reply{}, notifier.Invalidf("per_second", "must not be negative")
		}
		if err := c.store.ThrottleNotice(ctx, id, *in.PerSecond); err != nil {
			return reply{}, err
		}
	}
	change := notifier.NoticeChange{Title: in.Title, Template: in.Template, Subject: in.Subject, Body: in.Body, IncidentID: in.IncidentID, Approvals: in.Approvals}
	n, warnings, err := EditNotice(ctx, c.store, id, change, c.desk(), c.tools.Letters)
	if err != nil {
		return reply{}, err
	}
	return c.shown(ctx, http.StatusOK, n, warnings)
}

// EditNotice changes a notice that is not sent yet. Times of its body are
// resolved, and a text that cannot be written is an *Invalid; the warnings are
// for whoever changes it. A change of nothing reads it.
func EditNotice(ctx context.Context, store Notices, id string, change notifier.NoticeChange, d notifier.Desk, letters Letters) (n notifier.Notice, warnings []string, err error) {
	if change.Body != nil {
		var body string
		if body, warnings, err = noticeBody(*change.Body, d); err != nil {
			return n, nil, err
		}
		change.Body = &body
	}
	if n, err = store.Notice(ctx, id); err != nil || change == (notifier.NoticeChange{}) {
		return n, warnings, err
	}
	if err := change.Apply(&n); err != nil {
		return n, nil, err
	}
	if err := readable(n, nil, letters); err != nil {
		return n, nil, err
	}
	n, err = store.ChangeNotice(ctx, id, change)
	return n, warnings, err
}

func (c noticeRoom) remove(ctx context.Context, q *request) (reply, error) {
	return reply{status: http.StatusNoContent}, c.store.DeleteNotice(ctx, q.PathValue("id"))
}
