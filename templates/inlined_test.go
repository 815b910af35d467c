package templates

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestAFileIsStyledAnewWhereItOrItsStyleIsAnother(t *testing.T) {
	const src = `<p class="soft">{{.Title}}</p>`
	for range 2 { // what is kept is what was made
		for _, c := range []struct{ src, css, want string }{
			{src, ".soft{color:#111111}", "color:#111111"},
			{src, ".soft{color:#222222}", "color:#222222"},
			{strings.Replace(src, "Title", "Name", 1), ".soft{color:#222222}", "{{.Name}}"},
		} {
			fresh, err := inline("mail/x.html", c.src, c.css)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := inlineOnce("mail/x.html", c.src, c.css); err != nil || got != fresh || !strings.Contains(got, c.want) {
				t.Errorf("%q, %v; want %q", got, err, fresh)
			}
		}
	}
}

func TestWhatIsKeptOfStyledFilesIsBounded(t *testing.T) {
	var all sync.WaitGroup
	for n := range maxInlined + 20 {
		all.Go(func() {
			if _, err := inlineOnce("mail/x.html", fmt.Sprintf("<p>%d</p>", n), "p{margin:0}"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(inlined.files); n > maxInlined {
		t.Errorf("%d files are kept", n)
	}
}
