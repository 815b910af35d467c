package console

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
)

// sendNotice lets a notice go out to as many as its page showed, leaving out as
// many rows and recipients as it showed: whatever changed since is refused.
func (c *console) sendNotice(q *request) (answer, error) {
	id := q.PathValue("id")
	order, err := c.order(q)
	var n notifier.Notice
	if err == nil {
		n, err = c.o.Store.OrderNotice(q.Context(), id, order, c.o.Notices.Above, c.o.Notices.Event(id))
	}
	if wrong := wrongOf(err); wrong != nil {
		return c.noticeWith(q, noticePage{Wrong: wrong})
	}
	done := "ordered"
	if n.State == notifier.NoticeAwaiting {
		done = "awaiting"
	}
	return answer{to: Path + "/notices/" + id + "?done=" + done}, err
}

func (c *console) order(q *request) (notifier.NoticeOrder, error) {
	var o notifier.NoticeOrder
	var err error
	for _, f := range []struct {
		name string
		to   *int64
	}{{"expect", &o.Expect}, {"accept_rejects", &o.AcceptRejects}, {"accept_missing", &o.AcceptMissing}} {
		if *f.to, err = strconv.ParseInt(q.form.Get(f.name), 10, 64); err != nil {
			return o, notifier.Invalidf(f.name, "%q is no number", notifier.Clip(q.form.Get(f.name)))
		}
	}
	if o.At, err = c.instant("at", q.form.Get("at")); err != nil {
		return o, err
	}
	if o.PerSecond, err = number(q.form, "per_second"); err != nil {
		return o, err
	}
	minutes, err := number(q.form, "canary_wait")
	if err != nil {
		return o, err
	}
	if given := percent(q.form, "halt_above"); given != "" {
		if o.HaltAbove, err = strconv.ParseFloat(given, 64); err != nil || !(o.HaltAbove > 0 && o.HaltAbove <= 100) {
			return o, notifier.Invalidf("halt_above", "%q is no share of 100; write 5 or 2.5", notifier.Clip(given))
		}
	}
	o.CanaryWait = time.Duration(min(minutes, 1<<20)) * time.Minute
	given := percent(q.form, "canary_share")
	switch {
	case q.form.Get("canary") == "none":
		o.Canary = -1
	case given != "":
		if o.Canary, err = strconv.ParseFloat(given, 64); err != nil || !(o.Canary > 0 && o.Canary <= 100) {
			return o, notifier.Invalidf("canary_share", "%q is no share of 100; write 1 or 2.5", notifier.Clip(given))
		}
	}
	return o, nil
}

// percent is a share that was typed, without its sign; "" is none.
func percent(form url.Values, field string) string {
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(form.Get(field)), "%"))
}

// approveNotice is a second person's word. With a reason it is an admin's own,
// who finds no second one; that is audited and seen by everybody.
func (c *console) approveNotice(q *request) (answer, error) {
	id, reason := q.PathValue("id"), ""
	if q.form.Get("do") == "override" {
		if !q.session.Staff.Role.Can(notifier.RoleAdmin) {
			return answer{}, &notAllowed{has: q.session.Staff.Role, needs: notifier.RoleAdmin}
		}
		if reason = q.form.Get("reason"); reason == "" {
			return c.noticeWith(q, noticePage{Wrong: map[string]string{"reason": "say why nobody else can agree"}})
		}
	}
	version := cmp.Or(q.form.Get("version"), "none") // who agrees here has looked at a page
	_, err := c.o.Store.ApproveNotice(q.Context(), id, notifier.ActorFrom(q.Context()), reason, version, c.o.Notices.Above)
	if wrong := wrongOf(err); wrong != nil {
		return c.noticeWith(q, noticePage{Wrong: wrong})
	}
	return answer{to: Path + "/notices/" + id + "?done=approved"}, err
}

// stepNotice pauses a notice, lets it go on, ends it, or tries again what failed.
func (c *console) stepNotice(q *request) (answer, error) {
	id, ctx := q.PathValue("id"), q.Context()
	here := Path + "/notices/" + id + "?done="
	switch q.form.Get("do") {
	case "pause":
		return answer{to: here + "stopped"}, c.o.Store.PauseNotice(ctx, id)
	case "resume":
		return answer{to: here + "goes-on"}, c.o.Store.ResumeNotice(ctx, id)
	case "cancel":
		return answer{to: here + "cancelled"}, c.o.Store.CancelNotice(ctx, id)
	case "retry":
		_, err := c.o.Store.RetryFailedNotice(ctx, id)
		return answer{to: here + "retried"}, err
	}
	return answer{}, notifier.Invalidf("do", "is none of pause, resume, cancel, retry")
}

func (c *console) throttleNotice(q *request) (answer, error) {
	id := q.PathValue("id")
	rate, err := number(q.form, "per_second")
	if err == nil {
		err = c.o.Store.ThrottleNotice(q.Context(), id, rate)
	}
	if wrong := wrongOf(err); wrong != nil {
		return c.noticeWith(q, noticePage{Wrong: wrong})
	}
	return answer{to: Path + "/notices/" + id + "?done=changed"}, err
}
