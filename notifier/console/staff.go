package console

import (
	"crypto/sha256"
	"errors"
	"net/http"

	"allclear/notifier"
)

// staffPage lists everybody, and where they are signed in.
type staffPage struct {
	Staff    []notifier.Staff
	Sessions []notifier.Session
	Roles    []notifier.Role
	Me       string
	Name     string // of a form that is to be mended
	Role     notifier.Role
	Wrong    string
	Link     string // just made; shown this once
	LinkFor  string
}

func (c *console) staff(q *request) (answer, error) { return c.staffWith(q, staffPage{}) }

func (c *console) staffWith(q *request, p staffPage) (answer, error) {
	var err error
	if p.Staff, err = c.o.Store.StaffList(q.Context()); err != nil {
		return answer{}, err
	}
	if p.Sessions, err = c.o.Store.Sessions(q.Context(), ""); err != nil {
		return answer{}, err
	}
	p.Roles, p.Me = notifier.Roles, q.session.Staff.Name
	said := answer{page: "staff", title: "Staff", data: p}
	if p.Wrong != "" {
		said.status = http.StatusUnprocessableEntity
	}
	return said, nil
}

// newLink makes a link to set up, and what is kept of it.
func (c *console) newLink() (url string, hash [32]byte) {
	token, _ := newSecret()
	return c.o.BaseURL + Path + "/set-up/" + token, sha256.Sum256([]byte(token))
}

func (c *console) addStaff(q *request) (answer, error) {
	name, p := q.form.Get("name"), staffPage{}
	role, err := notifier.ParseRole(q.form.Get("role"))
	if err == nil {
		err = notifier.CheckStaffName(name)
	}
	if err == nil {
		var hash [32]byte
		p.Link, hash = c.newLink()
		_, err = c.o.Store.AddStaff(q.Context(), notifier.Staff{Name: name, Role: role, LinkUntil: c.o.Now().Add(notifier.SetUpLife)}, hash)
	}
	var inv *notifier.Invalid
	var refusal *notifier.Refusal
	switch {
	case errors.As(err, &inv), errors.As(err, &refusal):
		return c.staffWith(q, staffPage{Name: notifier.Clip(name), Role: role, Wrong: err.Error()})
	case err != nil:
		return answer{}, err
	}
	p.LinkFor = name
	return c.staffWith(q, p)
}

// other refuses what somebody would do to themselves: whoever acts is an admin,
// so one is always left.
func other(q *request) (string, error) {
	name := q.PathValue("name")
	if name == q.session.Staff.Name {
		return "", notifier.Refuse(notifier.ErrConflict, "You cannot do this to yourself; another admin can, or allclear staff on the server.")
	}
	return name, nil
}

func (c *console) changeRole(q *request) (answer, error) {
	name, err := other(q)
	if err != nil {
		return answer{}, err
	}
	role, err := notifier.ParseRole(q.form.Get("role"))
	if err != nil {
		return answer{}, err
	}
	_, err = c.o.Store.ChangeStaffRole(q.Context(), name, role)
	return answer{to: Path + "/staff?done=role"}, err
}

func (c *console) resetStaff(q *request) (answer, error) {
	name, err := other(q)
	if err != nil {
		return answer{}, err
	}
	link, hash := c.newLink()
	if _, err := c.o.Store.ResetStaff(q.Context(), name, hash, c.o.Now().Add(notifier.SetUpLife)); err != nil {
		return answer{}, err
	}
	return c.staffWith(q, staffPage{Link: link, LinkFor: name})
}

func (c *console) removeStaff(q *request) (answer, error) {
	name, err := other(q)
	if err != nil {
		return answer{}, err
	}
	return answer{to: Path + "/staff?done=removed"}, c.o.Store.RemoveStaff(q.Context(), name)
}

func (c *console) endSession(q *request) (answer, error) {
	return answer{to: Path + "/staff?done=session"}, c.o.Store.EndSession(q.Context(), "", q.form.Get("session"))
}
