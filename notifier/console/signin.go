package console

import (
	"errors"
	"net/http"
	"strings"

	"allclear/notifier"
)

// signInPage is the door. Name, password and code are asked for together, so
// that nobody learns which of them was wrong.
type signInPage struct {
	Form  string
	To    string
	Name  string
	Wrong string
}

func (c *console) signInAsk(q *request) (answer, error) {
	if q.session.ID != "" {
		return answer{to: inside(q.URL.Query().Get("to"))}, nil
	}
	return c.signInAgain(q, http.StatusOK, signInPage{To: inside(q.URL.Query().Get("to"))}), nil
}

func (c *console) signInAgain(q *request, status int, p signInPage) answer {
	var cookies []*http.Cookie
	p.Form, cookies = c.door(q)
	return answer{status: status, page: "sign-in", title: "Sign in", data: p, cookies: cookies}
}

// signIn lets somebody in. Whatever is wrong the answer is the same, and so is
// the work: a name that nobody has costs a hash as well.
func (c *console) signIn(q *request) (answer, error) {
	name := strings.ToLower(strings.TrimSpace(q.form.Get("name")))
	p := signInPage{To: inside(q.form.Get("to")), Name: notifier.Clip(name)}
	var often *notifier.TooOften
	err := c.o.Store.TakeSignIn(q.Context(), name, notifier.ActorFrom(q.Context()).Network)
	if errors.As(err, &often) {
		p.Wrong = "Too many tries. Wait a minute before the next one."
		return c.signInAgain(q, http.StatusTooManyRequests, p), nil
	}
	if err != nil {
		return answer{}, err
	}
	x, secret, err := c.prove(q, name)
	if errors.Is(err, notifier.ErrNotFound) || errors.Is(err, notifier.ErrConflict) {
		p.Wrong = "Name, password or code is wrong, or the code was used already. A new code comes every 30 seconds."
		return c.signInAgain(q, http.StatusUnprocessableEntity, p), nil
	}
	if err != nil {
		return answer{}, err
	}
	c.endOld(q)
	c.o.Log.Info("signed in", "part", "console", "staff", x.Staff.ID)
	return answer{to: p.To, cookies: []*http.Cookie{c.cookie(sessionCookie, secret), c.cookie(doorCookie, "")}}, nil
}

// prove checks what somebody sent and begins their session. It never says which
// part was wrong: that is ErrNotFound, or ErrConflict for a code used before.
func (c *console) prove(q *request, name string) (x notifier.Session, secret string, err error) {
	who, kept, err := c.o.Store.StaffCredentials(q.Context(), name)
	if err != nil && !errors.Is(err, notifier.ErrNotFound) {
		return x, "", err
	}
	right := c.hash.matches(kept.Password, q.form.Get("password"))
	proof, proven := proofOf(kept, q.form.Get("code"), c.o.Now())
	if !right || !proven {
		// Noted for every name alike: whose it is, is known only where somebody's is.
		if err := c.o.Store.Audit(q.Context(), "session.refused", who.ID, ""); err != nil {
			return x, "", err
		}
		return x, "", notifier.ErrNotFound
	}
	secret, hash := newSecret()
	x, err = c.o.Store.BeginSession(q.Context(), c.begin(q, who), hash, kept.Password, proof)
	return x, secret, err
}

// endOld ends the session that this browser had before it signed in anew.
func (c *console) endOld(q *request) {
	if q.session.ID == "" {
		return
	}
	if err := c.o.Store.EndSession(q.Context(), "", q.session.ID); err != nil && !errors.Is(err, notifier.ErrNotFound) {
		c.o.Log.Warn("end an old session", "part", "console", "error", err)
	}
}

func (c *console) signOut(q *request) (answer, error) {
	err := c.o.Store.EndSession(q.Context(), q.session.Staff.ID, q.session.ID)
	if err != nil && !errors.Is(err, notifier.ErrNotFound) {
		return answer{}, err
	}
	return answer{to: Path + "/sign-in", cookies: []*http.Cookie{c.cookie(sessionCookie, "")}}, nil
}
