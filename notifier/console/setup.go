package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"html/template"
	"net/http"

	"allclear/notifier"
)

// setUpPage is where a link leads with which somebody sets a password and a
// second factor.
type setUpPage struct {
	Form  string
	Name  string
	Key   string        // the second factor's, to be typed; "" before somebody began
	URL   template.URL  // the same, for an authenticator on this device
	Code  template.HTML // the same, for another device's camera; "" where it is too long
	Wrong map[string]string
}

// codesPage shows recovery codes, this once.
type codesPage struct {
	Codes []string
	Fresh bool // in place of older ones
}

// factorOf is the second factor that a link offers to a browser. It is derived
// from both, so that nothing has to be kept and looking again offers the same,
// and so that who sees the link in another browser does not see the key.
func (c *console) factorOf(token, holder string) []byte {
	mac := hmac.New(sha256.New, c.o.Key)
	mac.Write([]byte("second factor " + token + " " + holder))
	return mac.Sum(nil)[:factorSize]
}

// holder is what only this browser holds: its session's secret, or at the door its cookie's.
func (c *console) holder(q *request) string {
	if q.secret != "" {
		return q.secret
	}
	k, err := q.Cookie(c.cookieName(doorCookie))
	if err != nil {
		return ""
	}
	return "door " + k.Value
}

// setUpAsk says whose link it is. The key is shown only to who presses the
// button: programs that look at every link in a mail press none.
func (c *console) setUpAsk(q *request) (answer, error) {
	who, err := c.linked(q)
	if err != nil {
		return answer{}, err
	}
	p := setUpPage{Name: who.Name}
	said := answer{page: "set-up", title: "Set up your sign-in"}
	p.Form, said.cookies = c.formFor(q)
	said.data = p
	return said, nil
}

// linked is whose link it is.
func (c *console) linked(q *request) (notifier.Staff, error) {
	who, err := c.o.Store.StaffByLink(q.Context(), sha256.Sum256([]byte(q.PathValue("token"))))
	if errors.Is(err, notifier.ErrNotFound) {
		return who, notifier.Refuse(notifier.ErrNotFound, "This link is not good any more: it was used, replaced, or is older than 24 hours. An admin, or allclear staff reset, makes a new one.")
	}
	return who, err
}

func (c *console) setUpAgain(q *request, status int, wrong map[string]string) (answer, error) {
	who, err := c.linked(q)
	if err != nil {
		return answer{}, err
	}
	secret := c.factorOf(q.PathValue("token"), c.holder(q))
	address := factorURL(secret, c.o.Name, who.Name)
	p := setUpPage{
		Name: who.Name, Code: picture(address, "The key as a picture for the authenticator's camera"), Key: spaced(base32Text.EncodeToString(secret)), Wrong: wrong,
		URL: template.URL(address), //nolint:gosec // made here, every part escaped
	}
	said := answer{status: status, page: "set-up", title: "Set up your sign-in"}
	p.Form, said.cookies = c.formFor(q)
	said.data = p
	return said, nil
}

// formFor is the token for a form that is open to everybody: of the session
// where there is one.
func (c *console) formFor(q *request) (string, []*http.Cookie) {
	if q.secret != "" {
		return c.formToken(q.secret), nil
	}
	return c.door(q)
}

func (c *console) setUp(q *request) (answer, error) {
	if q.form.Get("do") == "begin" {
		return c.setUpAgain(q, http.StatusOK, nil)
	}
	token := q.PathValue("token")
	link := sha256.Sum256([]byte(token))
	who, err := c.o.Store.StaffByLink(q.Context(), link)
	if err != nil {
		return c.setUpAgain(q, http.StatusOK, nil)
	}
	password, wrong := q.form.Get("password"), map[string]string{}
	var inv *notifier.Invalid
	if err := checkPassword(password, who.Name); errors.As(err, &inv) {
		wrong["password"] = "The password " + inv.Message + "."
	} else if password != q.form.Get("again") {
		wrong["again"] = "The two are not the same."
	}
	secret := c.factorOf(token, c.holder(q))
	step, ok := stepOf(secret, q.form.Get("code"), c.o.Now())
	if !ok {
		wrong["code"] = "This is not the code that the authenticator shows now. Where it is right there, one of the two clocks is wrong."
	}
	if len(wrong) > 0 {
		return c.setUpAgain(q, http.StatusUnprocessableEntity, wrong)
	}
	codes, hashes := newRecovery()
	held, hash := newSecret()
	x, err := c.o.Store.SetUpAndEnter(q.Context(), link, notifier.Credentials{Password: c.hash.hash(password), Secret: secret, Step: step, Recovery: hashes}, c.begin(q, who), hash)
	if errors.Is(err, notifier.ErrNotFound) {
		return c.setUpAgain(q, http.StatusOK, nil)
	}
	if err != nil {
		return answer{}, err
	}
	c.endOld(q)
	q.session, q.secret = x, held
	return answer{
		page: "codes", title: "Your recovery codes", data: codesPage{Codes: codes},
		cookies: c.letIn(q, x.Staff, held),
	}, nil
}
