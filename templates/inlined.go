package templates

import (
	"fmt"
	"sync"
)

// embeddedMails is what inline makes of every embedded file of a mail with the
// embedded style sheet, whose colours still have their names: that takes longer
// than all else that New does, and is the same for every brand, edit and preview.
var embeddedMails = sync.OnceValues(func() (map[string]string, error) {
	f, err := openFiles(nil, nil)
	if err != nil {
		return nil, err
	}
	css, err := f.read("mail/style.css")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range append(append(f.names("mail/partials/"), mailFiles()...), "mail/layout.html") {
		src, err := f.read(name)
		if err != nil {
			return nil, err
		}
		if out[name], err = inline(name, src, comments.ReplaceAllString(css, "")); err != nil {
			return nil, fmt.Errorf("the embedded files: %w", err)
		}
	}
	return out, nil
})

// dressed is a file of a mail with the rules of css, the filled style sheet, in
// its elements.
func (s *Set) dressed(name, src, css string, colour accent) (string, error) {
	if s.files.overridden(name) || s.files.overridden("mail/style.css") {
		return inline(name, src, css)
	}
	ready, err := embeddedMails()
	if err != nil {
		return "", err
	}
	return colour.fill(ready[name]), nil
}
