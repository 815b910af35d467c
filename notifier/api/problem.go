package api

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
)

// problem is an error as RFC 9457 writes it. Field names the input that is
// wrong, where one is; Errors names it again as a list, because that is where
// many clients look.
type problem struct {
	Type     string         `json:"type"`
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail"`
	Instance string         `json:"instance,omitempty"` // of an internal error: what to look for in the log
	Field    string         `json:"field,omitempty"`
	Errors   []problemError `json:"errors,omitempty"`
	Line     int            `json:"line,omitempty"`   // of malformed JSON, from 1
	Offset   int64          `json:"offset,omitempty"` // of malformed JSON, in bytes from 0
	Role     notifier.Role  `json:"role,omitempty"`   // of a 403: the least role that may
}

type problemError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// The errors that only HTTP knows. What they mean is decided in describe.
type (
	unauthorised  struct{ message, code string }
	forbidden     struct{ has, needs notifier.Role }
	refusedMethod struct {
		method string
		allow  []string
	}
	tooLarge   struct{ limit int64 }
	wrongType  struct{ got, want string }
	unreadable struct { // a body that is no JSON
		message string
		line    int
		offset  int64
	}
)

func (e *unauthorised) Error() string { return e.message }
func (e *forbidden) Error() string {
	if e.has == roleOwner {
		return fmt.Sprintf("this needs the role %s; an endpoint's own token is good for that endpoint's calls alone", e.needs)
	}
	return fmt.Sprintf("this needs the role %s; the token has %s", e.needs, e.has)
}
func (e *refusedMethod) Error() string {
	return fmt.Sprintf("%s is not possible here; use %s", e.method, strings.Join(e.allow, ", "))
}
func (e *tooLarge) Error() string   { return fmt.Sprintf("the body is over %d bytes", e.limit) }
func (e *wrongType) Error() string  { return fmt.Sprintf("the body is %s; send %s", e.got, e.want) }
func (e *unreadable) Error() string { return e.message }

// describe is the only place where an error becomes a status. Whatever it does
// not know is our own fault, and its text stays inside.
func describe(err error) problem {
	var (
		invalid *notifier.Invalid
		refusal *notifier.Refusal
		noEntry *unauthorised
		noRight *forbidden
		method  *refusedMethod
		large   *tooLarge
		media   *wrongType
		garbled *unreadable
		often   *notifier.TooOften
	)
	p := problem{Status: http.StatusInternalServerError, Type: "internal", Title: "Something went wrong here"}
	switch {
	case errors.As(err, &invalid):
		p = problem{Status: http.StatusUnprocessableEntity, Type: "invalid", Title: "A field is not valid", Detail: invalid.Error(), Field: invalid.Field}
		p.Errors = []problemError{{invalid.Field, invalid.Message}}
	case errors.As(err, &garbled):
		p = problem{Status: http.StatusBadRequest, Type: "malformed", Title: "The request cannot be read", Line: garbled.line, Offset: garbled.offset}
	case errors.As(err, &noEntry):
		p = problem{Status: http.StatusUnauthorized, Type: "unauthorised", Title: "A token is needed"}
	case errors.As(err, &noRight):
		p = problem{Status: http.StatusForbidden, Type: "forbidden", Title: "The token may not do this", Role: noRight.needs}
	case errors.As(err, &method):
		p = problem{Status: http.StatusMethodNotAllowed, Type: "method", Title: "The method is not possible here"}
	case errors.As(err, &large):
		p = problem{Status: http.StatusRequestEntityTooLarge, Type: "too-large", Title: "The body is too large"}
	case errors.As(err, &media):
		p = problem{Status: http.StatusUnsupportedMediaType, Type: "media-type", Title: "The body has the wrong type"}
	case errors.As(err, &often):
		p = problem{Status: http.StatusTooManyRequests, Type: "often", Title: "This is asked too often", Detail: often.Error()}
	case errors.Is(err, notifier.ErrNotFound):
		p = problem{Status: http.StatusNotFound, Type: "not-found", Title: "There is no such thing", Detail: "nothing has this id, or it was removed"}
	case errors.Is(err, notifier.ErrConflict):
		p = problem{Status: http.StatusConflict, Type: "conflict", Title: "This contradicts what is there", Detail: "this contradicts what is there already"}
	case errors.Is(err, notifier.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		p = problem{Status: http.StatusServiceUnavailable, Type: "unavailable", Title: "Not possible at the moment", Detail: "the database does not answer at the moment; send the same request again"}
	}
	switch {
	case errors.As(err, &refusal): // made for people
		p.Detail = refusal.Message
	case p.Detail == "" && p.Status != http.StatusInternalServerError:
		p.Detail = err.Error() // one of ours above
	}
	p.Type = "/api/docs#problem-" + p.Type
	return p
}

// fail answers an error, and logs it where it is ours.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := describe(err)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	var noEntry *unauthorised
	var often *notifier.TooOften
	switch {
	case errors.As(err, &often):
		h.Set("Retry-After", strconv.Itoa(int(often.Wait/time.Second)+1))
	case errors.As(err, &noEntry):
		challenge := `Bearer realm="allclear"`
		if noEntry.code != "" {
			challenge += `, error="` + noEntry.code + `"`
		}
		h.Set("WWW-Authenticate", challenge)
	case p.Status >= 500 && errors.Is(r.Context().Err(), context.Canceled):
		// Nobody listens any more, so it is no trouble of ours. No answer at
		// all would be a 200 to whatever stands in between.
		p.Status = http.StatusServiceUnavailable
	case p.Status == http.StatusForbidden:
		h.Set("WWW-Authenticate", `Bearer realm="allclear", error="insufficient_scope", scope="`+string(p.Role)+`"`)
	case p.Status == http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
		a.log.WarnContext(r.Context(), "request not possible at the moment", "method", r.Method, "route", r.Pattern, "error", err)
	case p.Status == http.StatusInternalServerError:
		id := a.newID()
		p.Instance = "urn:allclear:error:" + id
		p.Detail = "this is our fault; it is in the service's log under " + id
		a.log.ErrorContext(r.Context(), "request failed", "id", id, "method", r.Method, "route", r.Pattern, "error", err)
	}
	body, _ := marshal(p) // plain strings and numbers
	write(w, "application/problem+json", p.Status, body)
}

// checkType refuses a body of another type than those wanted, or a packed one.
func checkType(r *http.Request, want ...string) error {
	if packed := r.Header.Get("Content-Encoding"); packed != "" && !strings.EqualFold(packed, "identity") {
		return &wrongType{"packed (Content-Encoding)", "it unpacked"}
	}
	given := r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(given)
	charset := params["charset"]
	if err != nil || !slices.Contains(want, media) || charset != "" && !strings.EqualFold(charset, "utf-8") {
		if given == "" {
			given = "of no stated type"
		}
		return &wrongType{notifier.Clip(given), strings.Join(want, " or ") + " in UTF-8"}
	}
	return nil
}
