package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/templates"
)

//go:embed page asset
var files embed.FS

// views are the console's pages and what they load.
type views struct {
	pages  map[string]*template.Template
	assets []templates.Asset
	sheets []string // addresses of the style sheets, in their order
	script string
	live   string // the script of pages that follow what goes on
}

func loadViews(o Options) (*views, error) {
	v := &views{pages: map[string]*template.Template{}}
	css, err := files.ReadFile("asset/console.css")
	if err != nil {
		return nil, err
	}
	js, err := files.ReadFile("asset/console.js")
	if err != nil {
		return nil, err
	}
	own := []templates.Asset{
		{Path: Path + "/assets/console.css", Type: "text/css; charset=utf-8", Body: css},
		{Path: Path + "/assets/console.js", Type: "text/javascript; charset=utf-8", Body: js},
	}
	for i := range own {
		sum := sha256.Sum256(own[i].Body)
		own[i].Hash = hex.EncodeToString(sum[:8])
	}
	v.assets = own
	at := func(a templates.Asset) string { return a.Path + "?v=" + a.Hash }
	v.sheets, v.script, v.live = []string{at(o.Style), at(own[0])}, at(o.Script), at(own[1])
	shared, err := template.New("").Option("missingkey=error").Funcs(funcs(o)).ParseFS(files, "page/layout.html", "page/parts/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the console's pages: %w", err)
	}
	names, err := fs.Glob(files, "page/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		page, err := template.Must(shared.Clone()).ParseFS(files, name)
		if err != nil {
			return nil, fmt.Errorf("read the console's page %s: %w", name, err)
		}
		v.pages[strings.TrimSuffix(path.Base(name), ".html")] = page
	}
	return v, nil
}

// frame is what every page has.
type frame struct {
	Title   string
	Name    string // of the service
	Home    string // of the public pages
	Sheets  []string
	Script  string
	Live    string
	Me      *notifier.Staff // nil at the door
	Form    string          // the token of this session's forms
	Nav     []link
	Data    any
	Address string // of this page, for filters
	Done    string // what was just done, in words
	Framed  bool   // without head and menu
}

type link struct {
	Path, Text string
	Here       bool
}

// sections are the words of the menu, and who sees them.
func sections() []struct {
	path, text string
	role       notifier.Role
} {
	return []struct {
		path, text string
		role       notifier.Role
	}{
		{"", "Now", notifier.RoleViewer},
		{"/incidents", "Incidents", notifier.RoleViewer},
		{"/components", "Components", notifier.RoleViewer},
		{"/notices", "Notices", notifier.RoleViewer},
		{"/subscribers", "Subscribers", notifier.RoleSender},
		{"/deliveries", "Deliveries", notifier.RoleSender},
		{"/queue", "Queue", notifier.RoleViewer},
		{"/templates", "Templates", notifier.RoleViewer},
		{"/staff", "Staff", notifier.RoleAdmin},
	}
}

func (c *console) frame(q *request, said answer) frame {
	f := frame{
		Title: said.title, Name: c.o.Name, Home: c.o.BaseURL + "/", Sheets: c.views.sheets, Script: c.views.script, Live: c.views.live,
		Data: said.data, Address: q.URL.Path, Done: doneWords(q.URL.Query().Get("done")),
		Framed: said.framed,
	}
	if q.session.ID == "" {
		return f
	}
	f.Me, f.Form = &q.session.Staff, c.formToken(q.secret)
	for _, s := range sections() {
		if f.Me.Role.Can(s.role) {
			here := q.URL.Path == Path+s.path || s.path != "" && strings.HasPrefix(q.URL.Path, Path+s.path+"/")
			f.Nav = append(f.Nav, link{Path + s.path, s.text, here})
		}
	}
	return f
}

func (v *views) render(w io.Writer, name string, f frame) error {
	if v.pages[name] == nil {
		return fmt.Errorf("console: there is no page %q", name)
	}
	return v.part(w, name, "layout", f)
}

// part renders one part of a page.
func (v *views) part(w io.Writer, name, part string, f frame) error {
	if err := v.pages[name].ExecuteTemplate(w, part, f); err != nil {
		return fmt.Errorf("console: %w", err)
	}
	return nil
}

func asset(a templates.Asset) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", a.Type)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		if r.URL.Query().Get("v") == a.Hash {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		_, _ = w.Write(a.Body)
	})
}

// funcs are what pages print with.
func funcs(o Options) template.FuncMap {
	return template.FuncMap{
		"time": func(t time.Time) template.HTML { return moment(t, o.Now(), o.Zone) },
		"ago":  func(t time.Time) string { return lasting(o.Now().Sub(t)) },
		"took": func(from, to time.Time) string {
			if from.IsZero() || to.IsZero() {
				return "–"
			}
			return short(to.Sub(from))
		},
		"number": grouped[int64],
		"of": func(counts map[notifier.DeliveryState]int64, state string) int64 {
			return counts[notifier.DeliveryState(state)]
		},
		"count": func(n int) string { return grouped(int64(n)) },
		"can":   func(me *notifier.Staff, role string) bool { return me != nil && me.Role.Can(notifier.Role(role)) },
		"long":  lasting,
		"words": func(s any) string { return strings.ReplaceAll(fmt.Sprint(s), "_", " ") },
		"tone":  tone,
		"join":  func(list []string) string { return strings.Join(list, ", ") },
		"utc":   func(t time.Time) string { return t.UTC().Format("2 Jan, 15:04") },
		"input": func(t time.Time) string { return inputTime(t) },
	}
}

// moment is an instant by UTC, with the service's zone behind where it is
// another; in browsers that run scripts the reader's own takes its place.
func moment(t, now time.Time, zone *time.Location) template.HTML {
	if t.IsZero() {
		return "–"
	}
	shape := "2 Jan, 15:04"
	if t.Year() != now.UTC().Year() {
		shape = "2 Jan 2006, 15:04"
	}
	text := t.UTC().Format(shape) + " UTC"
	if here := t.In(zone); here.Format("-0700") != "+0000" {
		shape := "15:04"
		if here.Day() != t.UTC().Day() {
			shape = "2 Jan, " + shape
		}
		text += " (" + here.Format(shape) + " " + templates.ZoneName(here) + ")"
	}
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `">` + template.HTMLEscapeString(text) + `</time>`) //nolint:gosec // escaped
}

// inputTime is an instant as the field of a form takes it again.
func inputTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04") + " UTC"
}

// lasting is a time that passed, in two units at most.
func lasting(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return strconv.Itoa(int(d.Hours())/24) + " days"
}

// short is a time that something took, as exact as it is short.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return lasting(d)
}

// grouped writes 1234567 as 1,234,567.
func grouped[N ~int64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	sign := ""
	if text[0] == '-' {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

// tone is the colour of a state's word: a class of the style sheet.
func tone(state any) string {
	switch fmt.Sprint(state) {
	case "resolved", "completed", "sent", "active", "operational", "working", "done", "ok", "published", "over":
		return "ok"
	case "minor", "identified", "monitoring", "held", "pending", "paused", "expanding", "delivering", "settling", "degraded", "awaiting_approval", "canary":
		return "minor"
	case "major", "investigating", "bounced", "failed", "quarantined", "resting", "partial_outage", "halted", "lasts":
		return "major"
	case "critical", "retracted", "suppressed", "major_outage":
		return "critical"
	case "scheduled", "in_progress", "extended", "sending", "maintenance", "draft", "post":
		return "plan"
	}
	return "soft"
}

// doneWords say what a button did, on the page that it led to.
func doneWords(what string) string {
	return map[string]string{
		"password":  "The password is changed, and all your other sessions are over.",
		"session":   "The session is over.",
		"posted":    "Posted. Who is told of it, and how far it has come, stands below.",
		"held":      "Posted, and held back: readers are not told yet. Until when stands below.",
		"waits":     "Kept until its notice has come so far. Nobody was told yet.",
		"dropped":   "Taken back. Nobody was told.",
		"released":  "It goes out now. How far it has come stands below.",
		"draft":     "Kept as a draft. Nobody was told.",
		"published": "Published.",
		"corrected": "Corrected.",
		"retracted": "Retracted.",
		"twice":     "This was posted already; it is there once.",
		"paused":    "Paused. It takes effect within a second.",
		"resumed":   "Resumed.",
		"retried":   "It will be tried again at once.",
		"lifted":    "Lifted: the address may be written to again.",
		"barred":    "Suppressed: nothing goes there any more.",
		"changed":   "Changed.",
		"removed":   "Removed, and their sessions are over.",
		"role":      "The role is changed, and their sessions are over.",
		"gone":      "The draft is gone, and what was uploaded for it.",
		"audience":  "The file was read. Who it goes to stands below; look at it before it is sent.",
		"members":   "It goes to those who live there. Who they are stands below; look at it before it is sent.",
		"ordered":   "Told to be sent. How far it has come stands below.",
		"awaiting":  "It needs the approval of another person before it goes out.",
		"approved":  "Approved.",
		"stopped":   "Paused. Nothing of it goes out from now on.",
		"goes-on":   "It goes on.",
		"cancelled": "Cancelled. What had not gone out never will.",
		"component": "The state is set.",
		"saved":     "Saved. Every process uses it within a few seconds.",
		"back":      "Taken back. Every process uses what is below it within a few seconds.",
		"revoked":   "The token is worthless from now on.",
	}[what]
}
