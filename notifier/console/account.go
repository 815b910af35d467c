package console

import (
	"errors"
	"net/http"

	"allclear/notifier"
)

// accountPage is a person's own sign-in.
type accountPage struct {
	Me       notifier.Staff
	Sessions []notifier.Session
	Current  string
	Left     int // recovery codes
	Wrong    string
	Done     string
}

func (c *console) account(q *request) (answer, error) { return c.accountAgain(q, "") }

func (c *console) accountAgain(q *request, wrong string) (answer, error) {
	sessions, err := c.o.Store.Sessions(q.Context(), q.session.Staff.ID)
	if err != nil {
		return answer{}, err
	}
	_, kept, err := c.o.Store.StaffCredentials(q.Context(), q.session.Staff.Name)
	if err != nil {
		return answer{}, err
	}
	said := answer{page: "account", title: "Your account"}
	if wrong != "" {
		said.status = http.StatusUnprocessableEntity
	}
	said.data = accountPage{Me: q.session.Staff, Sessions: sessions, Current: q.session.ID, Left: len(kept.Recovery), Wrong: wrong, Done: q.URL.Query().Get("done")}
	return said, nil
}

// proven checks password and code of whoever is signed in, before what only
// they themselves may do.
func (c *console) proven(q *request) (notifier.Proof, string, error) {
	who := q.session.Staff
	// Who is signed in already is no stranger, and counted by themselves.
	if err := c.o.Store.TakeSignIn(q.Context(), who.Name, notifier.ActorFrom(q.Context()).Network, "session of "+who.ID); err != nil {
		return notifier.Proof{}, "", err
	}
	_, kept, err := c.o.Store.StaffCredentials(q.Context(), who.Name)
	if err != nil && !errors.Is(err, notifier.ErrConflict) { // a recovery code counts all the same
		return notifier.Proof{}, "", err
	}
	proof, ok, err := c.proves(q, who, kept, "current")
	if err != nil || ok {
		return proof, "", err
	}
	return proof, "The password or the code is wrong, or the code was used already.", nil
}

func (c *console) changePassword(q *request) (answer, error) {
	password := q.form.Get("password")
	var inv *notifier.Invalid
	if err := checkPassword(password, q.session.Staff.Name); errors.As(err, &inv) {
		return c.accountAgain(q, "The new password "+inv.Message+".")
	}
	if password != q.form.Get("again") {
		return c.accountAgain(q, "The new password and its repetition are not the same.")
	}
	proof, wrong, err := c.proven(q)
	if err != nil {
		return answer{}, err
	}
	if wrong != "" {
		return c.accountAgain(q, wrong)
	}
	err = c.o.Store.ChangeOwnPassword(q.Context(), q.session.Staff.ID, q.session.ID, c.hash.hash(password), proof)
	if errors.Is(err, notifier.ErrConflict) {
		return c.accountAgain(q, "The code was used already; wait for the next one.")
	}
	return answer{to: Path + "/account?done=password"}, err
}

func (c *console) renewCodes(q *request) (answer, error) {
	proof, wrong, err := c.proven(q)
	if err != nil {
		return answer{}, err
	}
	if wrong != "" {
		return c.accountAgain(q, wrong)
	}
	codes, hashes := newRecovery()
	err = c.o.Store.RenewRecovery(q.Context(), q.session.Staff.ID, hashes, proof)
	if errors.Is(err, notifier.ErrConflict) {
		return c.accountAgain(q, "The code was used already; wait for the next one.")
	}
	return answer{page: "codes", title: "Your recovery codes", data: codesPage{Codes: codes, Fresh: true}}, err
}

func (c *console) endOwnSession(q *request) (answer, error) {
	err := c.o.Store.EndSession(q.Context(), q.session.Staff.ID, q.form.Get("session"))
	return answer{to: Path + "/account?done=session"}, err
}
