package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

// writePage is where something is written: a new announcement, or an update to
// one. Nothing goes out that was not seen as readers will see it.
type writePage struct {
	Form       url.Values
	Once       string // so that pressing twice posts once
	Seen       string // of what the preview shows
	Of         *notifier.Incident
	Notices    []notifier.Notice // for which an update can wait
	Components []notifier.Component
	Kinds      []notifier.Kind
	Levels     []string
	Statuses   []notifier.Status
	Samples    []sample
	Wrong      map[string]string
	Warnings   []string
	Preview    *preview
	Hold       hold // of what the preview shows
	Followers  int64
	Action     string
}

// Is reports whether a field of the form has a value.
func (p writePage) Is(field string, value any) bool {
	return slices.Contains(p.Form[field], textOf(value))
}

// Get is a field's value.
func (p writePage) Get(field string) string { return p.Form.Get(field) }

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case notifier.Kind:
		return string(v)
	case notifier.Status:
		return string(v)
	}
	return ""
}

func levels() []string { return []string{"none", "minor", "major", "critical"} }

func (c *console) writeAsk(q *request) (answer, error) {
	form := url.Values{"kind": {"incident"}, "severity": {"minor"}}
	for _, s := range samples() {
		if q.URL.Query().Get("as") == s.Name {
			form = s.form()
		}
	}
	return c.writeAgain(q, http.StatusOK, writePage{Form: form})
}

// asTyped is what stands in the form as readers would get it, in a frame beside
// it: shown while it is typed, kept nowhere.
func asTyped(p writePage) answer {
	f := framePage{File: "what is typed", Warnings: p.Warnings}
	for field, why := range p.Wrong { // one, as an error names one
		f.Wrong = strings.TrimPrefix(strings.ReplaceAll(field, "_", " ")+": "+why, ": ")
	}
	if p.Preview != nil {
		f.preview = *p.Preview
	}
	return answer{page: "frame", title: "Preview", data: f, framed: true, styles: f.styles}
}

func (c *console) writeAgain(q *request, status int, p writePage) (answer, error) {
	if q.form.Get("do") == "look" {
		return asTyped(p), nil
	}
	var err error
	if p.Components, err = c.o.Store.Components(q.Context()); err != nil {
		return answer{}, err
	}
	if p.Followers, err = c.o.Store.Followers(q.Context()); err != nil {
		return answer{}, err
	}
	p.Kinds, p.Levels = notifier.Kinds, levels()
	if p.Once = p.Form.Get("once"); p.Once == "" {
		p.Once, _ = newSecret()
	}
	p.Action = q.URL.Path
	said := answer{status: status, page: "write", title: "Write", frames: true}
	if p.Of == nil {
		p.Samples = samples()
	} else {
		p.Statuses = notifier.Statuses(p.Of.Kind)
		said.title = "Update: " + p.Of.Title
	}
	said.data = p
	if p.Preview != nil {
		said.styles = p.Preview.styles
	}
	return said, nil
}

// fields of the form that say what is posted.
func postedFields() []string {
	return []string{"kind", "title", "severity", "status", "components", "body", "at", "starts_at", "ends_at", "delay_min", "delay_max", "error_rate", "affected_share", "per_second", "quiet", "after"}
}

// seen is a mark of everything that would be posted, so that only what was
// shown is.
func (c *console) seen(form url.Values) string {
	mac := hmac.New(sha256.New, c.o.Key)
	for _, f := range postedFields() {
		mac.Write([]byte(f + "\x00" + strings.Join(form[f], "\x01") + "\x02"))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// once is the name of a form, the same whenever it is sent, and that of what
// stands in it, which begins with the form's: who sends a form twice is told so,
// and who sends it with another text is not told that it was posted.
func (c *console) once(q *request) (form, text string) {
	name := func(of string, size int) string {
		mac := hmac.New(sha256.New, c.o.Key)
		mac.Write([]byte("once " + q.session.ID + " " + q.form.Get("once") + " " + of))
		return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil)[:size]))
	}
	draft := ""
	if q.form.Get("do") == "draft" {
		draft = "draft "
	}
	form = name("", 10)
	return form, form + name(draft+c.seen(q.form), 5)
}

// naming is a desk that gives these ids first.
func (c *console) naming(ids ...string) notifier.Desk {
	desk := c.desk()
	next := desk.NewID
	desk.NewID = func() string {
		if len(ids) == 0 {
			return next()
		}
		id := ids[0]
		ids = ids[1:]
		return id
	}
	return desk
}

func (c *console) write(q *request) (answer, error) {
	p := writePage{Form: q.form}
	a, err := c.announcement(q.form)
	id, text := c.once(q)
	var posting notifier.Posting
	draft := q.form.Get("do") == "draft"
	if err == nil {
		if draft {
			a.State = notifier.Draft
		}
		posting, err = notifier.Open(a, c.naming(id, text))
	}
	if wrong := wrongOf(err); wrong != nil {
		p.Wrong = wrong
		return c.writeAgain(q, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return answer{}, err
	}
	if !draft && (q.form.Get("do") != "post" || q.form.Get("seen") != c.seen(q.form)) {
		return c.previewed(q, p, posting)
	}
	_, err = c.o.Store.OpenIncident(q.Context(), posting)
	done := "posted"
	switch {
	case draft:
		done = "draft"
	case posting.Event == nil:
		done = "published"
	case !posting.Event.HeldUntil.IsZero():
		done = "held"
	}
	if errors.Is(err, notifier.ErrConflict) {
		there, found := c.o.Store.Incident(q.Context(), id)
		switch {
		case found != nil:
		case hasUpdate(there, text):
			done, err = "twice", nil
		default:
			p.Form.Del("once")
			p.Warnings = []string{fmt.Sprintf("this page was sent already with another text, which stands as “%s”; what stands here now was not posted. Post it too only if both are meant", there.Title)}
			return c.previewed(q, p, posting)
		}
	}
	if wrong := wrongOf(err); wrong != nil {
		p.Wrong = wrong
		return c.writeAgain(q, http.StatusUnprocessableEntity, p)
	}
	return answer{to: Path + "/incidents/" + id + "?done=" + done}, err
}

// previewed shows what readers will get.
func (c *console) previewed(q *request, p writePage, posting notifier.Posting) (answer, error) {
	another := q.form.Get("do") == "post" && len(p.Warnings) == 0
	for _, w := range posting.Warnings {
		p.Warnings = append(p.Warnings, strings.ReplaceAll(w, notifier.TimeField, "“When it happened”"))
	}
	if len(posting.Incident.Components) == 0 {
		p.Warnings = append(p.Warnings, "no component is named, so it concerns everybody, whatever they follow")
	}
	followers, err := c.o.Store.Followers(q.Context())
	if err != nil {
		return answer{}, err
	}
	if followers == 0 && posting.Event != nil {
		p.Warnings = append(p.Warnings, "nobody is subscribed yet, so nobody will be told")
	}
	if another {
		p.Warnings = append([]string{"this is not what the preview showed, so it was not posted; look at it once more"}, p.Warnings...)
	}
	if p.Preview, err = c.preview(q, posting); err != nil {
		return answer{}, err
	}
	if after(q.form) == nil { // else it is posted who knows when
		if p.Hold, err = c.holdOf(q, p.Of, posting); err != nil {
			return answer{}, err
		}
	}
	p.Seen = c.seen(q.form)
	return c.writeAgain(q, http.StatusOK, p)
}

// wrongOf is what is to be mended, by field; nil where that is not the trouble.
func wrongOf(err error) map[string]string {
	var inv *notifier.Invalid
	if !errors.As(err, &inv) {
		return nil
	}
	return map[string]string{inv.Field: inv.Message}
}

func (c *console) announcement(form url.Values) (notifier.Announcement, error) {
	a := notifier.Announcement{
		Title: form.Get("title"), Kind: notifier.Kind(form.Get("kind")), Status: notifier.Status(form.Get("status")),
		Components: form["components"], Body: form.Get("body"), Quiet: form.Get("quiet") != "",
	}
	var err error
	if a.Kind == notifier.KindIncident {
		if a.Severity, err = notifier.ParseSeverity(form.Get("severity")); err != nil {
			return a, err
		}
	}
	if a.At, err = c.instant("at", form.Get("at")); err != nil {
		return a, err
	}
	if a.Kind == notifier.KindMaintenance {
		if a.StartsAt, err = c.instant("starts_at", form.Get("starts_at")); err != nil {
			return a, err
		}
		if a.EndsAt, err = c.instant("ends_at", form.Get("ends_at")); err != nil {
			return a, err
		}
	}
	a.Impact, err = impact(form)
	return a, err
}

// instant reads a time as the texts of incidents have it: now, -20m, 16:11, a
// date before it, a zone behind it. "" is none.
func (c *console) instant(field, given string) (time.Time, error) {
	given = strings.TrimSpace(given)
	if given == "" {
		return time.Time{}, nil
	}
	bad := notifier.Invalidf(field, `%q is no time; write now, -20m, 16:11 or 2026-11-23 16:11 UTC`, notifier.Clip(given))
	if strings.ContainsAny(given, "\"\n{}") {
		return time.Time{}, bad
	}
	text, _, err := notifier.ResolveTimes(`{{at "`+given+`"}}`, c.o.Now(), c.o.Zone)
	if err != nil {
		return time.Time{}, bad
	}
	var at time.Time
	notifier.PrintTimes(text, func(t time.Time) string { at = t; return "" })
	return at, nil
}

// shownTimes is a kept text with its times as people read them, by UTC.
func shownTimes(body string) string {
	return notifier.PrintTimes(body, func(t time.Time) string { return t.UTC().Format("2 Jan 15:04") + " UTC" })
}
