// Package api is the HTTP interface of staff and machines: JSON in, JSON out,
// under /api/v1, described by the OpenAPI document that it serves.
package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"allclear/notifier"
)

// MaxBody is the size of the largest JSON body, in bytes.
const MaxBody = 1 << 20

// Options is what an API is made from. All but Zone, HoldDown, Log and Client are mandatory.
type Options struct {
	Store   Store
	BaseURL string           // of the public pages, without a slash at its end
	Now     func() time.Time // the service's clock
	NewID   func() string    // opaque, unguessable
	Zone    *time.Location   // of clock times written without a zone; nil is UTC
	// HoldDown is how long an incident's first news waits for its all-clear.
	HoldDown time.Duration
	Log      *slog.Logger // nil is nowhere
	Prober   Prober
	Notices  NoticeDesk
	// Client is the address that a request comes from; nil is not known.
	Client func(*http.Request) netip.Addr
}

// New makes the handler of everything below /api/.
func New(o Options) http.Handler {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &api{gate: o.Store, owners: o.Store, newID: o.NewID, log: o.Log, client: o.Client}
	return a.mux(routes(o))
}

// routes is everything there is.
func routes(o Options) []route {
	desk := func() notifier.Desk {
		return notifier.Desk{Now: o.Now(), Zone: o.Zone, NewID: o.NewID, HoldDown: o.HoldDown}
	}
	url := func(id string) string { return strings.TrimRight(o.BaseURL, "/") + "/incidents/" + id }
	return slices.Concat(
		componentRoom{store: o.Store, now: o.Now}.routes(),
		incidentRoom{incidents: o.Store, archive: o.Store, waiting: o.Store, desk: desk, url: url}.routes(),
		intakeRoom{components: o.Store, alerts: o.Store, desk: desk, url: url}.routes(),
		deliveryRoom{events: o.Store, deliveries: o.Store, archive: o.Store}.routes(),
		queueRoom{store: o.Store, waiting: o.Store, now: o.Now}.routes(),
		subscriberRoom{store: o.Store, seconds: o.Store, add: o.Store, keys: o.Store, desk: desk, log: o.Log}.routes(),
		noticeRoom{store: o.Store, events: o.Store, tools: o.Notices, desk: desk, log: o.Log}.routes(),
		suppressionRoom{store: o.Store, now: o.Now}.routes(),
		endpointRoom{log: o.Store, keys: o.Store, limits: o.Store, tests: o.Store, asks: o.Store, prober: o.Prober, now: o.Now}.routes(),
	)
}

type api struct {
	gate   Gate
	owners Owners
	newID  func() string
	log    *slog.Logger
	client func(*http.Request) netip.Addr // nil: not known
}

// route is one method of one path. Of do and stream it has one.
type route struct {
	method string
	path   string // below /api/v1, with {names}
	role   notifier.Role
	owner  bool     // an endpoint's owner may, too, about its own endpoint
	takes  []string // media types of bodies; nil is application/json
	// do answers JSON with JSON. Its context carries who acts, and for a
	// request with an Idempotency-Key the transaction. It may run more than once.
	do func(ctx context.Context, q *request) (reply, error)
	// stream reads or writes a body of any size itself.
	stream func(w http.ResponseWriter, r *http.Request) error
}

// request is a checked request.
type request struct {
	*http.Request
	body []byte // at most MaxBody bytes; nil for none
}

// reply is what is answered: a status, and what becomes the JSON body (nil for none).
type reply struct {
	status int
	body   any
}

func (a *api) mux(routes []route) *http.ServeMux {
	mux := http.NewServeMux()
	byPath := map[string]map[string]route{}
	for _, r := range routes {
		if byPath[r.path] == nil {
			byPath[r.path] = map[string]route{}
		}
		byPath[r.path][r.method] = r
	}
	for path, methods := range byPath {
		mux.Handle("/api/v1"+path, a.path(methods))
	}
	mountDocs(mux)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, notifier.Refuse(notifier.ErrNotFound, "there is nothing at %s; see /api/docs", notifier.Clip(r.URL.Path)))
	})
	return mux
}

// path answers one path: it finds the method, lets in whoever may, and turns
// every error into a problem.
func (a *api) path(methods map[string]route) http.Handler {
	var allow []string
	for m := range methods {
		allow = append(allow, m)
		if m == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	slices.Sort(allow)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer a.recover(w, r)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		route, ok := methods[method]
		if !ok {
			w.Header().Set("Allow", strings.Join(allow, ", "))
			a.fail(w, r, &refusedMethod{r.Method, allow})
			return
		}
		if !utf8.ValidString(r.URL.Path) || strings.ContainsRune(r.URL.Path, 0) { // no id is like that, and no database keeps it
			a.fail(w, r, notifier.ErrNotFound)
			return
		}
		token, err := a.enter(r, route)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		r = r.WithContext(notifier.WithActor(r.Context(), notifier.Actor{Name: "token:" + token.Name, Role: token.Role, Network: a.from(r)}))
		if route.stream != nil {
			allowTime(w)
			err = route.stream(w, r)
		} else {
			err = a.answer(w, r, route, token)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

// streamTime is how long a body of any size may take, once whoever sends or
// fetches it was let in.
const streamTime = time.Hour

func allowTime(w http.ResponseWriter) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(streamTime)) // where they cannot be set there are none
	_ = c.SetWriteDeadline(time.Now().Add(streamTime))
}

// answer reads the body, runs the handler (once, where the request has a key) and writes what it said.
func (a *api) answer(w http.ResponseWriter, r *http.Request, route route, token notifier.Token) error {
	body, err := readBody(w, r, route.takes...)
	if err != nil {
		return err
	}
	q := &request{Request: r, body: body}
	key, keyed, err := onceKey(q, token)
	if err != nil {
		return err
	}
	do := func(ctx context.Context) (notifier.Answer, error) {
		said, err := route.do(ctx, q)
		if err != nil {
			return notifier.Answer{}, err
		}
		return encode(said)
	}
	var said notifier.Answer
	replayed := false
	if keyed && route.method == http.MethodPost {
		said, replayed, err = a.gate.Once(r.Context(), key, do)
	} else {
		said, err = do(r.Context())
	}
	if err != nil {
		return err
	}
	if replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	if at := location(r, said); at != "" {
		w.Header().Set("Location", at)
	}
	write(w, "application/json", said.Status, said.Body)
	return nil
}

func write(w http.ResponseWriter, contentType string, status int, body []byte) {
	if len(body) > 0 {
		w.Header().Set("Content-Type", contentType)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// recover answers a panic like any other fault of ours. The connection of an
// answer that had begun is cut, so that nobody takes half of it for all.
func (a *api) recover(w http.ResponseWriter, r *http.Request) {
	what := recover()
	if what == nil {
		return
	}
	if err, ok := what.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(what)
	}
	a.fail(w, r, fmt.Errorf("panic: %v", what))
}

// readBody reads a JSON body whole. It refuses what is too large, of another
// type than takes (application/json, where none is named), or packed.
func readBody(w http.ResponseWriter, r *http.Request, takes ...string) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &tooLarge{MaxBody}
	case err != nil:
		return nil, &unreadable{message: "the body could not be read to its end"}
	case len(body) == 0:
		return nil, nil
	}
	if len(takes) == 0 {
		takes = []string{"application/json"}
	}
	return body, checkType(r, takes...)
}
