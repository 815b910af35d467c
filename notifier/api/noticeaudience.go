package api

import (
	"context"
	"errors"
	"net/http"

	"allclear/notifier"
)

func (c noticeRoom) replaceAudience(w http.ResponseWriter, r *http.Request) error {
	return c.takeAudience(w, r, true)
}

func (c noticeRoom) joinAudience(w http.ResponseWriter, r *http.Request) error {
	return c.takeAudience(w, r, false)
}

// takeAudience reads another team's file of any size.
func (c noticeRoom) takeAudience(w http.ResponseWriter, r *http.Request, replace bool) error {
	ctx, id := r.Context(), r.PathValue("id")
	if packed := r.Header.Get("Content-Encoding"); packed != "" && packed != "identity" {
		return &wrongType{"packed (Content-Encoding)", "it unpacked"}
	}
	if _, err := c.store.Notice(ctx, id); err != nil { // before a large file is read in vain
		return err
	}
	body := &remember{in: r.Body}
	n, resumed, err := c.tools.Audiences.LoadAudience(ctx, id, replace, body, r.URL.RawQuery, r.Header.Get("Content-Type"))
	if body.err != nil {
		return &unreadable{message: "the file broke off; what was there before is still there; send it again, and it is gone on with where it broke off"}
	}
	if err != nil {
		return err
	}
	c.log.InfoContext(ctx, "audience taken", "notice", id, "recipients", n.Recipients, "rows", n.Rows, "rejected", n.Rejected, "without_address", n.WithoutAddress, "resumed", resumed)
	said, err := showNotice(ctx, noticeBook{c.store, c.events}, n, c.tools.Above)
	if err != nil {
		return err
	}
	columns, err := c.store.AudienceColumns(ctx, n.ID)
	if err != nil {
		return err
	}
	for _, lack := range c.tools.Letters.CheckNotice(n, columnNames(columns)) { // now, and not only by preflight
		said.Warnings = append(said.Warnings, lack.Error())
	}
	said.ResumedRows = &resumed
	answer, err := encode(reply{http.StatusAccepted, said})
	if err != nil {
		return err
	}
	write(w, "application/json", answer.Status, answer.Body)
	return nil
}

// membersShape says who lives on a component by now, in figures.
type membersShape struct {
	Key            string        `json:"key"`
	Members        int64         `json:"members"`
	Rejected       int64         `json:"rejected"`
	Rejects        []rejectShape `json:"rejects"` // the first 100
	WithoutAddress int64         `json:"without_address"`
}

// takeMembers reads a list of any size of who lives on a component.
func (c noticeRoom) takeMembers(w http.ResponseWriter, r *http.Request) error {
	ctx, key := r.Context(), r.PathValue("key")
	if packed := r.Header.Get("Content-Encoding"); packed != "" && packed != "identity" {
		return &wrongType{"packed (Content-Encoding)", "it unpacked"}
	}
	body := &remember{in: r.Body}
	got, err := c.tools.Audiences.LoadMembers(ctx, key, body, r.URL.RawQuery, r.Header.Get("Content-Type"))
	if body.err != nil {
		return &unreadable{message: "the list broke off; what was there before is still there, send it again"}
	}
	if err != nil {
		return err
	}
	said := membersShape{key, got.Members, got.Rejected, []rejectShape{}, got.WithoutAddress}
	for _, x := range got.Rejects {
		said.Rejects = append(said.Rejects, rejectShape{x.Line, x.Reason})
	}
	answer, err := encode(reply{http.StatusOK, said})
	if err != nil {
		return err
	}
	write(w, "application/json", answer.Status, answer.Body)
	return nil
}

// rejects gives back the rows that could not be used as they stood in the file.
func (c noticeRoom) rejects(w http.ResponseWriter, r *http.Request) error {
	encoding, err := c.store.RejectEncoding(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.download(w, r, "rejects", RejectCharset(encoding), func(ctx context.Context, n notifier.Notice, begun func()) error {
		return WriteRejects(ctx, c.store, n.ID, &beginning{w, begun})
	})
}

// report says for every recipient what became of it.
func (c noticeRoom) report(w http.ResponseWriter, r *http.Request) error {
	return c.download(w, r, "report", "utf-8", func(ctx context.Context, n notifier.Notice, begun func()) error {
		return WriteReport(ctx, c.store, n, c.tools.MessageID, &beginning{w, begun})
	})
}

// download writes a file of a notice. An error behind its beginning cuts the
// connection, so that nobody takes half of it for all.
func (c noticeRoom) download(w http.ResponseWriter, r *http.Request, what, charset string, fill func(ctx context.Context, n notifier.Notice, begun func()) error) error {
	n, err := c.store.Notice(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	begun := false
	begin := func() {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "text/csv; charset="+charset)
			w.Header().Set("Content-Disposition", `attachment; filename="notice-`+n.ID+`-`+what+`.csv"`)
		}
	}
	err = fill(r.Context(), n, begin)
	switch {
	case err != nil && begun:
		if !errors.Is(err, context.Canceled) {
			c.log.ErrorContext(r.Context(), "a download broke off", "notice", n.ID, "what", what, "error", err)
		}
		panic(http.ErrAbortHandler)
	case err != nil:
		return err
	case !begun: // an empty file
		begin()
		w.WriteHeader(http.StatusOK)
	}
	return nil
}

// beginning tells of the first byte before it is written.
type beginning struct {
	http.ResponseWriter
	begun func()
}

func (b *beginning) Write(p []byte) (int, error) {
	b.begun()
	return b.ResponseWriter.Write(p)
}
