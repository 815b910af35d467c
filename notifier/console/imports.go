package console

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"allclear/notifier"
	"allclear/subscribers"
)

// importHead is how much of a file says whether it is the one that was looked
// at: it is read before any row is brought in.
const importHead = 64 << 10

// importPage is where a file of subscribers is looked at, and then brought in.
type importPage struct {
	File      string // its name
	Overwrite bool
	Seen      string // of the file that was looked at, and how it is to be brought in; "" before
	Other     bool   // it was not the one that was looked at
	Done      bool   // the report is of what came in, and not of what would
	Report    *subscribers.ImportReport
	Wrong     string
}

// More is how many wrong lines are not spelled out.
func (p importPage) More() int {
	return p.Report.Wrong + p.Report.SecondsRefused - len(p.Report.Errors)
}

func (c *console) importAsk(*request) (answer, error) {
	return importSays(http.StatusOK, importPage{}), nil
}

func importSays(status int, p importPage) answer {
	return answer{status: status, page: "import", title: "Import subscribers", data: p}
}

// importFile looks at a file of any size, or brings in the one that was looked
// at, as it comes: nothing of it is kept in between, so that it is sent twice.
func (c *console) importFile(q *request) (answer, error) {
	p := importPage{File: q.file.FileName(), Overwrite: q.form.Get("overwrite") != ""}
	body := &remember{in: q.file}
	file := bufio.NewReaderSize(body, importHead)
	head, _ := file.Peek(importHead) // what broke off is said below
	seen := c.importSeen(q, p.Overwrite, head)
	asked := q.form.Get("do") == "import"
	p.Done = asked && hmac.Equal([]byte(q.form.Get("seen")), []byte(seen))
	p.Other = asked && !p.Done
	desk := c.desk()
	report, err := subscribers.Import(q.Context(), c.o.Store, file, subscribers.ImportOptions{
		DryRun: !p.Done, Overwrite: p.Overwrite,
		Confirm: func(s subscribers.Subscriber) *notifier.Event { e := s.ConfirmEvent(desk); return &e },
	})
	p.Report = &report
	switch wrong := wrongOf(err); {
	case body.err != nil && p.Done:
		p.Wrong = fmt.Sprintf("The file broke off. %d rows of it were taken before that and stand; send it again for the rest.", report.Rows)
	case body.err != nil:
		p.Report, p.Wrong = nil, "The file broke off, and nothing was brought in. Send it again."
	case wrong != nil: // no row of it was read
		p.Report, p.Wrong = nil, "This file cannot be used: "+wrong["header"]
	case err != nil:
		return answer{}, err
	}
	if p.Wrong != "" {
		return importSays(http.StatusUnprocessableEntity, p), nil
	}
	if !p.Done {
		p.Seen = seen
	}
	c.o.Log.InfoContext(q.Context(), "subscribers imported", "part", "console", "rows", report.Rows, "added", report.Added, "wrong", report.Wrong, "dry_run", !p.Done)
	return importSays(http.StatusOK, p), nil
}

// importSeen is a mark of how a file begins and how it is brought in, for one session.
func (c *console) importSeen(q *request, overwrite bool, head []byte) string {
	mac := hmac.New(sha256.New, c.o.Key)
	_, _ = io.WriteString(mac, "import "+q.session.ID+" "+strconv.FormatBool(overwrite)+"\x00")
	mac.Write(head)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
