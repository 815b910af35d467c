package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"allclear/store/storetest"
)

// tornOff runs a command whose standard input breaks off.
func (d *desktop) tornOff(in string, args ...string) (out, errs string) {
	d.t.Helper()
	var o, e bytes.Buffer
	torn := io.MultiReader(strings.NewReader(in), iotest.ErrReader(errors.New("torn")))
	if code := run(d.t.Context(), args, &world{in: torn, out: &o, err: &e, environ: d.environ, now: time.Now}); code != exitFailed {
		d.t.Errorf("%v: exit %d", args, code)
	}
	return o.String(), e.String()
}

// What breaks when Ctrl-C came breaks because of it, whatever the database calls it.
func TestAnInterruptedUploadIsCalledThatAndGoneOnWith(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	id := last(d.ok("notice", "create", "--title", "x", "--template", "blank", "--body", keep(t, "b", "Hello")))
	ctx, stop := context.WithCancel(t.Context())
	var e bytes.Buffer
	in := io.MultiReader(strings.NewReader("email\n"+strings.Repeat("u@example.com\n", 1500)), ctrlC(stop))
	code := run(ctx, []string{"notice", "audience", id, "-"}, &world{in: in, out: io.Discard, err: &e, environ: d.environ, now: time.Now})
	if code != exitInterrupted || !strings.HasPrefix(e.String(), "it broke off behind row 1,000; ") || !strings.HasSuffix(e.String(), "\nallclear: interrupted\n") {
		t.Errorf("exit %d, %q", code, e.String())
	}
}

// ctrlC comes, and then the input is broken.
type ctrlC func()

func (c ctrlC) Read([]byte) (int, error) {
	c()
	return 0, errors.New("torn")
}

func TestOnlyOfTheFileThatBrokeOffItIsSaidThatItCanBeGoneOnWith(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	var rows strings.Builder
	rows.WriteString("email\n")
	for i := range 1500 {
		fmt.Fprintf(&rows, "u%d@example.com\n", i)
	}
	file := rows.String()
	id := last(d.ok("notice", "create", "--title", "x", "--template", "blank", "--body", keep(t, "b", "Hello")))
	const broke = "it broke off behind row 1,000; what was read is kept for a day, and allclear notice audience "
	if _, errs := d.tornOff(file, "notice", "audience", id, "-"); !strings.HasPrefix(errs, broke+id+" -, with") {
		t.Errorf("told %q", errs)
	}
	if shown := d.ok("notice", "status", id); !strings.Contains(shown, "\nupload      1,000 rows of a file that is to take its place, the last ") {
		t.Errorf("shown\n%s", shown)
	}
	nothing := func(what, errs string) {
		t.Helper()
		if errs == "" || strings.Contains(errs, "kept") {
			t.Errorf("of %s it is told %q", what, errs)
		}
	}
	_, _, errs := runOnce(t, d.environ, "notice", "audience", id, filepath.Join(t.TempDir(), "nosuch.csv"))
	nothing("no file", errs)
	_, _, errs = runOnce(t, d.environ, "notice", "audience", id, keep(t, "b.csv", "name\nx\n"))
	nothing("a file that is none", errs)
	_, errs = d.tornOff(file[:900], "notice", "audience", id, "-")
	nothing("less than is kept at once", errs)
	if _, errs := d.tornOff(file, "notice", "audience", id, "-"); !strings.HasPrefix(errs, "going on behind row 1,000, where an earlier upload of this file broke off\n"+broke) {
		t.Errorf("once more %q", errs)
	}
	if out, errs := d.tells("notice", "audience", id, keep(t, "a.csv", file)); out != "1,500 recipients, 1,500 rows\n" || !strings.HasPrefix(errs, "going on behind row 1,000,") {
		t.Errorf("in the end %q and %q", out, errs)
	}
	if shown := d.ok("notice", "status", id); strings.Contains(shown, "upload") {
		t.Errorf("shown\n%s", shown)
	}
	create := []string{"notice", "create", "--title", "y", "--template", "blank", "--body", keep(t, "b", "Hello"), "--audience", "-"}
	_, errs = d.tornOff(file[:900], create...)
	nothing("a draft of less", errs)
	if list := d.ok("notice", "list"); strings.Count(list, "draft") != 1 {
		t.Errorf("a draft is left:\n%s", list)
	}
	if _, errs := d.tornOff(file, create...); !strings.HasPrefix(errs, broke) {
		t.Errorf("of a draft %q", errs)
	}
	if list := d.ok("notice", "list"); strings.Count(list, "draft") != 2 {
		t.Errorf("the draft is gone:\n%s", list)
	}
}
