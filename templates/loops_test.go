package templates

import (
	"strings"
	"testing"
)

func TestALoopOverANumberIsRefusedWithItsFileAndLine(t *testing.T) {
	for _, c := range []struct{ name, file, loop string }{
		{"a literal", "mail/post.html", `{{range 99999999999}}{{end}}`},
		{"a literal with its turn", "mail/post.html", `{{range $i := 99999999999}}{{end}}`},
		{"a literal in parentheses", "mail/post.html", `{{range (99999999999)}}{{end}}`},
		{"where no sample goes", "mail/post.html", `{{if false}}{{range 99999999999}}{{end}}{{end}}`},
		{"where nothing else is", "mail/post.html", `{{range .Updates}}{{else}}{{range 99999999999}}{{end}}{{end}}`},
		{"within a definition", "mail/post.html", `{{define "own"}}{{range 99999999999}}{{end}}{{end}}`},
		{"a length", "mail/post.html", `{{range len "word"}}{{end}}`},
		{"a variable", "mail/post.html", `{{$n := 99999999999}}{{range $n}}{{end}}`},
		{"the dot", "mail/post.html", `{{with 99999999999}}{{range .}}{{end}}{{end}}`},
		{"a choice", "mail/post.html", `{{range or 99999999999 1}}{{end}}`},
		{"behind a pipe", "mail/post.html", `{{range 99999999999 | or 0}}{{end}}`},
		{"a part of mails", "mail/partials/footer.html", `{{$n := 99999999999}}{{range $n}}{{end}}`},
		{"the layout", "mail/layout.html", `{{range 99999999999}}{{end}}`},
		{"a page", "page/home.html", `{{$n := 99999999999}}{{range $n}}{{end}}`},
	} {
		source, err := Source(nil, c.file)
		if err != nil {
			t.Fatal(err)
		}
		err = withFiles(map[string]string{c.file: c.loop + source})
		if err == nil || !strings.HasPrefix(err.Error(), "templates: "+c.file+":1") || !strings.Contains(err.Error(), "a loop over a number: loop over a list") {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name != "a literal" && c.name != "a page" { // an edit is read as a file of the folder is
			continue
		}
		o := overriding(nil)
		o.Edits = map[string]string{c.file: c.loop + source}
		if _, problems, err := Check(o); err != nil || len(problems) != 1 || problems[0].File != c.file || problems[0].Line != 1 {
			t.Errorf("%s, edited: %v, %v", c.name, problems, err)
		}
	}
}

func TestALoopOverAListIsAsItWas(t *testing.T) {
	source, err := Source(nil, "mail/post.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, loop := range []string{
		`{{range .Updates}}{{.At}}{{end}}`, `{{range $i, $u := .Updates}}{{$i}}{{break}}{{end}}`, `{{range .Impact}}{{else}}none{{end}}`,
	} {
		err := withFiles(map[string]string{"mail/post.html": source + loop})
		if err != nil {
			t.Errorf("%s: %v", loop, err)
		}
	}
}
