package console_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/store/storetest"
)

// reader is whoever reads files: it keeps how it was asked to, and says what it
// was told to say.
type reader struct {
	asked url.Values
	says  error
}

func (r *reader) load(_ context.Context, _ string, _ bool, in io.Reader, query, _ string) (n notifier.Notice, resumed int64, err error) {
	if r.asked, err = url.ParseQuery(query); err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	if err == nil {
		err = r.says
	}
	return n, 0, err
}

// drafted is a draft whose files r reads, and the browser of whoever wrote it.
func drafted(t *testing.T, r *reader) (w *browser, here, id string) {
	t.Helper()
	b := newBench(t, storetest.Dialects()[0], func(o *console.Options) { o.Notices.Load = r.load })
	w = b.enter(b.hire("ann", notifier.RoleSender))
	here = strings.TrimSuffix(w.send("/console/notices/new", "/console/notices/new", "title", "One", "template", "blank", "body", "x").is(http.StatusSeeOther).header.Get("Location"), "?done=draft")
	return w, here, strings.TrimPrefix(here, "/console/notices/")
}

func TestColumnsAreMappedWithCommasBetweenOrOneOnEachLine(t *testing.T) {
	var r reader
	w, here, id := drafted(t, &r)
	for entered, want := range map[string][]string{
		"email:E-Mail,subject:Betreff":              {"email:E-Mail", "subject:Betreff"},
		" email:E-Mail , subject : Betreff ,":       {"email:E-Mail", "subject : Betreff"},
		"email:E-Mail\r\n\r\nsubject:Betreff\r\n":   {"email:E-Mail", "subject:Betreff"},
		"email:E-Mail,date:Datum\nname:Name, Titel": {"email:E-Mail", "date:Datum", "name:Name, Titel"},
		"name:Name, Titel":                          {"name:Name, Titel"},
		"email":                                     {"email"},
		" \n":                                       nil,
	} {
		w.upload(id, restored, "map", entered).leads(here + "?done=audience")
		if !slices.Equal(r.asked["map"], want) {
			t.Errorf("%q is read as %q, want %q", entered, r.asked["map"], want)
		}
	}
}

func TestAfterAFileThatCannotBeReadTheFormKeepsWhatWasEnteredAndSaysWhatToEnter(t *testing.T) {
	var r reader
	w, here, id := drafted(t, &r)
	const closed, open = "<details><summary>It is not read", "<details open><summary>It is not read"
	w.get(here).is(http.StatusOK, closed)
	for _, c := range []struct {
		says error
		want string
	}{
		{notifier.Invalidf("line 2", "is not valid UTF-8; a file from a spreadsheet is often windows-1252: write encoding=windows-1252"),
			`line 2: is not valid UTF-8; a file from a spreadsheet is often windows-1252: write at &#34;Encoding&#34;: windows-1252<`},
		{notifier.Invalidf("line 1", `there is no column email; the nearest is "E Mail": write map=email:E Mail (in a URL: map=email:E%%20Mail)`),
			`: write at &#34;Which column is what&#34;: email:E Mail<`},
		{notifier.Invalidf("map", `"x": write our column, a colon and the file's column, such as map=email:E-Mail`),
			`Which column is what: &#34;x&#34;: write our column, a colon and the file&#39;s column, such as email:E-Mail<`},
	} {
		r.says = c.says
		w.upload(id, restored).is(http.StatusUnprocessableEntity, c.want, open)
	}
	r.says = notifier.Invalidf("timezone", `"Oslo" is no time zone; use a name like Europe/Oslo`)
	w.upload(id, restored, "join", "1", "map", "email:E-Mail,\nsubject:Betreff", "delimiter", "semicolon", "encoding", "utf-16", "zone", "Oslo", "numbers", "count,size").is(http.StatusUnprocessableEntity,
		"Zone of its times: &#34;Oslo&#34; is no time zone", open, ">email:E-Mail,\nsubject:Betreff</textarea>", `name="delimiter" value="semicolon"`, `name="encoding" value="utf-16"`, `name="zone" value="Oslo" aria-invalid="true"`, `name="numbers" value="count,size"`)
	if got := r.asked; got.Get("timezone") != "Oslo" || got.Get("delimiter") != "semicolon" || got.Get("encoding") != "utf-16" || got.Get("numbers") != "count,size" {
		t.Errorf("it was asked to read %v", got)
	}
	r.says = notifier.Invalidf("line 7", "is too much")
	w.upload(id, restored).is(http.StatusUnprocessableEntity, "line 7: is too much", closed)
}

// The script of all pages fills in the browser's zone where a field is called so.
func TestTimesOfAFileAreInTheServicesZoneWhereNobodyEntersAnother(t *testing.T) {
	var r reader
	w, here, id := drafted(t, &r)
	page := w.get(here).is(http.StatusOK, `name="zone" value="" placeholder="UTC"`, "are in UTC, the service")
	if regexp.MustCompile(`name="?timezone`).MatchString(page.body) {
		t.Error("the page has a field that the script fills in")
	}
	w.upload(id, restored, "zone", "").leads(here + "?done=audience")
	if r.asked.Has("timezone") {
		t.Errorf("it was asked to read %v", r.asked)
	}
}
