package mailbox

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

//go:embed pages
var files embed.FS

// pages shows a mailbox over HTTP. Everything is a GET, and nothing changes.
type pages struct {
	box   *Mailbox
	views *template.Template
	style []byte
}

const (
	perPage = 50

	// Pages load their own sheet and, in a frame, the HTML of a mail.
	pagePolicy = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	// A mail gets no origin, no script, no form and no picture. Its links open beside it.
	mailPolicy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'self'"
)

var mountPath = regexp.MustCompile(`^(/[A-Za-z0-9._-]+)*$`)

func newPages(b *Mailbox) (http.Handler, error) {
	if !mountPath.MatchString(b.o.Path) {
		return nil, fmt.Errorf("mount the mailbox: %q is not a path like /mailbox", b.o.Path)
	}
	p := &pages{box: b}
	var err error
	p.views, err = template.New("").Funcs(template.FuncMap{"count": grouped, "size": sized, "moment": moment, "reason": reason, "words": words, "join": strings.Join}).ParseFS(files, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the mailbox's pages: %w", err)
	}
	if p.style, err = files.ReadFile("pages/style.css"); err != nil {
		return nil, fmt.Errorf("read the mailbox's sheet: %w", err)
	}
	mux := http.NewServeMux()
	at := "GET " + b.o.Path
	if b.o.Path != "" {
		mux.Handle(at, http.RedirectHandler(b.o.Path+"/", http.StatusFound))
	}
	mux.HandleFunc(at+"/{$}", p.list)
	mux.HandleFunc(at+"/style.css", p.sheet)
	mux.HandleFunc(at+"/{number}", p.mail(p.show))
	mux.HandleFunc(at+"/{number}/html", p.mail(p.html))
	mux.HandleFunc(at+"/{number}/source", p.mail(p.source))
	mux.HandleFunc(at+"/{number}/attachment/{index}", p.mail(p.attachment))
	mux.HandleFunc(at+"/", p.missing)
	return mux, nil
}

// row is a mail in the list.
type row struct {
	*kept
	Subject string
	Verdict verdict
}

// verdict is what is said of a mail's signatures, with its colour.
type verdict struct {
	Words string
	Class string // ok, critical or soft
}

func (p *pages) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	to := strings.TrimSpace(q.Get("to"))
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64)
	mails, matching, held, older, newer := p.box.store.page(max(before, 0), perPage, to)
	view := struct {
		Path, To, Addr, Older, Newest string
		Rows                          []row
		Matching, Total               int64
	}{Path: p.box.o.Path, To: to, Addr: p.box.Addr(), Matching: int64(matching), Total: int64(held)}
	for _, m := range mails {
		view.Rows = append(view.Rows, row{kept: m, Subject: words(first(headerFields(m.Data), "Subject")), Verdict: p.verdict(m)})
	}
	keep := url.Values{}
	if to != "" {
		keep.Set("to", to)
	}
	if newer {
		view.Newest = "?" + keep.Encode()
	}
	if older {
		keep.Set("before", strconv.FormatInt(mails[len(mails)-1].Number, 10))
		view.Older = "?" + keep.Encode()
	}
	p.render(w, http.StatusOK, "list.html", view)
}

// signatures checks a mail when it is first looked at.
func (p *pages) signatures(m *kept) []Signature {
	m.once.Do(func() {
		if p.box.o.LookupTXT != nil {
			m.signatures = Verify(m.Data, p.box.o.LookupTXT)
		} else {
			m.signatures = signaturesOf(m.Data)
		}
	})
	return m.signatures
}

func (p *pages) verdict(m *kept) verdict {
	all := p.signatures(m)
	good := 0
	for _, s := range all {
		if s.Err == nil {
			good++
		}
	}
	switch {
	case len(all) == 0:
		return verdict{"Unsigned", "soft"}
	case p.box.o.LookupTXT == nil:
		return verdict{fmt.Sprintf("%d, not checked", len(all)), "soft"}
	case good == len(all):
		return verdict{fmt.Sprintf("%d valid", good), "ok"}
	}
	return verdict{fmt.Sprintf("%d of %d fail", len(all)-good, len(all)), "critical"}
}

func (p *pages) show(w http.ResponseWriter, _ *http.Request, m *kept) {
	p.render(w, http.StatusOK, "mail.html", struct {
		Path       string
		Mail       *kept
		Reading    reading
		Signatures []Signature
		Checked    bool
		Verdict    verdict
	}{p.box.o.Path, m, read(m.Data), p.signatures(m), p.box.o.LookupTXT != nil, p.verdict(m)})
}

var beginning = regexp.MustCompile(`(?i)<head(\s[^>]*)?>|<html(\s[^>]*)?>|<!doctype[^>]*>`)

// html serves a mail's HTML to the frame. Links are made to open in a new tab,
// since the pages they lead to refuse to be framed.
func (p *pages) html(w http.ResponseWriter, _ *http.Request, m *kept) {
	h := w.Header()
	h.Set("Content-Security-Policy", mailPolicy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	text := []byte(read(m.Data).HTML)
	at := 0
	for _, i := range beginning.FindAllIndex(text[:min(len(text), 4096)], 3) {
		at = i[1]
	}
	_, _ = w.Write(bytes.Join([][]byte{text[:at], text[at:]}, []byte(`<base target="_blank">`)))
}

func (p *pages) source(w http.ResponseWriter, _ *http.Request, m *kept) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(m.Data)
}

func (p *pages) attachment(w http.ResponseWriter, r *http.Request, m *kept) {
	all := read(m.Data).Attachments
	i, err := strconv.Atoi(r.PathValue("index"))
	if err != nil || i < 0 || i >= len(all) {
		p.missing(w, r)
		return
	}
	// Never shown in the browser, whatever it says it is.
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(all[i].Name))
	_, _ = w.Write(all[i].Data)
}

func (p *pages) sheet(w http.ResponseWriter, _ *http.Request) {
	p.guard(w)
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(p.style)
}

// mail finds the mail that the path names.
func (p *pages) mail(show func(http.ResponseWriter, *http.Request, *kept)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
		m := p.box.store.get(n)
		if err != nil || m == nil {
			p.missing(w, r)
			return
		}
		p.guard(w)
		show(w, r, m)
	}
}

func (p *pages) missing(w http.ResponseWriter, _ *http.Request) {
	p.render(w, http.StatusNotFound, "missing.html", struct {
		Path string
		Max  int64
	}{p.box.o.Path, int64(p.box.o.MaxMails)})
}

func (p *pages) guard(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

func (p *pages) render(w http.ResponseWriter, status int, name string, view any) {
	var page bytes.Buffer
	if err := p.views.ExecuteTemplate(&page, name, view); err != nil {
		p.box.o.Log.Error("show a page", "event", "mailbox", "page", name, "error", err)
		http.Error(w, "This page could not be made; the log says why.", http.StatusInternalServerError)
		return
	}
	p.guard(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}

// grouped writes 3,975.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func sized(n int) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1_000_000)
}

func moment(t time.Time) string { return t.UTC().Format("2 Jan 15:04:05") + " UTC" }

// reason is why a signature fails, without the library's names.
func reason(err error) string { return strings.ReplaceAll(err.Error(), "dkim: ", "") }
