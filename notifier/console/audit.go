package console

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"time"

	"allclear/notifier"
)

const perPage = 50

type auditPage struct {
	Entries []notifier.AuditEntry
	Query   notifier.AuditQuery
	From    string
	Until   string
	Next    string            // address of the next page; "" at the end
	File    string            // address of all of it as CSV
	Names   map[string]string // of people, by what the audit knows them as
}

// auditQuery reads what is asked for from an address.
func auditQuery(v url.Values) (notifier.AuditQuery, error) {
	q := notifier.AuditQuery{
		Actor: strings.TrimSpace(v.Get("actor")), Action: strings.TrimSpace(v.Get("action")), Subject: strings.TrimSpace(v.Get("subject")),
		Cursor: v.Get("cursor"), Limit: perPage,
	}
	for _, d := range []struct {
		name string
		to   *time.Time
		more int // days
	}{{"from", &q.From, 0}, {"until", &q.Until, 1}} {
		given := v.Get(d.name)
		if given == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, given)
		if err != nil {
			return q, notifier.Invalidf(d.name, "%q is no day such as 2026-11-23", notifier.Clip(given))
		}
		*d.to = day.AddDate(0, 0, d.more)
	}
	return q, nil
}

func (c *console) audit(q *request) (answer, error) {
	v := q.URL.Query()
	want, err := auditQuery(v)
	if err != nil {
		return answer{}, err
	}
	p := auditPage{Query: want, From: v.Get("from"), Until: v.Get("until")}
	var cursor string
	if p.Entries, cursor, err = c.o.Store.AuditLog(q.Context(), want); err != nil {
		return answer{}, err
	}
	people, err := c.o.Store.StaffList(q.Context())
	if err != nil {
		return answer{}, err
	}
	p.Names, p.Next = notifier.StaffNames(people), nextPage(q, cursor)
	v.Del("cursor")
	p.File = Path + "/audit.csv?" + v.Encode()
	return answer{page: "audit", title: "Audit", data: p}, nil
}

// nextPage is the address of the page behind a cursor, with the same filters.
func nextPage(q *request, cursor string) string {
	if cursor == "" {
		return ""
	}
	v := q.URL.Query()
	v.Set("cursor", cursor)
	v.Del("done")
	return q.URL.Path + "?" + v.Encode()
}

// auditFile writes all that is asked for as CSV, page by page.
func (c *console) auditFile(w http.ResponseWriter, q *request) error {
	want, err := auditQuery(q.URL.Query())
	if err != nil {
		return err
	}
	want.Limit = 1000
	entries, next, err := c.o.Store.AuditLog(q.Context(), want)
	if err != nil {
		return err
	}
	if err := c.o.Store.Audit(q.Context(), "audit.export", "", ""); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="audit.csv"`)
	out := csv.NewWriter(w)
	err = out.Write([]string{"at", "actor", "network", "action", "subject", "detail"})
	for err == nil {
		for _, e := range entries {
			err = out.Write([]string{e.At.Format(time.RFC3339Nano), notifier.SafeCell(e.Actor), notifier.SafeCell(e.Network), notifier.SafeCell(e.Action), notifier.SafeCell(e.Subject), notifier.SafeCell(e.Detail)})
		}
		out.Flush()
		if next == "" || err != nil {
			break
		}
		want.Cursor = next
		entries, next, err = c.o.Store.AuditLog(q.Context(), want)
	}
	if err != nil { // the answer has begun, so it can only be cut
		c.o.Log.Warn("write the audit", "part", "console", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (c *console) settings(*request) (answer, error) {
	return answer{page: "settings", title: "Settings", data: c.o.Settings}, nil
}
