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
	network, device := notifier.ActorFrom(q.Context()).Network, c.device(q, name)
	var err error
	if device == "" {
		err = c.crowd.enter(network, c.o.Now())
	}
	if err == nil {
		err = c.o.Store.TakeSignIn(q.Context(), name, network, device)
	}
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
	c.crowd.leave(network)
	c.o.Log.Info("signed in", "part", "console", "staff", x.Staff.ID)
	return answer{to: p.To, cookies: c.letIn(q, x.Staff, secret)}, nil
}

// prove checks what somebody sent and begins their session. It never says which
// part was wrong: that is ErrNotFound, or ErrConflict for a code used before.
func (c *console) prove(q *request, name string) (x notifier.Session, secret string, err error) {
	who, kept, err := c.o.Store.StaffCredentials(q.Context(), name)
	if errors.Is(err, notifier.ErrConflict) { // to whoever asks a code is wrong; to whoever can mend it, this
		c.o.Log.Error("somebody who may sign in cannot: their second factor does not open with the service's secret; restore the secret, or make them a new link by allclear staff reset",
			"part", "console", "staff", who.ID, "error", err)
	} else if err != nil && !errors.Is(err, notifier.ErrNotFound) {
		return x, "", err
	}
	proof, proven, err := c.proves(q, who, kept, "password")
	if err != nil {
		return x, "", err
	}
	if !proven {
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

// proves checks a form's password, in the field of that name, and its code.
// Whoever knows the password may try few codes: once they are spent only a
// recovery code counts, which nobody guesses. What is answered, and what is
// done for it, is the same whichever was wrong.
func (c *console) proves(q *request, who notifier.Staff, kept notifier.Credentials, field string) (notifier.Proof, bool, error) {
	counted := "nobody"
	right := c.hash.matches(kept.Password, q.form.Get(field))
	if right {
		counted = who.ID
	}
	err := c.o.Store.TakeCode(q.Context(), counted)
	var often *notifier.TooOften
	spent := errors.As(err, &often)
	if err != nil && !spent {
		return notifier.Proof{}, false, err
	}
	proof, ok := proofOf(kept, q.form.Get("code"), c.o.Now())
	return proof, right && ok && (!spent || proof.Recovery != nil), nil
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
