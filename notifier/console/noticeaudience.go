package console

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"allclear/notifier"
)

// takeAudience reads another team's file of who is meant, as it comes in: it
// may be of any size.
func (c *console) takeAudience(q *request) (answer, error) {
	id := q.PathValue("id")
	if _, err := c.o.Store.Notice(q.Context(), id); err != nil { // before a large file is read in vain
		return answer{}, err
	}
	kind := "text/csv"
	switch strings.ToLower(path.Ext(q.file.FileName())) {
	case ".ndjson", ".jsonl":
		kind = "application/x-ndjson"
	}
	body := &remember{in: q.file}
	_, resumed, err := c.o.Notices.Load(q.Context(), id, q.form.Get("join") == "", body, howToRead(q.form).Encode(), kind)
	if body.err != nil {
		err = notifier.Invalidf("file", "broke off; what was there before is still there; send it again, and it is gone on with where it broke off")
	}
	if wrong := fileWrong(err); wrong != nil {
		return c.noticeWith(q, noticePage{Wrong: wrong, FileWrong: true})
	}
	to := Path + "/notices/" + id + "?done=audience"
	if resumed > 0 {
		to += "&behind=" + strconv.FormatInt(resumed, 10)
	}
	return answer{to: to}, err
}

// takeMembers makes those who live on a component the audience.
func (c *console) takeMembers(q *request) (answer, error) {
	id, how := q.PathValue("id"), url.Values{"members": {q.form.Get("members")}}
	if how.Get("members") == "" {
		return c.noticeWith(q, noticePage{Wrong: map[string]string{"members": "choose a component"}})
	}
	if v := q.form.Get("exclude_notice"); v != "" {
		how.Set("exclude_notice", v)
	}
	_, _, err := c.o.Notices.Load(q.Context(), id, true, nil, how.Encode(), "")
	if wrong := wrongOf(err); wrong != nil {
		return c.noticeWith(q, noticePage{Wrong: wrong})
	}
	return answer{to: Path + "/notices/" + id + "?done=members"}, err
}

// remember keeps by what a body broke off.
type remember struct {
	in  io.Reader
	err error
}

func (r *remember) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// noticeReport writes what became of a notice for every recipient.
func (c *console) noticeReport(w http.ResponseWriter, q *request) error {
	return c.download(w, q, "report", "utf-8", func(n notifier.Notice, w io.Writer) error { return c.o.Notices.Report(q.Context(), n, w) })
}

// noticeRejects gives back the rows that could not be used, as they stood in the file.
func (c *console) noticeRejects(w http.ResponseWriter, q *request) error {
	charset, err := c.o.Store.RejectEncoding(q.Context(), q.PathValue("id"))
	if err != nil {
		return err
	}
	if strings.HasPrefix(charset, "utf-16") { // its mark says which
		charset = "utf-16"
	}
	return c.download(w, q, "rejects", charset, func(n notifier.Notice, w io.Writer) error { return c.o.Notices.Rejects(q.Context(), n.ID, w) })
}

// download writes a file of a notice. An error behind its beginning cuts the
// connection, so that nobody takes half of it for all.
func (c *console) download(w http.ResponseWriter, q *request, what, charset string, fill func(n notifier.Notice, w io.Writer) error) error {
	n, err := c.o.Store.Notice(q.Context(), q.PathValue("id"))
	if err != nil {
		return err
	}
	if err := c.o.Store.Audit(q.Context(), "notice."+what, n.ID, ""); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset="+charset)
	w.Header().Set("Content-Disposition", `attachment; filename="notice-`+n.ID+`-`+what+`.csv"`)
	if err := fill(n, w); err != nil {
		c.o.Log.Warn("a download broke off", "part", "console", "notice", n.ID, "what", what, "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}
