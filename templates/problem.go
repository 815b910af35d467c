package templates

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Problem is what is wrong with a file that takes the place of an embedded one.
type Problem struct {
	File string
	Line int // from 1; 0: it is not about one line
	Text string
}

// String is the problem on a line, as compilers write theirs.
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

var problemAt = regexp.MustCompile(`^templates: ([a-z]+/[^ :]+|[a-z]+\.css)(?::(\d+))?(?::\d+)?:? (.*)$`)

// ProblemOf is an error of New's as a problem; of no file where it names none.
func ProblemOf(err error) Problem {
	m := problemAt.FindStringSubmatch(strings.Join(strings.Fields(err.Error()), " "))
	if m == nil {
		return Problem{Text: strings.TrimPrefix(err.Error(), "templates: ")}
	}
	line, _ := strconv.Atoi(m[2]) // 0 where there is none
	return Problem{File: m[1], Line: line, Text: m[3]}
}

// Check makes a set of those files that can be used, and says what is wrong with
// each of the others: each is parsed and rendered in every language, as New
// does. An error is about something else than a file.
func Check(o Options) (*Set, []Problem, error) {
	var problems []Problem
	over, unknown, err := withoutUnknown(o.Overrides)
	if err != nil {
		return nil, nil, err
	}
	o.Overrides = over
	o.Edits = maps.Clone(o.Edits)
	problems = append(problems, unknown...)
	list := Names()
	for name, text := range o.Edits {
		switch {
		case !slices.Contains(list, name):
			problems = append(problems, unknownFile(name, list))
		case !Editable(name):
			problems = append(problems, Problem{File: name, Text: "is what pages load, which cannot be edited while they are up; override it by a file"})
		case blank([]byte(text)):
			problems = append(problems, Problem{File: name, Text: "is empty"})
		default:
			continue
		}
		delete(o.Edits, name)
	}
	left := o
	for {
		set, err := New(left)
		if err == nil {
			slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.File, b.File) })
			return set, problems, nil
		}
		changed := changedFiles(left)
		if len(changed) == 0 {
			return nil, nil, err // not for any file of theirs
		}
		p := ProblemOf(err)
		if !slices.Contains(changed, p.File) {
			// An embedded file does not go together with one of theirs.
			said := p
			p = Problem{File: culprit(left, changed), Text: said.String()}
		}
		problems = append(problems, p)
		left = leaving(left, p.File)
	}
}

// Warnings are what may be wrong with files that can be used.
func (s *Set) Warnings() []Problem { return slices.Clone(s.languages.omitted) }

// culprit is the file without which the rest goes together, or the first.
func culprit(o Options, changed []string) string {
	for _, name := range changed {
		if _, err := New(leaving(o, name)); err == nil {
			return name
		}
	}
	return changed[0]
}

func leaving(o Options, name string) Options {
	if _, ok := o.Edits[name]; ok {
		o.Edits = maps.Clone(o.Edits)
		delete(o.Edits, name)
		return o
	}
	o.Overrides = hiding{o.Overrides, name}
	return o
}

// hiding is a folder without one of its files.
type hiding struct {
	fs.FS
	name string
}

func (h hiding) Open(name string) (fs.File, error) {
	if name == h.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return h.FS.Open(name)
}

// ReadDir lists a folder without the file.
func (h hiding) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(h.FS, name)
	return slices.DeleteFunc(all, func(d fs.DirEntry) bool { return path.Join(name, d.Name()) == h.name }), err
}

// Names lists every file that there is.
func Names() []string {
	f, err := openFiles(nil, nil)
	if err != nil {
		return nil // not of what is embedded
	}
	return f.list
}

// NearestFile is the file that was probably meant by a name; "" is none.
func NearestFile(name string) string { return nearestFile(name, Names()) }

// changedFiles are those that are not embedded.
func changedFiles(o Options) []string {
	out := slices.Sorted(maps.Keys(o.Edits))
	if o.Overrides == nil {
		return out
	}
	_ = fs.WalkDir(o.Overrides, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case !d.IsDir() && !strings.HasPrefix(d.Name(), "."):
			out = append(out, name)
		}
		return nil
	})
	return out
}

// withoutUnknown leaves out of a folder what overrides nothing.
func withoutUnknown(over fs.FS) (fs.FS, []Problem, error) {
	if over == nil {
		return nil, nil, nil
	}
	list := Names()
	if _, err := fs.ReadDir(over, "."); err != nil {
		return nil, nil, fmt.Errorf("templates: read the folder of overrides: %w", err)
	}
	var problems []Problem
	for _, name := range changedFiles(Options{Overrides: over}) {
		if !slices.Contains(list, name) {
			problems = append(problems, unknownFile(name, list))
			over = hiding{over, name}
		}
	}
	return over, problems, nil
}

// unknownFile is the problem of a file whose name no embedded one has.
func unknownFile(name string, list []string) Problem {
	p := Problem{File: name, Text: "overrides nothing: no embedded file has this name"}
	if n := nearestFile(name, list); n != "" {
		p.Text += "; did you mean " + n + "?"
	}
	return p
}

// nearestFile is the file that was probably meant: of that base name in another
// folder, or of nearly that name.
func nearestFile(name string, list []string) string {
	base := name[strings.LastIndex(name, "/")+1:]
	for _, n := range list {
		if n[strings.LastIndex(n, "/")+1:] == base {
			return n
		}
	}
	best, score := "", max(3, len(name)/4)
	for _, n := range list {
		if d := editDistance([]rune(name), []rune(n)); d < score {
			best, score = n, d
		}
	}
	return best
}
