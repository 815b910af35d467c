package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strconv"

	"allclear/notifier"
	"allclear/subscribers"
)

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

// importFile looks at a file of any size as it comes, or brings in the one that
// was looked at: it is sent twice, and kept in a file without a name only until it
// is known to be that one, before any row of it is brought in.
func (c *console) importFile(q *request) (answer, error) {
	p := importPage{File: q.file.FileName(), Overwrite: q.form.Get("overwrite") != ""}
	body := &remember{in: q.file}
	sum := c.importSum(q, p.Overwrite)
	file := io.TeeReader(body, sum)
	if q.form.Get("do") == "import" {
		kept, err := c.keepFile(file)
		if wrong := wrongOf(err); wrong != nil {
			p.Wrong = "This file was not brought in: " + wrong["file"] + "."
			return importSays(http.StatusUnprocessableEntity, p), nil
		}
		if err != nil && body.err == nil {
			return answer{}, err
		}
		if kept != nil {
			defer kept.Close()
			file = kept
		}
		p.Done = body.err == nil && hmac.Equal([]byte(q.form.Get("seen")), []byte(importSeen(sum)))
		p.Other = body.err == nil && !p.Done
	}
	if body.err != nil {
		p.Wrong = "The file broke off, and nothing was brought in. Send it again."
		return importSays(http.StatusUnprocessableEntity, p), nil
	}
	desk := c.desk()
	report, err := subscribers.Import(q.Context(), c.o.Store, file, subscribers.ImportOptions{
		DryRun: !p.Done, Overwrite: p.Overwrite,
		Confirm: func(s subscribers.Subscriber) *notifier.Event { e := s.ConfirmEvent(desk); return &e },
	})
	if err == nil {
		_, err = io.Copy(io.Discard, file) // a look sums all of it up
	}
	p.Report = &report
	switch wrong := wrongOf(err); {
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
		p.Seen = importSeen(sum)
	}
	c.o.Log.InfoContext(q.Context(), "subscribers imported", "part", "console", "rows", report.Rows, "added", report.Added, "wrong", report.Wrong, "dry_run", !p.Done)
	return importSays(http.StatusOK, p), nil
}

// importSum sums a file up, and how it is brought in, for one session.
func (c *console) importSum(q *request, overwrite bool) hash.Hash {
	mac := hmac.New(sha256.New, c.o.Key)
	_, _ = io.WriteString(mac, "import "+q.session.ID+" "+strconv.FormatBool(overwrite)+"\x00")
	return mac
}

// importSeen is the mark of a file that was read to its end.
func importSeen(sum hash.Hash) string {
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:16])
}

// keptEach is how much of a file is kept between two looks at the room left, and
// mostKept how much in all, in bytes.
const (
	keptEach = 16 << 20
	mostKept = 2 << 30
)

// fillFile copies as long as there is room: the database stands on the same disk,
// as a rule, and must not be kept from accepting by a file.
func (c *console) fillFile(to io.Writer, from io.Reader) error {
	for size := int64(0); ; {
		if size+keptEach > mostKept || c.o.Spare != nil && c.o.Spare(c.o.Folder) < keptEach {
			return notifier.Invalidf("file", "there is no room to keep it while it is read (2 GiB at most, and 1 GiB of the disk stays free); bring it in by allclear subscriber import")
		}
		n, err := io.CopyN(to, from, keptEach)
		if size += n; err == io.EOF { //nolint:errorlint // as CopyN has it
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// keepFile reads a file to its end into one that has no name.
func (c *console) keepFile(from io.Reader) (*os.File, error) {
	f, err := os.CreateTemp(c.o.Folder, "import-*")
	if err != nil {
		return nil, fmt.Errorf("keep a file of subscribers: %w", err)
	}
	_ = os.Remove(f.Name())
	err = c.fillFile(f, from)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("keep a file of subscribers: %w", err)
	}
	return f, nil
}
