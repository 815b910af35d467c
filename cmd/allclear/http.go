package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/notifier/console"
	"allclear/notifier/sms"
	"allclear/store"
	"allclear/subscribers/web"
	"allclear/subscribers/web/gate"
)

// How patient the server is.
const (
	headerTime = 10 * time.Second
	bodyTime   = 30 * time.Second
	answerTime = 60 * time.Second
	idleTime   = 2 * time.Minute
	maxHeader  = 64 << 10
)

// server is one listener with what it serves.
type server struct {
	http     *http.Server
	listener net.Listener
	url      string // how this machine reaches it
	main     bool   // the one that "listening on" tells of
}

func newServer(ctx context.Context, setting, address string, log *slog.Logger) (*server, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, fmt.Errorf("%s%s: listen on %s: %w", prefix, setting, address, err)
	}
	return &server{
		listener: l, url: urlOf(l.Addr().(*net.TCPAddr)), //nolint:forcetypeassert // of a TCP listener
		http: &http.Server{
			ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
			ErrorLog: slog.NewLogLogger(log.With("part", "http").Handler(), slog.LevelDebug),
		},
	}, nil
}

// urlOf is what links begin with that lead to who listens there.
func urlOf(at *net.TCPAddr) string {
	host := at.IP.String()
	if len(at.IP) == 0 || at.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(at.Port))
}

// listenURL is what links begin with where serve listens at an address and no base
// URL is set.
func listenURL(address string) (string, error) {
	if err := listenAddress("LISTEN", address); err != nil {
		return "", err
	}
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return "", wrong("LISTEN", "%q: %v", address, err)
	}
	return urlOf(at), nil
}

func (s *server) serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.url, err)
	}
	return nil
}

func (s *server) close() error {
	err := s.http.Close()
	if lerr := s.listener.Close(); lerr != nil && !errors.Is(lerr, net.ErrClosed) {
		err = errors.Join(err, lerr)
	}
	return err
}

// listen opens the listeners and settles what links begin with.
func (p *Program) listen(ctx context.Context) error {
	s := &p.o.settings
	fallback := ""
	if s.Listen != "" {
		main, err := newServer(ctx, "LISTEN", s.Listen, p.o.log)
		if err != nil {
			return err
		}
		main.main = true
		p.servers = append(p.servers, main)
		fallback = main.url
	}
	if s.MetricsListen != "" {
		own, err := newServer(ctx, "METRICS_LISTEN", s.MetricsListen, p.o.log)
		if err != nil {
			return err
		}
		p.servers = append(p.servers, own)
	}
	var err error
	if p.base, err = s.base(fallback); err != nil {
		return err
	}
	if strings.HasPrefix(p.base, "http://") && !onLoopback(p.base) {
		p.o.log.Warn("links in mails begin with http://: anybody on the way can read and use them; set ALLCLEAR_BASE_URL to an https:// address", "base_url", p.base)
	}
	return nil
}

// mount says who answers what.
func (p *Program) mount(ctx context.Context) error {
	s := &p.o.settings
	identity, err := p.db.Identity(ctx)
	if err != nil {
		return err
	}
	for _, srv := range p.servers {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /healthz", p.healthz)
		mux.HandleFunc("GET /readyz", p.readyz)
		switch {
		case !srv.main, p.o.worker && s.MetricsListen == "":
			// A worker's own listener is as private as a listener for metrics.
			mux.Handle("GET /metrics", p.metrics.handler())
		default:
			mux.Handle("GET /metrics", p.withToken(p.metrics.handler()))
		}
		srv.http.Handler = patience(mux)
		if !srv.main || p.o.worker {
			continue
		}
		proxies, err := s.proxies()
		if err != nil {
			return err
		}
		zone, err := s.zone()
		if err != nil {
			return err
		}
		notices, err := p.noticeDesk()
		if err != nil {
			return err
		}
		hold, err := p.o.settings.holdDown()
		if err != nil {
			return err
		}
		staff := api.New(api.Options{
			Store: accepting{p.db, p.metrics}, BaseURL: p.base, Now: p.db.Now, NewID: newID, Zone: zone, HoldDown: hold, Log: p.o.log,
			Prober: prober{p.hooks, p.set, p.db.Now}, Notices: notices,
			Client: func(r *http.Request) netip.Addr { return gate.Client(r, proxies) },
		})
		public := web.New(web.Options{
			Posts: p.db, People: p.db, Account: p.db, Moves: p.db, Seconds: signingUp{p.db, p.signUps}, Lost: p.lost, Pages: p.set.Pages(), Style: p.set.Pages().Style(), Icon: p.set.Pages().Icon(), Links: p.links, Now: p.db.Now, Log: p.o.log,
			Changes: p.posted.Load, Identity: identity,
			SignUps: signingUp{p.db, p.signUps}, Gate: gate.New(p.secret, "subscribe"), Work: p.set.Pages().Work(), Script: p.set.Pages().Script(), Proxies: proxies,
			Endpoints: p.endpointPages(), Phones: p.phonePages(),
		})
		desk, err := p.console(ctx, proxies, zone, notices)
		if err != nil {
			return err
		}
		mux.Handle(console.Path, p.noticed(p.shown(desk)))
		mux.Handle(console.Path+"/", p.noticed(p.shown(desk)))
		mux.Handle("/api/", p.noticed(p.shown(staff)))
		mux.Handle("/api/v2/", p.noticed(public)) // Statuspage's addresses
		mux.Handle("/", p.noticed(public))
		if p.intake != nil {
			mux.Handle(sms.IntakePath, p.noticed(p.intake))
		}
		if box := p.mail.box; box != nil {
			caught := fromHere(box, func(r *http.Request) bool { return desk.SignedIn(r, notifier.RoleSender) })
			mux.Handle("/mailbox", caught)
			mux.Handle("/mailbox/", caught)
		}
	}
	return nil
}

// patience gives every request its time. What is read or written as a stream is
// given a long one by its route, once somebody was let in. The time to read is for the body: were it to
// end while the answer is worked on, net/http would take whoever asked for gone.
func patience(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, now := http.NewResponseController(w), time.Now()
		_ = c.SetWriteDeadline(now.Add(answerTime))
		if r.Body == nil || r.Body == http.NoBody {
			_ = c.SetReadDeadline(time.Time{})
		} else {
			_ = c.SetReadDeadline(now.Add(bodyTime))
			r.Body = timedBody{r.Body, c}
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody is a body whose time to be read is over when it has been.
type timedBody struct {
	io.ReadCloser
	c *http.ResponseController
}

func (b timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.c.SetReadDeadline(time.Time{})
	}
	return n, err
}

// noticed makes this process look at once for what a request may have written;
// others learn of it from the database.
func (p *Program) noticed(next http.Handler) http.Handler {
	return afterWriting(next, func() { p.watch.nudge() })
}

// shown makes the public pages look again for what staff may have written.
func (p *Program) shown(next http.Handler) http.Handler {
	return afterWriting(next, func() { p.posted.Add(1) })
}

// afterWriting does something after a request that may have written: what was
// refused has not, and in a flood that is nearly all.
func afterWriting(next http.Handler, do func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		said := &statusWriter{ResponseWriter: w}
		defer func() {
			if said.status < http.StatusBadRequest {
				do()
			}
		}()
		next.ServeHTTP(said, r)
	})
}

// statusWriter remembers what was answered; 0 is a handler that did not.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader is part of http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// fromHere lets only programs on this machine see caught mail, and staff who may
// see addresses. A proxy on this machine forwards for others, and a name that a
// page elsewhere has pointed at this machine (DNS rebinding) is not one of ours.
func fromHere(next http.Handler, staff func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		ip := net.ParseIP(host)
		forwarded := r.Header.Get("X-Forwarded-For")+r.Header.Get("Forwarded")+r.Header.Get("X-Real-Ip")+r.Header.Get("Via") != ""
		if (err != nil || ip == nil || !ip.IsLoopback() || forwarded || !onLoopback("http://"+r.Host)) && !staff(r) {
			http.Error(w, "the mailbox is shown to this machine, and to staff who are signed in at /console with the role sender", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withToken asks for an API token of any role.
func (p *Program) withToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		t, err := p.db.TokenByHash(r.Context(), sha256.Sum256([]byte(strings.TrimSpace(secret))))
		if err != nil && !errors.Is(err, notifier.ErrNotFound) {
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		if err != nil || !strings.EqualFold(scheme, "Bearer") || !t.RevokedAt.IsZero() || !t.Role.Can(notifier.RoleViewer) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="allclear"`)
			http.Error(w, "send Authorization: Bearer TOKEN, or set ALLCLEAR_METRICS_LISTEN", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// healthz says that the process answers.
func (p *Program) healthz(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") }

// readyz says whether to send requests here: not while draining, not without
// the database or with a schema that is not this program's.
func (p *Program) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	switch {
	case p.draining.Load():
		say(w, http.StatusServiceUnavailable, "draining")
	case p.db.Ping(ctx) != nil:
		say(w, http.StatusServiceUnavailable, "the database does not answer")
	default:
		say(w, http.StatusOK, "ready")
	}
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}

// shutServers lets requests end for a while, then cuts them off.
func (p *Program) shutServers(wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	for _, s := range p.servers {
		if err := s.http.Shutdown(ctx); err != nil {
			_ = s.http.Close()
		}
	}
}

// accepting counts the events that come in by HTTP.
type accepting struct {
	*store.Store
	metrics *metrics
}

func (a accepting) count(p notifier.Posting, err error) {
	if err == nil && p.Event != nil {
		a.metrics.accepted.WithLabelValues(string(p.Event.Type)).Inc()
	}
}

// OpenIncident counts what the store's own method accepts.
func (a accepting) OpenIncident(ctx context.Context, p notifier.Posting) (notifier.Posting, error) {
	p, err := a.Store.OpenIncident(ctx, p)
	a.count(p, err)
	return p, err
}

// ReviseIncident counts what the store's own method accepts.
func (a accepting) ReviseIncident(ctx context.Context, id string, change func(notifier.Incident) (notifier.Posting, error)) (notifier.Posting, error) {
	p, err := a.Store.ReviseIncident(ctx, id, change)
	a.count(p, err)
	return p, err
}

// TakeReports counts what the store's own method accepts.
func (a accepting) TakeReports(ctx context.Context, reports []notifier.Report, desk notifier.Desk) ([]notifier.Taken, error) {
	taken, err := a.Store.TakeReports(ctx, reports, desk)
	for _, t := range taken {
		for n := range t.Events {
			a.count(notifier.Posting{Event: &t.Events[n]}, err)
		}
	}
	return taken, err
}
