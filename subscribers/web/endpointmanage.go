package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

const attemptsPerPage = 20

// endpointAsk shows everything about an endpoint.
func (s *site) endpointAsk(r *http.Request, who subscribers.Subscriber) (answer, error) {
	h, err := s.endpoints.Hooks.Hook(r.Context(), who.Number)
	if err != nil {
		return answer{}, err
	}
	return s.endpointShow(r, h, "/manage/"+r.PathValue("token"), templates.EndpointPage{Cursor: r.URL.Query().Get("attempts")})
}

// endpointDo does what one of the page's buttons says.
func (s *site) endpointDo(r *http.Request, who subscribers.Subscriber) (answer, error) {
	h, err := s.endpoints.Hooks.Hook(r.Context(), who.Number)
	if err != nil {
		return answer{}, err
	}
	acts := map[string]func(*http.Request, *subscribers.Hook, *templates.EndpointPage) error{
		"test": s.endpointTest, "secret": s.endpointSecret, "rotate": s.endpointRotate, "token": s.endpointToken,
		"save": s.endpointSave, "pause": s.endpointPause, "resume": s.endpointResume, "replay": s.endpointReplay, "recover": s.endpointRecover,
	}
	act := acts[r.PostForm.Get("do")]
	if act == nil {
		return answer{}, errForm
	}
	page := templates.EndpointPage{}
	done := act(r, &h, &page)
	var bad wrongs
	switch {
	case errors.As(done, &bad):
		page.Done, page.Choices.Wrong = "", bad
	case done != nil:
		return answer{}, done
	}
	said, err := s.endpointShow(r, h, "/manage/"+r.PathValue("token"), page)
	var often *notifier.TooOften
	switch {
	case errors.As(done, &often):
		said.status, said.retry = http.StatusTooManyRequests, seconds(often.Wait)
	case bad != nil:
		said.status = http.StatusUnprocessableEntity
	}
	return said, err
}

// seconds is how long to wait, rounded up: at least one.
func seconds(d time.Duration) int { return max(int((d+time.Second-1)/time.Second), 1) }

// endpointTest posts a test and waits for what becomes of it. With the first one
// that is taken the secret is shown.
func (s *site) endpointTest(r *http.Request, h *subscribers.Hook, page *templates.EndpointPage) error {
	if !confirmed(h) || h.State == subscribers.Unsubscribed {
		return wrong("state", "state")
	}
	if err := s.askEndpoint(r, h, subscribers.AskTest); err != nil {
		return err
	}
	before := h.State
	taken, err := s.probe(r, h, h.Format, page)
	switch {
	case err != nil:
		return err
	case !taken:
		page.Done = "failed"
		return nil
	case before != h.State:
		page.Done = "proven"
	default:
		page.Done = "tested"
	}
	if h.SecretShownAt.IsZero() && !h.ProvenAt.IsZero() {
		return s.takeSecret(r, h, page)
	}
	return nil
}

// probe posts a test in a format, notes what became of it and shows that.
func (s *site) probe(r *http.Request, h *subscribers.Hook, f notifier.Format, page *templates.EndpointPage) (taken bool, err error) {
	a, err := s.endpoints.Probe(acting(r, h.Number), h.Number, f)
	if err != nil {
		return false, err
	}
	if *h, err = s.endpoints.Hooks.NoteTest(acting(r, h.Number), h.Number, a); err != nil {
		return false, err
	}
	page.Test = &a
	return a.Status/100 == 2, nil
}

// askEndpoint counts what is asked, and says at the top of the page where it is
// too much, or nothing is to be posted at all.
func (s *site) askEndpoint(r *http.Request, h *subscribers.Hook, what subscribers.Asking) error {
	err := s.endpoints.Hooks.AskEndpoint(acting(r, h.Number), h.Number, what)
	var often *notifier.TooOften
	switch {
	case errors.As(err, &often):
		return fmt.Errorf("%w: %w", wrong("state", "often"), often)
	case errors.Is(err, notifier.ErrConflict):
		return wrong("state", "state")
	}
	return err
}

// takeSecret shows the secret where nobody was shown it.
func (s *site) takeSecret(r *http.Request, h *subscribers.Hook, page *templates.EndpointPage) error {
	secret, first, err := s.endpoints.Secrets.TakeSecret(acting(r, h.Number), h.Number)
	if err != nil {
		return err
	}
	if first {
		page.Secret, h.SecretShownAt = secret.Text(), s.now()
	}
	return nil
}

func (s *site) endpointSecret(r *http.Request, h *subscribers.Hook, page *templates.EndpointPage) error {
	if h.ProvenAt.IsZero() {
		return wrong("state", "unproven")
	}
	page.Done = "shown"
	if err := s.takeSecret(r, h, page); err != nil {
		return err
	}
	if page.Secret == "" {
		return wrong("state", "shown")
	}
	return nil
}

// endpointRotate makes a new secret. The form says which secrets it knew, so
// that pressing twice does not push out the one that the endpoint has.
func (s *site) endpointRotate(r *http.Request, h *subscribers.Hook, page *templates.EndpointPage) error {
	switch {
	case !proven(h) || h.State == subscribers.Unsubscribed:
		return wrong("state", "unproven")
	case r.PostForm.Get("mark") != templates.EndpointMark(h.OldSecrets):
		return wrong("state", "rotated")
	case len(h.OldSecrets) > 0 && r.PostForm.Get("again") == "":
		return wrong("again", "overlap")
	}
	secret, err := s.endpoints.Secrets.RotateSecret(acting(r, h.Number), h.Number, notifier.SecretOverlap, len(h.OldSecrets) > 0)
	switch {
	case errors.Is(err, notifier.ErrConflict):
		return wrong("state", "many")
	case err != nil:
		return err
	}
	page.Secret, page.Done = secret.Text(), "rotated"
	*h, err = s.endpoints.Hooks.Hook(r.Context(), h.Number)
	return err
}

func (s *site) endpointToken(r *http.Request, h *subscribers.Hook, page *templates.EndpointPage) error {
	if !proven(h) || h.State == subscribers.Unsubscribed {
		return wrong("state", "unproven")
	}
	token, err := s.endpoints.Secrets.MakeEndpointToken(acting(r, h.Number), h.Number)
	if err != nil {
		return err
	}
	page.Token, page.Done, h.HasToken = token, "token", true
	return nil
}

// endpointSave writes what was chosen. Another format is tried first, so that
// nobody learns at the next incident that the program does not take it.
func (s *site) endpointSave(r *http.Request, h *subscribers.Hook, page *templates.EndpointPage) error {
	parts, err := s.posts.Components(r.Context())
	if err != nil {
		return err
	}
	e := entry{in: r.PostForm, fields: endpointFields, channel: notifier.Webhook}
	is := h.Subscriber
	e.endpoint(&is, parts, s.speaking(h.Subscriber))
	page.Done, page.Choices.Entered = "saved", enteredOf(r.PostForm, endpointFields) // so that what was entered is not lost
	if e.wrong != nil {
		return wrongs(e.wrong)
	}
	if is.Format == "" {
		is.Format = subscribers.GuessFormat(h.Address)
	}
	if is.Format != h.Format && (h.State == subscribers.Active || h.State == subscribers.Paused) {
		if err := s.askEndpoint(r, h, subscribers.AskTest); err != nil {
			return err
		}
		switch taken, err := s.probe(r, h, is.Format, page); {
		case err != nil:
			return err
		case !taken:
			return wrong("format", "untaken")
		}
	}
	who, err := s.changeDoor(r, h.Subscriber, func(x *subscribers.Subscriber) error {
		if x.State == subscribers.Unsubscribed || !confirmed(h) {
			return notifier.Invalidf("state", "is %s", x.State)
		}
		x.Filter.Components, x.Filter.Severity, x.Filter.Types = is.Filter.Components, is.Filter.Severity, is.Filter.Types
		x.Format, x.Timezone, x.Language = is.Format, is.Timezone, is.Language
		return nil
	})
	if err != nil {
		return err
	}
	h.Subscriber, page.Choices.Entered = who, nil
	return nil
}

func (s *site) endpointPause(r *http.Request, h *subscribers.Hook, page *templates.EndpointPage) (err error) {
	page.Done, page.PauseUntil = "paused", r.PostForm.Get("until")
	h.Subscriber, err = s.pauseDoor(r, h.Subscriber)
	return err
}

func (s *site) endpointResume(r *http.Request, h *subscribers.Hook, page *templates.EndpointPage) (err error) {
	page.Done = "resumed"
	h.Subscriber, err = s.resumeDoor(r, h.Subscriber)
	return err
}

// endpointReplay sends one message again, under its own id.
func (s *site) endpointReplay(r *http.Request, h *subscribers.Hook, page *templates.EndpointPage) error {
	if h.State != subscribers.Active {
		return wrong("state", "state")
	}
	id, err := notifier.ParseDeliveryID(r.PostForm.Get("delivery"))
	if err == nil && id.Reader() != int64(h.Number) {
		err = notifier.ErrNotFound
	}
	if err == nil {
		if often := s.askEndpoint(r, h, subscribers.AskReplay); often != nil {
			return often
		}
		err = s.endpoints.Attempts.Replay(acting(r, h.Number), h.Number, id)
	}
	var bad *notifier.Invalid
	switch {
	case errors.Is(err, notifier.ErrNotFound):
		return wrong("delivery", "delivery")
	case errors.As(err, &bad), errors.Is(err, notifier.ErrConflict):
		return wrong("state", "state")
	}
	page.Done = "replayed"
	return err
}

// endpointRecover sends everything again that the endpoint did not take since a
// time, by the clock of whoever looks after it.
func (s *site) endpointRecover(r *http.Request, h *subscribers.Hook, page *templates.EndpointPage) error {
	page.Since = strings.TrimSpace(r.PostForm.Get("since"))
	if h.State != subscribers.Active {
		return wrong("state", "state")
	}
	since, err := readMoment(page.Since, s.location(h.Subscriber))
	if now := s.now(); err != nil || since.After(now) || now.Sub(since) > subscribers.FurthestBack {
		return wrong("since", "since")
	}
	if err := s.askEndpoint(r, h, subscribers.AskRecover); err != nil {
		return err
	}
	page.Done = "recovered"
	if page.Count, err = s.endpoints.Attempts.RecoverEndpoint(acting(r, h.Number), h.Number, since); errors.Is(err, notifier.ErrConflict) {
		return wrong("state", "state")
	}
	return err
}

// readMoment reads what a field of type datetime-local sends.
func readMoment(text string, zone *time.Location) (at time.Time, err error) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04"} {
		if at, err = time.ParseInLocation(layout, text, zone); err == nil {
			return at.UTC(), nil
		}
	}
	return at, err
}

// endpointShow fills the page in with what is kept.
func (s *site) endpointShow(r *http.Request, h subscribers.Hook, path string, page templates.EndpointPage) (answer, error) {
	parts, err := s.posts.Components(r.Context())
	if err != nil {
		return answer{}, err
	}
	page.Attempts, page.Older, err = s.endpoints.Attempts.Attempts(r.Context(), h.Number, page.Cursor, attemptsPerPage)
	var bad *notifier.Invalid
	if page.Cursor != "" && (errors.As(err, &bad) || errors.Is(err, notifier.ErrNotFound)) { // no page of ours leads there
		page.Cursor = ""
		page.Attempts, page.Older, err = s.endpoints.Attempts.Attempts(r.Context(), h.Number, "", attemptsPerPage)
	}
	if err != nil {
		return answer{}, err
	}
	if page.Choices.Entered == nil {
		page.Choices.Entered = chosen(h.Subscriber)
	}
	page.Choices.Components = parts
	page.Path, page.URL, page.Contact, page.Now = path, h.Address, h.Contact, s.now()
	page.State, page.Until = string(h.State), h.PausedUntil
	page.Off, page.OffAt, page.Failing = string(h.DisabledWhy), h.DisabledAt, h.FailingSince
	page.Confirmed, page.Proven = confirmed(&h), proven(&h)
	page.Shown = !h.SecretShownAt.IsZero() || h.ProvenAt.IsZero() // it is nobody's to see before the endpoint has answered
	page.Olds, page.HasToken, page.ID = h.OldSecrets, h.HasToken, h.Number.String()
	if h.State != subscribers.Unsubscribed {
		page.Leave = "/unsubscribe/" + s.links.TokenAbout(subscribers.ForUnsubscribe, h.Number, time.Time{}, h.Contact)
	}
	return answer{name: templates.PageEndpointManage, data: page, lang: h.Language}, nil
}

// confirmed reports whether its contact, or staff in their place, said that an
// endpoint is to be called.
func confirmed(h *subscribers.Hook) bool {
	return !h.ContactAt.IsZero() || h.State != subscribers.Pending
}

// proven reports whether an endpoint answered a test, or staff said that none is needed.
func proven(h *subscribers.Hook) bool { return !h.ProvenAt.IsZero() || h.State != subscribers.Pending }

// goneIf says of what is not there that it is there no longer.
func goneIf(err error) error {
	if errors.Is(err, notifier.ErrNotFound) {
		return errGone
	}
	return err
}
