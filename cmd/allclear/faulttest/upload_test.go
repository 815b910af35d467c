package faulttest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"allclear/store/storetest"
)

// An upload in earnest takes minutes, and three times as much disk:
//
//	ALLCLEAR_TEST_UPLOAD=1000   megabytes; go test ./cmd/allclear/faulttest -run FileOfAnySize -v -timeout 2h
//
// Without it some are sent, and memory is told and not judged.
const uploadVariable = "ALLCLEAR_TEST_UPLOAD"

// mostUploading is how much memory serve may have had when a large file was read.
const mostUploading = 200 << 20

// large is a file of at least so many bytes, with ten rows for each person.
type large int64

const rowsOfEach = 10

// write writes it, up to a number of bytes, and tells whom and what it holds.
func (size large) write(w io.Writer, most int64) (people, rows int64, err error) {
	out := bufio.NewWriterSize(w, 64<<10)
	written, err := fmt.Fprint(out, "email,subject,date,folder,note\n")
	note := strings.Repeat("what was found of it, ", 15)
	for sum := int64(written); sum < int64(size) && err == nil; people++ {
		for range rowsOfEach {
			if written, err = fmt.Fprintf(out, "heron%07d@example.com,Invoice %d,2026-11-20 09:12,Inbox,\"%s%d\"\n", people, rows, note, rows); err != nil {
				break
			}
			rows++
			if sum += int64(written); sum > most {
				return people, rows, errors.Join(out.Flush(), errCut)
			}
		}
	}
	return people, rows, errors.Join(err, out.Flush())
}

var errCut = errors.New("cut")

// uploads is by what door a file comes in.
type uploads interface {
	// cut sends the file's first half, after which the connection breaks, or the
	// program is killed.
	cut(s *site, notice string, file large)
	// whole sends all of it, which must be said to go on where it was cut.
	whole(s *site, notice string, path string)
}

func TestAFileOfAnySizeIsTakenInLittleMemoryAndACutOneLeavesWhatWasThereAndIsGoneOnWith(t *testing.T) {
	t.Parallel()
	megabytes, earnest := 3, false
	if v := os.Getenv(uploadVariable); v != "" {
		var err error
		if megabytes, err = strconv.Atoi(v); err != nil || megabytes < 1 {
			t.Fatalf("%s: %q is no number of megabytes", uploadVariable, v)
		}
		earnest = true
	}
	for name, door := range map[string]uploads{"by API": uploadAPI{}, "by browser": uploadBrowser{}, "by command line": uploadCommand{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, dialect := range storetest.Dialects() {
				t.Run(dialect, func(t *testing.T) {
					t.Parallel()
					s := newSite(t, storetest.DSN(t, dialect), 0)
					uploaded(t, s, door, large(megabytes)<<20, earnest)
				})
			}
		})
	}
}

func uploaded(t *testing.T, s *site, door uploads, file large, earnest bool) {
	t.Helper()
	p := s.serve()
	notice := s.must(http.MethodPost, "/notices", object{"title": "Restore", "template": "restore-completed", "body": "All is back."}, http.StatusCreated).text("id")
	s.upload(notice, "email,subject,date,folder\nann@example.com,Hi,2026-11-20,Inbox\nbo@example.com,Hi,2026-11-20,Inbox\n")
	holds := func(when string, people, rows int64) {
		t.Helper()
		said := s.must(http.MethodGet, "/notices/"+notice, nil, http.StatusOK)
		if said["recipients"] != float64(people) || said["rows"] != float64(rows) || said["rejected"] != 0.0 {
			t.Errorf("%s it has %v people, %v rows and %v rejects; want %d, %d and none", when, said["recipients"], said["rows"], said["rejected"], people, rows)
		}
	}
	holds("before", 2, 2)
	door.cut(s, notice, file)
	s.leaves(notice)
	holds("once it is cut", 2, 2)
	path := filepath.Join(t.TempDir(), "large.csv")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	people, rows, err := file.write(f, int64(file)*2)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	door.whole(s, notice, path)
	t.Logf("%d MB of %d people and %d rows in %s; serve had %d MB at most", file>>20, people, rows, time.Since(began).Round(100*time.Millisecond), p.memory()>>20)
	holds("once all is read", people, rows)
	if peak := p.memory(); earnest && peak > mostUploading {
		t.Errorf("serve had %d MB; at most %d are allowed", peak>>20, mostUploading>>20)
	}
}

type uploadAPI struct{}

func (uploadAPI) cut(s *site, notice string, file large) {
	s.t.Helper()
	in, out := io.Pipe()
	go func() {
		_, _, err := file.write(out, int64(file)/2)
		_ = out.CloseWithError(err)
	}()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.url+"/api/v1/notices/"+notice+"/audience", in)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "text/csv")
	s.breaks(r)
}

func (uploadAPI) whole(s *site, notice, path string) {
	s.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	body := s.stream(http.MethodPut, "/notices/"+notice+"/audience", "text/csv", f, http.StatusAccepted)
	defer body.Close()
	var said struct {
		Resumed int64 `json:"resumed_rows"`
	}
	if err := json.NewDecoder(body).Decode(&said); err != nil || said.Resumed == 0 {
		s.t.Errorf("gone on with behind row %d, %v", said.Resumed, err)
	}
}

// breaks sends a request whose body breaks off.
func (s *site) breaks(r *http.Request) {
	s.t.Helper()
	res, err := patientClient.Do(r)
	if err == nil {
		_ = res.Body.Close()
	}
	if !errors.Is(err, errCut) {
		s.t.Fatalf("the upload did not break off, but: %+v, %v", res, err)
	}
}

// leaves waits until something is there that can be gone on with.
func (s *site) leaves(notice string) {
	s.t.Helper()
	db := storetest.At(s.t, s.dsn)()
	defer func() { _ = db.Close() }()
	eventually(s.t, "a part of the file is kept", func() bool {
		left, err := db.LeftAudiences(s.t.Context(), notice, true)
		return err == nil && len(left) > 0
	})
}

// uploadCommand is the command line, which is killed in the middle of the file.
type uploadCommand struct{}

func (uploadCommand) cut(s *site, notice string, file large) {
	s.t.Helper()
	cmd := s.command("notice", "audience", notice, "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	if _, _, err := file.write(in, int64(file)/2); !errors.Is(err, errCut) {
		s.t.Errorf("write to it: %v", err)
	}
	s.leaves(notice)
	_ = cmd.Process.Kill()
	if err := cmd.Wait(); err == nil {
		s.t.Error("it was over before it was killed")
	}
}

func (uploadCommand) whole(s *site, notice, path string) {
	s.t.Helper()
	if said, err := s.command("notice", "audience", notice, path).CombinedOutput(); err != nil || !strings.HasPrefix(string(said), "going on behind row ") {
		s.t.Errorf("%v: %s", err, said)
	}
}

// uploadBrowser is the console's form: a whole file goes through a real
// browser, a cut one comes as a browser would send it, with its cookies.
type uploadBrowser struct{}

func (uploadBrowser) cut(s *site, notice string, file large) {
	s.t.Helper()
	p := s.hire("cutter", "sender", patience)
	p.open("/console/notices/" + notice)
	token := asked(p, chromedp.Evaluate[string](`document.querySelector("form[enctype] input[name=form]").value`))
	in, out := io.Pipe()
	form := multipart.NewWriter(out)
	go func() {
		part, err := io.Writer(nil), form.WriteField("form", token)
		if err == nil {
			part, err = form.CreateFormFile("file", "large.csv")
		}
		if err == nil {
			_, _, err = file.write(part, int64(file)/2)
		}
		_ = out.CloseWithError(err)
	}()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/console/notices/"+notice+"/audience", in)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Cookie", p.cookies())
	r.Header.Set("Content-Type", form.FormDataContentType())
	s.breaks(r)
}

func (uploadBrowser) whole(s *site, notice, path string) {
	s.t.Helper()
	p := s.hire("ann", "sender", 2*time.Hour)
	p.open("/console/notices/" + notice)
	p.do(chromedp.Evaluate[chromedp.Void](`for (const d of document.querySelectorAll("details")) d.open = true`))
	p.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{path}))
	p.press("form[enctype] button", http.StatusOK)
	p.shows("broke off behind row")
}
