package mailbox

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// get asks the mailbox for a page.
func get(t testing.TB, b *Mailbox, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

const twoParts = "From: =?utf-8?q?M=C3=BCller?= <m@example.com>\r\nSubject: =?utf-8?q?St=C3=B6rung?= <b>now</b>\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n" +
	"--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n" +
	"--a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nPlain =C3=A4 <script>alert(1)</script>\r\n" +
	"--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<!doctype html><html><head><title>x</title></head><body><img src=\"https://t.example/p.gif\"><script>alert(1)</script><a href=\"https://x.example/\">go</a></body></html>\r\n--a--\r\n" +
	"--m\r\nContent-Type: text/html; name=evil.html\r\nContent-Disposition: attachment; filename=\"evil \\\"x\\\".html\"\r\nContent-Transfer-Encoding: base64\r\n\r\nPHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\r\n--m--\r\n"

func TestTheListShowsTheNewestFirstAPageAtATime(t *testing.T) {
	b := start(t, nil)
	c := client(t, b)
	for n := range 120 {
		send(t, c, fmt.Sprintf("Reader%d@example.com", n%3), sampleMail(n))
	}
	subjects := regexp.MustCompile(`>number (\d+)</a>`)
	older := regexp.MustCompile(`href="([^"]*)" rel="next"`)
	next := "/mailbox/"
	want := 119
	pages := 0
	for next != "" {
		w := get(t, b, next)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d", next, w.Code)
		}
		for _, m := range subjects.FindAllStringSubmatch(w.Body.String(), -1) {
			if m[1] != fmt.Sprint(want) {
				t.Fatalf("number %s where %d was due", m[1], want)
			}
			want--
		}
		pages++
		next = ""
		if m := older.FindStringSubmatch(w.Body.String()); m != nil {
			next = html.UnescapeString(m[1])
		}
		if strings.Contains(w.Body.String(), ">Newest<") != (pages > 1) {
			t.Errorf("page %d: the way back to the newest", pages)
		}
	}
	if want != -1 || pages != 3 {
		t.Errorf("%d mails left after %d pages", want+1, pages)
	}
	found := get(t, b, "/mailbox/?to=READER1@").Body.String()
	if !strings.Contains(found, "40 of 120 mails") || strings.Contains(found, "Reader2@example.com") || strings.Contains(found, `rel="next"`) {
		t.Errorf("search:\n%s", found)
	}
	if more := get(t, b, "/mailbox/?to=reader&before=0").Body.String(); !strings.Contains(more, "to=reader") {
		t.Error("the next page forgets the search")
	}
}

func TestAnEmptyListSaysWhatWillBeThere(t *testing.T) {
	b := start(t, nil)
	if got := get(t, b, "/mailbox/").Body.String(); !strings.Contains(got, "No mail yet") || !strings.Contains(got, b.Addr()) {
		t.Error(got)
	}
	send(t, client(t, b), "a@b.example", sampleMail(1))
	if got := get(t, b, `/mailbox/?to="><script>`).Body.String(); !strings.Contains(got, "No mail for") || strings.Contains(got, "<script>") {
		t.Error(got)
	}
}

func TestAMailIsShownInAllItsParts(t *testing.T) {
	b := start(t, nil)
	send(t, client(t, b), "a@b.example", twoParts)
	got := get(t, b, "/mailbox/1").Body.String()
	for _, want := range []string{
		"<h1>Störung &lt;b&gt;now&lt;/b&gt;</h1>", "Müller &lt;m@example.com&gt;", "a@b.example", "b-1@bounce.example", "23 Nov 16:11:05 UTC",
		"Plain ä &lt;script&gt;", "unsigned", `sandbox="allow-popups allow-popups-to-escape-sandbox"`, `src="/mailbox/1/html"`, "evil &#34;x&#34;.html", "/mailbox/1/attachment/0", "/mailbox/1/source",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not shown", want)
		}
	}
	if strings.Contains(got, "<script") {
		t.Error("a script of the mail stands in the page")
	}
	if src := get(t, b, "/mailbox/1/source"); src.Body.String() != twoParts || !strings.HasPrefix(src.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("source: %s", src.Body)
	}
	file := get(t, b, "/mailbox/1/attachment/0")
	if file.Body.String() != "<script>alert(1)</script>" || file.Header().Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(file.Header().Get("Content-Disposition"), "attachment;") || strings.ContainsAny(file.Header().Get("Content-Disposition"), "\"\r\n") {
		t.Errorf("attachment: %v", file.Header())
	}
}

func TestAMailsHTMLRunsNothingAndFetchesNothing(t *testing.T) {
	b := start(t, nil)
	send(t, client(t, b), "a@b.example", twoParts)
	w := get(t, b, "/mailbox/1/html")
	policy := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"sandbox allow-popups", "default-src 'none'", "form-action 'none'", "frame-ancestors 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy lacks %q: %s", want, policy)
		}
	}
	for _, never := range []string{"allow-scripts", "allow-same-origin", "script-src", "img-src"} {
		if strings.Contains(policy, never) {
			t.Errorf("policy holds %q: %s", never, policy)
		}
	}
	if !strings.HasPrefix(w.Body.String(), `<!doctype html><html><head><base target="_blank"><title>`) {
		t.Errorf("links stay in the frame: %s", w.Body)
	}
	for mail, want := range map[string]string{
		"<p>bare</p>":                      `<base target="_blank"><p>bare</p>`,
		"<!DOCTYPE html><p>x</p>":          `<!DOCTYPE html><base target="_blank"><p>x</p>`,
		"<html lang=en><header>x</header>": `<html lang=en><base target="_blank"><header>x</header>`,
	} {
		send(t, client(t, b), "a@b.example", "Content-Type: text/html\r\n\r\n"+mail)
		if got := get(t, b, fmt.Sprintf("/mailbox/%d/html", b.Count())).Body.String(); strings.TrimSpace(got) != want {
			t.Errorf("%q became %q", mail, got)
		}
	}
}

func TestEveryPageIsGuarded(t *testing.T) {
	b := start(t, nil)
	send(t, client(t, b), "a@b.example", twoParts)
	for _, path := range []string{"/mailbox/", "/mailbox/1", "/mailbox/1/html", "/mailbox/1/source", "/mailbox/1/attachment/0", "/mailbox/style.css", "/mailbox/2", "/mailbox/nonsense"} {
		h := get(t, b, path).Header()
		if p := h.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "script") && !strings.Contains(p, "sandbox") {
			t.Errorf("%s: policy %q", path, p)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, h)
		}
	}
	body := get(t, b, "/mailbox/").Body.String() + get(t, b, "/mailbox/1").Body.String()
	for _, never := range []string{"<style", " style=", "<script", "http://", "https://", "onclick"} {
		if strings.Contains(strings.ReplaceAll(body, "&lt;script", ""), never) {
			t.Errorf("a page holds %q", never)
		}
	}
}

func TestWhatIsNotThereIsSaidSo(t *testing.T) {
	b := start(t, func(o *Options) { o.MaxMails = 2 })
	c := client(t, b)
	for n := range 3 {
		send(t, c, "a@b.example", sampleMail(n))
	}
	for _, path := range []string{"/mailbox/1", "/mailbox/4", "/mailbox/x", "/mailbox/-1", "/mailbox/99999999999999999999", "/mailbox/2/attachment/0", "/mailbox/2/attachment/-1", "/mailbox/2/what"} {
		if w := get(t, b, path); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "not here") {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := get(t, b, "/mailbox"); w.Code != http.StatusFound || w.Header().Get("Location") != "/mailbox/" {
		t.Errorf("without the slash: %d to %q", w.Code, w.Header().Get("Location"))
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/mailbox/2", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestThePageCanLieAnywhere(t *testing.T) {
	for _, path := range []string{"/a/b", "/a/b/", "/"} {
		b := start(t, func(o *Options) { o.Path = path })
		send(t, client(t, b), "a@b.example", sampleMail(1))
		base := strings.TrimSuffix(path, "/")
		if got := get(t, b, base+"/").Body.String(); !strings.Contains(got, `href="`+base+`/1"`) || !strings.Contains(got, `href="`+base+`/style.css"`) {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestTheVerdictStandsBesideEveryMail(t *testing.T) {
	mail, zone := signedMail(t)
	b := start(t, func(o *Options) { o.LookupTXT = lookup(zone) })
	c := client(t, b)
	send(t, c, "a@b.example", mail)
	send(t, c, "a@b.example", strings.Replace(mail, "body", "bode", 1))
	send(t, c, "a@b.example", sampleMail(1))
	list := get(t, b, "/mailbox/").Body.String()
	for _, want := range []string{`class="ok">1 valid`, `class="critical">1 of 1 fail`, `class="soft">Unsigned`} {
		if !strings.Contains(list, want) {
			t.Errorf("%q is not in the list", want)
		}
	}
	if got := get(t, b, "/mailbox/1").Body.String(); !strings.Contains(got, "Valid</span>") || !strings.Contains(got, "ed25519-sha256") {
		t.Error("the valid signature is not shown")
	}
	if got := get(t, b, "/mailbox/2").Body.String(); !strings.Contains(got, "Fails</span>") || !strings.Contains(got, "body hash did not verify") {
		t.Error("the failing signature is not explained")
	}
	blind := start(t, nil)
	send(t, client(t, blind), "a@b.example", mail)
	if got := get(t, blind, "/mailbox/").Body.String(); !strings.Contains(got, "1, not checked") {
		t.Error("without keys a verdict is pretended")
	}
}

func FuzzReadNeverPanicsAndStaysBounded(f *testing.F) {
	f.Add([]byte(twoParts))
	f.Add([]byte(sampleMail(1)))
	f.Add([]byte("Content-Type: multipart/x; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/x; boundary=b\r\n\r\n--b\r\n"))
	f.Add([]byte(" \r\n:\r\n\r\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := read(data)
		if len(r.Attachments) > maxParts {
			t.Errorf("%d attachments", len(r.Attachments))
		}
		total := len(r.Text) + len(r.HTML)
		for _, a := range r.Attachments {
			total += len(a.Data)
		}
		if total > 3*len(data)+16 {
			t.Errorf("%d bytes read out of %d", total, len(data))
		}
		signaturesOf(data)
	})
}

func TestAMailBuiltToCostMuchIsCutShort(t *testing.T) {
	deep := "Content-Type: multipart/x; boundary=b0\r\n\r\n"
	for i := range 50 {
		deep += fmt.Sprintf("--b%d\r\nContent-Type: multipart/x; boundary=b%d\r\n\r\n", i, i+1)
	}
	wide := "Content-Type: multipart/x; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: x/y\r\n\r\nz\r\n", 5000)
	for what, mail := range map[string]string{"deep": deep, "wide": wide} {
		if r := read([]byte(mail)); r.Fault == "" || len(r.Attachments) > maxParts {
			t.Errorf("%s: %d attachments, fault %q", what, len(r.Attachments), r.Fault)
		}
	}
}
