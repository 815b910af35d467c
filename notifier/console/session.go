package console

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"allclear/notifier"
)

// The cookies: of a session, and before there is one. Where the console is
// reached by https their names begin so that browsers take them from nobody
// else (RFC 6265bis, section 4.1.3.2).
const (
	sessionCookie = "allclear-console"
	doorCookie    = "allclear-door"
	deviceCookie  = "allclear-device"
)

// deviceLife is for how long a browser is known in which somebody signed in.
const deviceLife = 180 * 24 * time.Hour

func (c *console) cookieName(name string) string {
	if c.secure() {
		return "__Host-" + name
	}
	return name
}

// cookie makes one that scripts cannot read and other sites' forms do not
// bring along; "" takes it away.
func (c *console) cookie(name, value string) *http.Cookie {
	k := &http.Cookie{
		Name: c.cookieName(name), Value: value, Path: "/", HttpOnly: true, Secure: c.secure(), SameSite: http.SameSiteLaxMode,
		MaxAge: int(notifier.SessionLife.Seconds()),
	}
	if value == "" {
		k.MaxAge = -1
	}
	return k
}

// newSecret is what a browser holds: 256 random bits, of which only the SHA-256 is kept.
func newSecret() (secret string, hash [32]byte) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	secret = base64.RawURLEncoding.EncodeToString(raw)
	return secret, sha256.Sum256([]byte(secret))
}

// recognise finds the session of a request, where there is one.
func (c *console) recognise(q *request, find func(context.Context, [32]byte) (notifier.Session, error)) error {
	k, err := q.Cookie(c.cookieName(sessionCookie))
	if err != nil || k.Value == "" {
		return nil //nolint:nilerr // nobody is signed in
	}
	x, err := find(q.Context(), sha256.Sum256([]byte(k.Value)))
	if errors.Is(err, notifier.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	q.session, q.secret = x, k.Value
	return nil
}

// formToken is what every form of a session carries. It is derived from what
// only this browser holds, so that nothing has to be kept, and says nothing of it.
func (c *console) formToken(secret string) string {
	mac := hmac.New(sha256.New, c.o.Key)
	mac.Write([]byte("form " + secret))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// ownForm reports whether a form's token is that of the session, or at the door
// that of the browser which asked for the page.
func (c *console) ownForm(q *request, token string) bool {
	secret := q.secret
	if secret == "" {
		k, err := q.Cookie(c.cookieName(doorCookie))
		if err != nil || k.Value == "" {
			return false
		}
		secret = "door " + k.Value
	}
	return hmac.Equal([]byte(token), []byte(c.formToken(secret)))
}

// door is the token and cookie for a form of somebody who is not signed in.
func (c *console) door(q *request) (token string, cookies []*http.Cookie) {
	value := ""
	if k, err := q.Cookie(c.cookieName(doorCookie)); err == nil {
		value = k.Value
	}
	if value == "" {
		value, _ = newSecret()
		k := c.cookie(doorCookie, value)
		k.MaxAge = 0 // until the browser is closed
		cookies = append(cookies, k)
	}
	return c.formToken("door " + value), cookies
}

// device is what this browser is known by as one in which the owner of a name
// signed in before; "" where it is not. It lets nobody in, and is only counted by
// itself, so that strangers who try the name do not keep its owner out.
func (c *console) device(q *request, name string) string {
	k, err := q.Cookie(c.cookieName(deviceCookie))
	if err != nil {
		return ""
	}
	id, mark, _ := strings.Cut(k.Value, ".")
	if len(id) != 43 || !hmac.Equal([]byte(mark), []byte(c.deviceMark(id, name))) {
		return ""
	}
	return id
}

func (c *console) deviceMark(id, name string) string {
	mac := hmac.New(sha256.New, c.o.Key)
	mac.Write([]byte("device " + id + " " + name))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// letIn are the cookies of a browser in which somebody just signed in.
func (c *console) letIn(q *request, who notifier.Staff, secret string) []*http.Cookie {
	id := c.device(q, who.Name)
	if id == "" {
		id, _ = newSecret()
	}
	known := c.cookie(deviceCookie, id+"."+c.deviceMark(id, who.Name))
	known.MaxAge = int(deviceLife.Seconds())
	return []*http.Cookie{c.cookie(sessionCookie, secret), c.cookie(doorCookie, ""), known}
}

// begin is a new session as a request asks for it.
func (c *console) begin(q *request, who notifier.Staff) notifier.Session {
	agent := strings.ToValidUTF8(q.UserAgent(), "\ufffd")
	if len(agent) > 200 {
		agent = strings.ToValidUTF8(agent[:200], "")
	}
	return notifier.Session{Staff: who, Network: notifier.ActorFrom(q.Context()).Network, Agent: agent}
}

// inside is where to go after signing in: a path of the console, and nothing
// that a browser would take for another site.
func inside(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.ContainsAny(to, "\\\r\n\t") ||
		u.Path != Path && !strings.HasPrefix(u.Path, Path+"/") || path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") || strings.HasPrefix(u.Path, Path+"/sign-in") {
		return Path
	}
	return u.RequestURI()
}
