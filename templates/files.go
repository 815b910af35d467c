package templates

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"allclear/notifier"
)

//go:embed mail page lang asset
var embedded embed.FS

// files is the embedded files with those of a folder laid over them, one by one,
// and over both what was edited.
type files struct {
	embedded fs.FS
	over     fs.FS             // nil where there is none
	edits    map[string]string // by name
	list     []string
	replaced map[string]bool // by a file of the folder
}

func openFiles(over fs.FS, edits map[string]string) (*files, error) {
	f := &files{embedded: embedded, over: over, edits: edits, replaced: map[string]bool{}}
	err := fs.WalkDir(embedded, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			f.list = append(f.list, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("templates: list embedded files: %w", err)
	}
	for name, text := range edits {
		switch {
		case !slices.Contains(f.list, name) || !Editable(name):
			return nil, fmt.Errorf("templates: %s overrides nothing: no embedded file has this name", name)
		case blank([]byte(text)):
			return nil, fmt.Errorf("templates: %s is empty: delete it or fill it", name)
		}
	}
	if over == nil {
		return f, nil
	}
	err = fs.WalkDir(over, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("templates: read the folder of overrides: %w", err)
		case name != "." && strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case d.IsDir() || strings.HasPrefix(d.Name(), "."):
			return nil
		case !slices.Contains(f.list, name):
			return fmt.Errorf("templates: %s overrides nothing: no embedded file has this name", name)
		}
		text, err := fs.ReadFile(over, name)
		switch {
		case err != nil:
			return fmt.Errorf("templates: read an override: %w", err)
		case blank(text):
			return fmt.Errorf("templates: %s is empty: delete it or fill it", name)
		}
		f.replaced[name] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

func blank(text []byte) bool { return len(bytes.TrimSpace(text)) == 0 }

// Source is a file as a set with these overrides would use it, nil for none,
// without making the set: what is broken can be shown too. An empty override
// counts as none, because a shell that is told to write the file into the
// folder of overrides makes it empty first. A name that no embedded file has is
// an error that is fs.ErrNotExist.
func Source(overrides fs.FS, name string) (string, error) {
	came, err := fs.ReadFile(embedded, name)
	if err != nil {
		return "", fmt.Errorf("templates: %w", err)
	}
	if overrides == nil {
		return string(came), nil
	}
	text, err := fs.ReadFile(overrides, name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && blank(text):
		return string(came), nil
	case err != nil:
		return "", fmt.Errorf("templates: %w", err)
	}
	return string(text), nil
}

// names lists the files below a folder.
func (f *files) names(under string) []string {
	var out []string
	for _, n := range f.list {
		if strings.HasPrefix(n, under) {
			out = append(out, n)
		}
	}
	return out
}

func (f *files) overridden(name string) bool { return f.from(name) != FromEmbedded }

func (f *files) from(name string) Origin {
	if _, ok := f.edits[name]; ok {
		return FromEdit
	}
	if f.replaced[name] {
		return FromFolder
	}
	return FromEmbedded
}

// edition names all that stands in the place of embedded files; "" is nothing.
func (f *files) edition() (string, error) {
	h, some := sha256.New(), false
	for _, name := range f.list {
		if !f.overridden(name) {
			continue
		}
		some = true
		text, err := f.read(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%q %q\n", name, text)
	}
	if !some {
		return "", nil
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// read returns a file as it is in use.
func (f *files) read(name string) (string, error) {
	if text, ok := f.edits[name]; ok {
		return text, nil
	}
	from := f.embedded
	if f.replaced[name] {
		from = f.over
	}
	b, err := fs.ReadFile(from, name)
	if err != nil {
		return "", fmt.Errorf("templates: %w", err)
	}
	return string(b), nil
}

// NoticeTexts are the texts that notices are written by where none is edited.
func (s *Set) NoticeTexts() (notifier.NoticeTexts, error) {
	out := notifier.NoticeTexts{}
	for _, name := range s.files.list {
		if !notifier.WritesNotices(name) {
			continue
		}
		came, err := s.Embedded(name)
		if err != nil {
			return nil, err
		}
		used, err := s.Under(name)
		if err != nil {
			return nil, err
		}
		text := notifier.MakeNoticeText(name, used)
		text.Chosen = text != notifier.MakeNoticeText(name, came)
		out[name] = text
	}
	return out, nil
}

// Origin says whose text a file is.
type Origin string

// Where files come from; a later one takes the place of those before it.
const (
	FromEmbedded Origin = "embedded" // with the program
	FromFolder   Origin = "folder"   // of overrides
	FromEdit     Origin = "edited"   // on the console, or by templates save
)

// Editable reports whether a file may be edited while the service runs. What
// pages load may not: browsers keep it, and a script would run on every page.
func Editable(name string) bool {
	return slices.ContainsFunc([]string{"mail/", "page/", "lang/"}, func(in string) bool { return strings.HasPrefix(name, in) })
}

// File is one file of the set.
type File struct {
	Name       string // such as mail/incident-opened.html
	Overridden bool   // another text is used in the embedded one's place
	From       Origin
}

// Files lists every file, by name.
func (s *Set) Files() []File {
	var out []File
	for _, n := range s.files.list {
		out = append(out, File{Name: n, Overridden: s.files.overridden(n), From: s.files.from(n)})
	}
	return out
}

// Names lists the names of every file.
func (s *Set) Names() []string { return slices.Clone(s.files.list) }

// Source is a file as it is in use: the override where there is one.
func (s *Set) Source(name string) (string, error) { return s.files.read(name) }

// Under is a file as it would be used were it not edited.
func (s *Set) Under(name string) (string, error) {
	f := *s.files
	f.edits = nil
	return f.read(name)
}

// Embedded is a file as it came with the program, to compare an override with.
func (s *Set) Embedded(name string) (string, error) {
	b, err := fs.ReadFile(s.files.embedded, name)
	if err != nil {
		return "", fmt.Errorf("templates: %w", err)
	}
	return string(b), nil
}
