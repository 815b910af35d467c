package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"allclear/notifier"
	"allclear/subscribers"
)

// importFile reads a CSV file of any size.
func (c subscriberRoom) importFile(w http.ResponseWriter, r *http.Request) error {
	v := r.URL.Query()
	for name := range v {
		if name != "dry_run" && name != "overwrite" {
			return notifier.Invalidf(notifier.Clip(name), "is not a known parameter; known are dry_run, overwrite")
		}
	}
	o := subscribers.ImportOptions{Confirm: c.confirm(c.desk())}
	var err error
	if o.DryRun, err = flag(v, "dry_run"); err != nil {
		return err
	}
	if o.Overwrite, err = flag(v, "overwrite"); err != nil {
		return err
	}
	if err := checkType(r, "text/csv"); err != nil {
		return err
	}
	body := &remember{in: r.Body}
	report, err := subscribers.Import(r.Context(), c.add, body, o)
	if body.err != nil {
		return &unreadable{message: fmt.Sprintf("the file broke off; %d rows were taken before that and stand, send it again for the rest", report.Rows)}
	}
	if err != nil {
		return err
	}
	c.log.InfoContext(r.Context(), "subscribers imported", "rows", report.Rows, "added", report.Added, "wrong", report.Wrong, "dry_run", o.DryRun)
	answer, err := marshal(report)
	if err != nil {
		return err
	}
	write(w, "application/json", http.StatusOK, answer)
	return nil
}

// remember keeps what broke a body off, which is the sender's trouble and not ours.
type remember struct {
	in  io.Reader
	err error
}

func (r *remember) Read(b []byte) (int, error) {
	n, err := r.in.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// export writes every subscriber as CSV, page by page.
func (c subscriberRoom) export(w http.ResponseWriter, r *http.Request) error {
	v := r.URL.Query()
	for name := range v {
		if name != "state" {
			return notifier.Invalidf(notifier.Clip(name), "is not a known parameter; known is state")
		}
	}
	state, err := oneOf(v, "state", subscribers.States)
	if err != nil {
		return err
	}
	if err := c.store.Audit(r.Context(), "subscribers.export", "", string(state)); err != nil {
		return err
	}
	want := subscribers.Query{State: state, Limit: 1000}
	out := subscribers.WriteCSV(w)
	for begun := false; ; begun = true {
		found, next, err := c.store.Subscribers(r.Context(), want)
		if err != nil {
			if begun { // too late for a problem: cut the connection, so that nobody takes half for all
				c.log.ErrorContext(r.Context(), "export broke off", "error", err)
				panic(http.ErrAbortHandler)
			}
			return err
		}
		if !begun {
			w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
			w.Header().Set("Content-Disposition", `attachment; filename="subscribers.csv"`)
		}
		for _, s := range found {
			if err := out.Write(s); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if err := out.Flush(); err != nil {
			panic(http.ErrAbortHandler)
		}
		if next == "" {
			return nil
		}
		want.Cursor = next
	}
}
