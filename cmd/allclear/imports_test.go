package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// room is one folder of the house.
type room struct {
	says    string   // its one sentence
	imports []string // of ours; a test may also import the test rooms
	alone   bool     // nothing but the standard library beside them
}

// house is the map of the house: what each folder is for and what it may know.
// Arrows point one way, siblings never import each other, and only cmd sees
// everything. A folder without a line fails, and so does a line without a folder.
var house = map[string]room{
	"notifier":                 {"what is announced, by whom, and what became of it", nil, true},
	"notifier/alarm":           {"tells staff of trouble with the service itself", []string{"notifier"}, false},
	"notifier/api":             {"the staff's and machines' HTTP API", []string{"notifier", "subscribers"}, false},
	"notifier/console":         {"the staff's pages, one file per action", []string{"notifier", "subscribers", "templates"}, false},
	"notifier/audience":        {"reads another team's file of who was affected, row by row", []string{"notifier"}, false},
	"notifier/fanout":          {"one event becomes one delivery per matching subscriber", []string{"notifier", "subscribers"}, false},
	"notifier/outbox":          {"claims due deliveries, renders, sends, settles", []string{"notifier"}, false},
	"notifier/email":           {"the Sender of mail: composed, signed, and handed to a relay", []string{"notifier"}, false},
	"notifier/email/mailbox":   {"the built-in catcher of mail, and the page to read it", []string{"notifier"}, false},
	"notifier/email/signer":    {"RSA by the system's libcrypto, where it is found", nil, false},
	"notifier/email/emailtest": {"a loopback SMTP server with scripted answers", []string{"notifier"}, false},
	"notifier/sms":             {"the Sender of text messages through a gateway, and what comes back from it", []string{"notifier"}, false},
	"notifier/digest":          {"what subscribers missed, on their schedule", []string{"notifier", "subscribers"}, false},
	"notifier/sms/smstest":     {"a real Kannel whose carrier does not exist, and the phone behind it", nil, true},
	"notifier/webhook":         {"the Sender of webhooks: signed, guarded, and posted to whom nobody trusts", []string{"notifier"}, false},
	"notifier/notifiertest":    {"a scripted Sender and a clock that tests set", []string{"notifier"}, false},
	"notifier/ledgertest":      {"a relay that keeps a ledger, and its check against what was accepted", nil, false},
	"subscribers":              {"who wants to hear what, where and how often", []string{"notifier"}, false},
	"subscribers/web":          {"the public pages, one file per action", []string{"subscribers", "subscribers/web/gate", "notifier", "templates"}, false},
	"subscribers/web/gate":     {"keeps machines from flooding a public form", nil, true},
	"templates":                {"turns an event and a reader into messages and pages", []string{"notifier"}, false},
	"store":                    {"keeps everything; the only package that knows GORM, SQL, dialects and migrations", []string{"notifier", "subscribers"}, false},
	"store/storetest":          {"the suite both databases pass, and throw-away databases for tests", []string{"store", "notifier", "subscribers"}, false},
	"cmd/allclear":             {"reads configuration, wires the rooms together, one file per command", []string{"*"}, false},
	"cmd/allclear/faulttest":   {"what the built program survives, and what it does not", []string{"*"}, false},
}

// testRooms may be imported by every _test.go file.
var testRooms = []string{"store/storetest", "notifier/notifiertest", "notifier/ledgertest", "notifier/email/emailtest", "notifier/sms/smstest"}

// kept says which room alone may know the modules of others that begin so.
var kept = map[string]string{
	"gorm.io/":                   "store",
	"github.com/glebarez/":       "store",
	"github.com/pressly/goose":   "store",
	"github.com/jackc/pgx":       "store",
	"github.com/alecthomas/kong": "cmd/allclear",
	"github.com/ebitengine/":     "notifier/email/signer",
	"github.com/robfig/cron":     "notifier/digest",
}

// source is one Go file of the house.
type source struct {
	name   string // from the root, such as store/claim.go
	folder string
	test   bool // a _test.go file, or one of a test room
	file   *ast.File
	fset   *token.FileSet
}

// sources reads every Go file of the house.
func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []source
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if e.IsDir() {
			if base := e.Name(); name != "." && (base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_') {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		folder := path.Dir(name)
		test := strings.HasSuffix(name, "_test.go") || slices.Contains(testRooms, folder)
		out = append(out, source{name, folder, test, f, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// imports lists what a file imports.
func (s source) imports(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, i := range s.file.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func TestEveryFolderHasALineInTheMapAndEveryLineAFolder(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sources(t) {
		seen[s.folder] = true
		if _, ok := house[s.folder]; !ok {
			t.Errorf("%s: the map of the house has no line for %s; say in one sentence what it is for and what it may import", s.name, s.folder)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(house)) {
		if !seen[folder] {
			t.Errorf("the map of the house has a line for %s, which holds no Go file", folder)
		}
	}
}

// complaints are the imports of s that the map does not allow.
func (s source) complaints(t *testing.T) []string {
	t.Helper()
	var out []string
	r := house[s.folder]
	for _, p := range s.imports(t) {
		first, _, _ := strings.Cut(p, "/")
		to, ours := strings.CutPrefix(p, "allclear/")
		switch {
		case ours:
			allowed := slices.Contains(r.imports, "*") || slices.Contains(r.imports, to)
			if s.test && (to == s.folder || slices.Contains(testRooms, to)) {
				allowed = true
			}
			if !allowed {
				out = append(out, s.name+" imports "+to+"; "+s.folder+" may know ["+strings.Join(r.imports, " ")+"]. Declare what you need as an interface of 1 to 4 methods and let cmd inject it")
			}
		case strings.Contains(first, ".") && !s.test:
			if r.alone {
				out = append(out, s.name+" imports "+p+"; "+s.folder+" gets by with the standard library")
			}
			for module, only := range kept {
				if strings.HasPrefix(p, module) && s.folder != only {
					out = append(out, s.name+" imports "+p+"; only "+only+" knows it")
				}
			}
		}
	}
	return out
}

func TestArrowsPointOneWayAndModulesStayInTheirRoom(t *testing.T) {
	for _, s := range sources(t) {
		for _, c := range s.complaints(t) {
			t.Error(c)
		}
	}
}

// A map that nothing can violate protects nothing.
func TestAForbiddenArrowIsFound(t *testing.T) {
	for _, c := range []struct {
		name, imports string
		bad           bool
	}{
		{"notifier/api/x.go", "allclear/store", true},
		{"notifier/api/x_test.go", "allclear/store", true},
		{"notifier/api/x_test.go", "allclear/store/storetest", false},
		{"notifier/api/x.go", "allclear/store/storetest", true},
		{"notifier/api/x.go", "gorm.io/gorm", true},
		{"notifier/api/x.go", "allclear/notifier/outbox", true},
		{"notifier/api/x.go", "allclear/subscribers", false},
		{"notifier/x.go", "allclear/subscribers", true},
		{"notifier/x.go", "github.com/emersion/go-smtp", true},
		{"notifier/x_test.go", "pgregory.net/rapid", false},
		{"notifier/x.go", "net/http", false},
		{"store/x.go", "gorm.io/gorm", false},
		{"cmd/allclear/x.go", "allclear/store", false},
		{"cmd/allclear/x.go", "gorm.io/gorm", true},
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, c.name, "package x\nimport _ "+strconv.Quote(c.imports), 0)
		if err != nil {
			t.Fatal(err)
		}
		s := source{c.name, path.Dir(c.name), strings.HasSuffix(c.name, "_test.go"), f, fset}
		if got := s.complaints(t); (len(got) > 0) != c.bad {
			t.Errorf("%s imports %s: %v", c.name, c.imports, got)
		}
	}
}

// Time, settings and random numbers come in through the door that cmd opens, so
// that a test can set them. One use of the machine's clock is left to everyone:
// a network deadline is compared with it by the kernel.
func TestOnlyTheEdgeReadsClocksAndTheEnvironment(t *testing.T) {
	edge := map[string][]string{
		"time": {"Now", "Since", "Until"},
		"os":   {"Getenv", "LookupEnv", "Environ", "ExpandEnv"},
	}
	// The store has the one clock of the service: the system's, which it corrects
	// by the database server's where several hosts must agree.
	const clock = "store/open.go"
	for _, s := range sources(t) {
		if s.test || s.name == clock || strings.HasPrefix(s.folder, "cmd/") {
			continue
		}
		local := map[string]string{} // name in the file -> package
		for _, i := range s.file.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			name := path.Base(p)
			if i.Name != nil {
				name = i.Name.Name
			}
			local[name] = p
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && strings.HasPrefix(f.Sel.Name, "Set") && strings.HasSuffix(f.Sel.Name, "Deadline") {
					return false
				}
			}
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(edge[local[x.Name]], sel.Sel.Name) {
				t.Errorf("%s: %s.%s belongs to cmd; take a Now func() time.Time or a plain value", s.fset.Position(n.Pos()), x.Name, sel.Sel.Name)
			}
			return true
		})
	}
}

func TestNothingRunsBeforeMain(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init does work nobody asked for; call it from where it is needed", s.name)
			}
		}
	}
}

func TestEveryFolderBeginsWithItsSentence(t *testing.T) {
	docs, programs := map[string]string{}, map[string]bool{}
	for _, s := range sources(t) {
		programs[s.folder] = programs[s.folder] || s.file.Name.Name == "main"
		if !strings.HasSuffix(s.name, "_test.go") && s.file.Doc != nil {
			docs[s.folder] += s.file.Doc.Text()
		}
	}
	for folder := range house {
		want := "Package " + path.Base(folder) + " "
		if programs[folder] {
			want = "Command " + path.Base(folder) + " "
		}
		if _, err := os.Stat(filepath.Join("..", "..", folder)); err == nil && !strings.HasPrefix(docs[folder], want) {
			t.Errorf("%s: its package comment does not begin %q", folder, want)
		}
	}
}
