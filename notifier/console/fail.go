package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"allclear/notifier"
)

// Errors that only a page knows.
var (
	errMethod     = errors.New("the method is not possible here")
	errForeign    = errors.New("the form was sent from another site")
	errUnreadable = errors.New("no form of ours")
	errStale      = errors.New("the form is of another session")
	errOutside    = errors.New("nobody is signed in")
)

// notAllowed is what somebody's role is too little for.
type notAllowed struct{ has, needs notifier.Role }

func (e *notAllowed) Error() string { return fmt.Sprintf("needs the role %s", e.needs) }

// trouble is a page that says why something did not work and what to do.
type trouble struct {
	Heading, Sentence, Advice string
}

// fail shows an error. It is the only place where one becomes a status.
func (c *console) fail(w http.ResponseWriter, q *request, err error) {
	status := http.StatusInternalServerError
	var says trouble
	var large *http.MaxBytesError
	var inv *notifier.Invalid
	var refusal *notifier.Refusal
	var role *notAllowed
	var often *notifier.TooOften
	switch {
	case errors.Is(err, errOutside):
		c.toSignIn(w, q)
		return
	case errors.As(err, &role):
		status, says = http.StatusForbidden, trouble{"Not for your role", fmt.Sprintf("This needs the role %s, and yours is %s.", role.needs, role.has), "An admin can give you another role."}
	case errors.Is(err, errMethod):
		status, says = http.StatusMethodNotAllowed, trouble{"Not possible this way", "The page does not take what was sent.", "Go back and use the page's own buttons."}
	case errors.Is(err, errForeign):
		status, says = http.StatusForbidden, trouble{"Sent from another site", "The form did not come from a page of this console, so nothing was done.", "Open the page here and press its own button."}
	case errors.Is(err, errStale):
		status, says = http.StatusForbidden, trouble{"The page is of another session", "You signed in anew since this page was opened, so nothing was done.", "Go back, copy what you wrote, load the page again, and paste it."}
	case errors.Is(err, errUnreadable):
		status, says = http.StatusBadRequest, trouble{"Not understood", "What was sent is no form of this console.", "Go back and use the page's own buttons."}
	case errors.As(err, &large):
		status, says = http.StatusRequestEntityTooLarge, trouble{"Too large", "What was sent is larger than a form may be, so nothing was done.", "Go back and send less."}
	case errors.As(err, &often):
		w.Header().Set("Retry-After", strconv.Itoa(int(often.Wait/time.Second)+1))
		status, says = http.StatusTooManyRequests, trouble{"Too often", "This was asked too often, so nothing was done.", "Try again in " + often.Wait.Round(time.Second).String() + "."}
	case errors.As(err, &inv):
		status, says = http.StatusUnprocessableEntity, trouble{"Not done", inv.Error(), "Go back and mend it."}
	case errors.As(err, &refusal) && errors.Is(err, notifier.ErrNotFound):
		status, says = http.StatusNotFound, trouble{"Not there", refusal.Message, ""}
	case errors.As(err, &refusal) && errors.Is(err, notifier.ErrConflict):
		status, says = http.StatusConflict, trouble{"Not done", refusal.Message, "Look at how it stands now, and decide anew."}
	case errors.Is(err, notifier.ErrNotFound):
		status, says = http.StatusNotFound, trouble{"Not there", "There is nothing at this address, or not any more.", ""}
	case errors.Is(err, notifier.ErrUnavailable):
		w.Header().Set("Retry-After", "5")
		status, says = http.StatusServiceUnavailable, trouble{"Not just now", "The database does not answer, so nothing was done.", "Send the same again in a moment."}
		c.o.Log.Warn("console", "part", "console", "error", err)
	case q.Context().Err() != nil: // whoever asked has gone, or it took too long; no answer at all would be a 200
		status, says = http.StatusServiceUnavailable, trouble{"It took too long", "Whether anything was done is not known.", "Look at how it stands now before you send it again."}
	default:
		id := c.o.NewID()
		c.o.Log.Error("console", "part", "console", "id", id, "method", q.Method, "route", q.Pattern, "error", err)
		says = trouble{"Something broke here", "This is a fault of the program; nothing that you did.", "The log has it under id " + id + "."}
	}
	if shown := c.show(w, q, answer{status: status, page: "trouble", title: says.Heading, data: says}); shown != nil {
		http.Error(w, says.Heading, status)
	}
}

// toSignIn leads whoever is not signed in to the door, and back afterwards.
func (c *console) toSignIn(w http.ResponseWriter, q *request) {
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		says := trouble{"You are not signed in", "Your session is over, so nothing was done.", "Sign in on another tab, then go back and copy what you wrote into a new page."}
		if err := c.show(w, q, answer{status: http.StatusForbidden, page: "trouble", title: says.Heading, data: says}); err != nil {
			http.Error(w, says.Heading, http.StatusForbidden)
		}
		return
	}
	to := Path + "/sign-in"
	if at := q.URL.RequestURI(); at != Path && at != Path+"/" {
		to += "?to=" + url.QueryEscape(at)
	}
	http.Redirect(w, q.Request, to, http.StatusSeeOther)
}
