package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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
	Back                      link // to the list that the page belongs to
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
		status, says = http.StatusForbidden, trouble{Heading: "Not for your role", Sentence: fmt.Sprintf("This needs the role %s, and yours is %s.", role.needs, role.has), Advice: "An admin can give you another role."}
	case errors.Is(err, errMethod):
		status, says = http.StatusMethodNotAllowed, trouble{Heading: "Not possible this way", Sentence: "The page does not take what was sent.", Advice: "Go back and use the page's own buttons."}
	case errors.Is(err, errForeign):
		status, says = http.StatusForbidden, trouble{Heading: "Sent from another site", Sentence: "The form did not come from a page of this console, so nothing was done.", Advice: "Open the page here and press its own button."}
	case errors.Is(err, errStale):
		status, says = http.StatusForbidden, trouble{Heading: "The page is of another session", Sentence: "You signed in anew since this page was opened, so nothing was done.", Advice: "Go back, copy what you wrote, load the page again, and paste it."}
	case errors.Is(err, errUnreadable):
		status, says = http.StatusBadRequest, trouble{Heading: "Not understood", Sentence: "What was sent is no form of this console.", Advice: "Go back and use the page's own buttons."}
	case errors.As(err, &large):
		status, says = http.StatusRequestEntityTooLarge, trouble{Heading: "Too large", Sentence: "What was sent is larger than a form may be, so nothing was done.", Advice: "Go back and send less."}
	case errors.As(err, &often):
		w.Header().Set("Retry-After", strconv.Itoa(int(often.Wait/time.Second)+1))
		status, says = http.StatusTooManyRequests, trouble{Heading: "Too often", Sentence: "This was asked too often, so nothing was done.", Advice: "Try again in " + often.Wait.Round(time.Second).String() + "."}
	case errors.As(err, &inv):
		status, says = http.StatusUnprocessableEntity, trouble{Heading: "Not done", Sentence: inv.Error(), Advice: "Go back and mend it."}
	case errors.As(err, &refusal) && errors.Is(err, notifier.ErrNotFound):
		status, says = http.StatusNotFound, trouble{Heading: "Not there", Sentence: refusal.Message, Advice: ""}
	case errors.As(err, &refusal) && errors.Is(err, notifier.ErrConflict):
		status, says = http.StatusConflict, trouble{Heading: "Not done", Sentence: refusal.Message, Advice: "Look at how it stands now, and decide anew."}
	case errors.As(err, &refusal) && errors.Is(err, notifier.ErrUnavailable):
		status, says = http.StatusServiceUnavailable, trouble{Heading: "Not just now", Sentence: refusal.Message, Advice: "Try again once that answers."}
	case errors.Is(err, notifier.ErrNotFound):
		status, says = http.StatusNotFound, trouble{Heading: "Not there", Sentence: "There is nothing at this address, or not any more.", Advice: ""}
	case errors.Is(err, notifier.ErrUnavailable):
		w.Header().Set("Retry-After", "5")
		status, says = http.StatusServiceUnavailable, trouble{Heading: "Not just now", Sentence: "The database does not answer, so nothing was done.", Advice: "Send the same again in a moment."}
		c.o.Log.Warn("console", "part", "console", "error", err)
	case q.Context().Err() != nil: // whoever asked has gone, or it took too long; no answer at all would be a 200
		status, says = http.StatusServiceUnavailable, trouble{Heading: "It took too long", Sentence: "Whether anything was done is not known.", Advice: "Look at how it stands now before you send it again."}
	default:
		id := c.o.NewID()
		c.o.Log.Error("console", "part", "console", "id", id, "method", q.Method, "route", q.Pattern, "error", err)
		says = trouble{Heading: "Something broke here", Sentence: "This is a fault of the program; nothing that you did.", Advice: "The log has it under id " + id + "."}
	}
	for _, s := range sections() {
		if s.path != "" && strings.HasPrefix(q.URL.Path, Path+s.path+"/") && q.session.Staff.Role.Can(s.role) {
			says.Back = link{Path: Path + s.path, Text: s.text}
		}
	}
	if shown := c.show(w, q, answer{status: status, page: "trouble", title: says.Heading, data: says}); shown != nil {
		http.Error(w, says.Heading, status)
	}
}

// toSignIn leads whoever is not signed in to the door, and back afterwards.
func (c *console) toSignIn(w http.ResponseWriter, q *request) {
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		says := trouble{Heading: "You are not signed in", Sentence: "Your session is over, so nothing was done.", Advice: "Sign in on another tab, then go back and copy what you wrote into a new page."}
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
