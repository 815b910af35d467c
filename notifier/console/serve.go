package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"allclear/notifier"
	"allclear/subscribers"
)

// maxForm is the size of the largest form, in bytes; what is written about an
// incident is at most 64 KiB.
const maxForm = 256 << 10

// streamTime is how long a file of any size may take.
const streamTime = time.Hour

// mostFields is how many fields the form of an upload has at most.
const mostFields = 20

// route is one method of one path below Path, and the least role that it
// needs. Of do and stream it has one.
type route struct {
	method string
	path   string
	role   notifier.Role // "" lets in everybody: the door itself
	do     action
	// stream writes an answer of any size itself.
	stream func(w http.ResponseWriter, q *request) error
	upload bool // the form ends with a file of any size
	self   bool // pages ask it by themselves, so that it is no use of the session
}

// action answers a request.
type action func(q *request) (answer, error)

// request is one that was let in: who asks, and for a POST a form that came
// from a page of this session.
type request struct {
	*http.Request
	session notifier.Session // zero at the door
	secret  string           // what the browser holds; "" at the door
	form    url.Values       // of a POST
	file    *multipart.Part  // of an upload; not read yet
}

// answer is a page, or where to go next.
type answer struct {
	status  int // 0 is 200
	page    string
	data    any
	title   string
	to      string // a path of ours; the browser goes there by GET
	cookies []*http.Cookie
	styles  []string // sources of styles beside our own sheets, for the policy
	frames  bool     // it holds a frame with a page of ours
	framed  bool     // it is such a page: what it says alone, without head and menu
	file    *file
}

// file is something to keep.
type file struct {
	name, kind string
	body       []byte
}

// mux is every route with its guard. A path that there is not needs a session
// too, so that nobody outside learns what there is.
func (c *console) mux(routes []route) *http.ServeMux {
	mux := http.NewServeMux()
	byPath := map[string]map[string]route{}
	for _, r := range routes {
		if byPath[r.path] == nil {
			byPath[r.path] = map[string]route{}
		}
		byPath[r.path][r.method] = r
	}
	for path, methods := range byPath {
		mux.Handle(Path+path, c.answer(methods))
	}
	mux.Handle(Path+"/", c.answer(map[string]route{http.MethodGet: {role: notifier.RoleViewer, do: func(*request) (answer, error) {
		return answer{}, notifier.ErrNotFound
	}}}))
	for _, a := range c.views.assets {
		mux.Handle("GET "+a.Path, asset(a))
	}
	return mux
}

// answer lets in whoever may, and turns every error into a page. It is the only
// place where somebody is let in.
func (c *console) answer(methods map[string]route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{Request: r}
		defer c.recover(w, q)
		c.headers(w.Header())
		err := c.serve(w, q, methods)
		if err != nil {
			c.fail(w, q, err)
		}
	})
}

func (c *console) headers(h http.Header) {
	h.Set("Content-Security-Policy", c.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
}

func (c *console) serve(w http.ResponseWriter, q *request, methods map[string]route) error {
	method := q.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	to, ok := methods[method]
	if !ok {
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
		return errMethod
	}
	if !utf8.ValidString(q.URL.Path) || strings.ContainsRune(q.URL.Path, 0) {
		return notifier.ErrNotFound // no id is like that, and no database keeps it
	}
	if err := c.enter(q, to); err != nil {
		return err
	}
	if to.upload || to.stream != nil { // and nobody who was not let in
		out := http.NewResponseController(w)
		_ = out.SetReadDeadline(time.Now().Add(streamTime)) // where they cannot be set there are none
		_ = out.SetWriteDeadline(time.Now().Add(streamTime))
	}
	if method == http.MethodPost {
		if err := c.guard.Check(q.Request); err != nil {
			return errForeign
		}
		read := c.readForm
		if to.upload {
			read = c.readUpload
		}
		if err := read(w, q); err != nil {
			return err
		}
	}
	if to.stream != nil && q.Method == http.MethodHead {
		return nil // whoever does not want the body need not have it made
	}
	if to.stream != nil {
		return to.stream(w, q)
	}
	said, err := to.do(q)
	if err != nil {
		return err
	}
	return c.show(w, q, said)
}

// enter finds out who asks, and whether they may.
func (c *console) enter(q *request, to route) error {
	network := subscribers.Truncate(c.o.Client(q.Request))
	from := ""
	if network.IsValid() {
		from = network.String()
	}
	q.Request = q.WithContext(notifier.WithActor(q.Context(), notifier.Actor{Name: "console", Network: from}))
	find := c.o.Store.Session
	if to.self {
		find = c.o.Store.SessionStill
	}
	if err := c.recognise(q, find); err != nil {
		return err
	}
	if to.role == "" {
		return nil
	}
	if q.session.ID == "" {
		return errOutside
	}
	who := q.session.Staff.Actor()
	who.Network = from
	q.Request = q.WithContext(notifier.WithActor(q.Context(), who))
	if !who.Role.Can(to.role) {
		return &notAllowed{has: who.Role, needs: to.role}
	}
	return nil
}

// readForm reads a form and checks that a page of ours, of this session, sent it.
func (c *console) readForm(w http.ResponseWriter, q *request) error {
	q.Body = http.MaxBytesReader(w, q.Body, maxForm)
	if err := q.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return err
		}
		return errUnreadable
	}
	q.form = q.PostForm
	return c.checkForm(q)
}

// readUpload reads a form up to the file at its end.
func (c *console) readUpload(_ http.ResponseWriter, q *request) error {
	parts, err := q.MultipartReader()
	if err != nil {
		return errUnreadable
	}
	q.form = url.Values{}
	for left := int64(maxForm); ; {
		part, err := parts.NextPart()
		if err != nil || len(q.form) > mostFields { // there is no file
			return errUnreadable
		}
		if part.FormName() == "file" {
			q.file = part
			return c.checkForm(q)
		}
		value, err := io.ReadAll(io.LimitReader(part, left+1))
		if left -= int64(len(value)) + 1; err != nil || left < 0 {
			return errUnreadable
		}
		q.form.Add(part.FormName(), string(value))
	}
}

// checkForm checks that a form is text, and from a page of ours, of this session.
func (c *console) checkForm(q *request) error {
	for name, values := range q.form {
		for i, v := range values {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return notifier.Invalidf(notifier.Clip(name), "holds what is no text")
			}
			values[i] = strings.ReplaceAll(v, "\r\n", "\n")
		}
	}
	if !c.ownForm(q, q.form.Get("form")) {
		return errStale
	}
	return nil
}

func (c *console) show(w http.ResponseWriter, q *request, said answer) error {
	for _, k := range said.cookies {
		http.SetCookie(w, k)
	}
	switch {
	case said.to != "":
		http.Redirect(w, q.Request, said.to, http.StatusSeeOther)
		return nil
	case said.file != nil:
		w.Header().Set("Content-Type", said.file.kind)
		w.Header().Set("Content-Disposition", `attachment; filename="`+said.file.name+`"`)
		_, _ = w.Write(said.file.body)
		return nil
	}
	w.Header().Set("Content-Security-Policy", policyFor(c.policy, said))
	var body bytes.Buffer
	if err := c.views.render(&body, said.page, c.frame(q, said)); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(max(said.status, http.StatusOK))
	_, _ = io.Copy(w, &body)
	return nil
}

// policyFor lets in what one answer needs, and no more.
func policyFor(policy string, said answer) string {
	if len(said.styles) > 0 {
		policy = strings.Replace(policy, "style-src 'self'", "style-src 'self' "+strings.Join(said.styles, " "), 1)
	}
	if said.frames {
		policy += "; frame-src 'self'"
	}
	if said.framed {
		policy = strings.Replace(policy, "frame-ancestors 'none'", "frame-ancestors 'self'", 1)
	}
	return policy
}

// recover answers a panic like any other fault of ours.
func (c *console) recover(w http.ResponseWriter, q *request) {
	what := recover()
	if what == nil {
		return
	}
	if err, ok := what.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(what)
	}
	c.fail(w, q, fmt.Errorf("panic: %v", what))
}
