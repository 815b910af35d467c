package faulttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// theCommandLine is the program itself, beside the service.
type theCommandLine struct{}

func byCommand() way { return theCommandLine{} }

func (theCommandLine) kills() bool { return true }

func (theCommandLine) write(r *restore) string {
	r.t.Helper()
	body := filepath.Join(r.t.TempDir(), "body.md")
	if err := os.WriteFile(body, []byte("This is "+r.news+"."), 0o600); err != nil {
		r.t.Fatal(err)
	}
	said := r.run(0, "notice", "create", "--title", "Restore of imap7", "--template", "restore-completed", "--incident", r.incident, "--body", body, "--audience", r.file)
	lines := strings.Split(strings.TrimSpace(said), "\n")
	id := lines[len(lines)-1]
	r.previewed(r.run(0, "notice", "preview", id, "--which", "largest"))
	return id
}

func (theCommandLine) hold(r *restore) {
	r.t.Helper()
	text, _ := r.saying()
	r.run(0, "incident", "update", r.incident, "--after-notice", r.notice, "--when", "tried", "--status", "resolved", "-m", text)
}

func (theCommandLine) send(r *restore) {
	r.t.Helper()
	r.run(1, "notice", "send", r.notice, "--yes", "--expect", fmt.Sprint(r.n), "--accept-rejects", fmt.Sprint(unusable), "--approval-above", "1")
	r.agree()
}

func (theCommandLine) over(r *restore) {
	r.t.Helper()
	said := r.run(0, "notice", "status", r.notice, "--json")
	var n object
	if err := json.Unmarshal([]byte(said), &n); err != nil || n.text("state") != "done" {
		r.t.Errorf("notice status: %v, %s", err, said)
	}
}

// run asks the program to do one thing, which must end with a code; it answers
// what that printed.
func (r *restore) run(code int, args ...string) string {
	r.t.Helper()
	cmd := r.command(args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != code {
		r.t.Fatalf("%v: exit %d, want %d\n%s%s", args, cmd.ProcessState.ExitCode(), code, out, &errs)
	}
	return string(out)
}

// theAPI is what another team's program would use.
type theAPI struct{}

func byAPI() way { return theAPI{} }

func (theAPI) kills() bool { return true }

func (theAPI) write(r *restore) string {
	r.t.Helper()
	id := r.must(http.MethodPost, "/notices", object{"title": "Restore of imap7", "template": "restore-completed", "body": "This is " + r.news + ".", "incident_id": r.incident}, http.StatusCreated).text("id")
	file, err := os.Open(r.file)
	if err != nil {
		r.t.Fatal(err)
	}
	defer file.Close()
	_ = r.stream(http.MethodPut, "/notices/"+id+"/audience", "text/csv", file, http.StatusAccepted).Close()
	copied := r.must(http.MethodPost, "/notices/"+id+"/preview", object{"which": "largest"}, http.StatusOK)
	r.previewed(fmt.Sprint(copied))
	return id
}

func (theAPI) hold(r *restore) {
	r.t.Helper()
	text, _ := r.saying()
	r.must(http.MethodPost, "/incidents/"+r.incident+"/updates", object{"status": "resolved", "body": text, "after_notice": object{"id": r.notice, "when": "tried"}}, http.StatusCreated)
}

func (theAPI) send(r *restore) {
	r.t.Helper()
	r.must(http.MethodPost, "/notices/"+r.notice+"/send", object{"expect": r.n - 1, "accept_rejects": unusable}, http.StatusConflict)
	r.must(http.MethodPost, "/notices/"+r.notice+"/send", object{"expect": r.n, "accept_rejects": unusable}, http.StatusAccepted)
	r.agree()
}

func (theAPI) over(*restore) {}

// previewed wants the copy of whoever has most rows.
func (r *restore) previewed(text string) {
	r.t.Helper()
	if !strings.Contains(text, r.word(3, 1)) || !strings.Contains(text, fmt.Sprintf("%d more", mostRows-shownRows)) {
		r.t.Errorf("the largest copy is %.2000s", text)
	}
}

// agree is the second person's word, by API.
func (r *restore) agree() {
	r.t.Helper()
	if state := r.shown().text("state"); state != "awaiting_approval" {
		r.t.Fatalf("before the second person's word the notice is %s", state)
	}
	_ = r.streamBy(r.approver, http.MethodPost, "/notices/"+r.notice+"/approve", "", nil, http.StatusAccepted).Close()
}

// newToken makes another token of a role.
func (s *site) newToken(role, name string) string {
	s.t.Helper()
	said, err := s.command("token", "create", "--role", role, "--name", name).Output()
	if err != nil {
		s.t.Fatalf("make a token: %v", err)
	}
	return strings.TrimSpace(string(said))
}

// stream asks the API for or with a file of any size.
func (s *site) stream(method, path, kind string, body io.Reader, want int) io.ReadCloser {
	s.t.Helper()
	return s.streamBy(s.token, method, path, kind, body, want)
}

func (s *site) streamBy(token, method, path, kind string, body io.Reader, want int) io.ReadCloser {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+"/api/v1"+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	res, err := patientClient.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	if res.StatusCode != want {
		said, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		s.t.Fatalf("%s %s: %s, want %d: %s", method, path, res.Status, want, said)
	}
	return res.Body
}

// patientClient lets an upload or a download take its time.
var patientClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
