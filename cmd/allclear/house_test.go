package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is where the house stands, seen from this folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// without ends a test that drives a part from outside which is not here: a
// failure where nothing may be left out.
func without(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ALLCLEAR_TEST_STRICT") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// lines finds pattern's first group in every line of s.
func lines(s, pattern string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?m)"+pattern).FindAllStringSubmatch(s, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestTheSettingsFileExplainsEverySettingOnce(t *testing.T) {
	file := text(t, "docs/service/allclear.env")
	named := lines(file, `^#?(ALLCLEAR_[A-Z_]+)=`)
	for _, f := range settingFields() {
		name := prefix + f.Tag.Get("setting")
		if n := len(slices.DeleteFunc(slices.Clone(named), func(s string) bool { return s != name })); n != 1 {
			t.Errorf("%s stands %d times in allclear.env", name, n)
		}
		before, _, _ := strings.Cut(file, "#"+name+"=")
		if !strings.HasSuffix(before, "\n") || len(lines(before[strings.LastIndex(before, "\n\n")+1:], `^# (\S+)`)) == 0 {
			t.Errorf("%s is not explained", name)
		}
		if def, ok := f.Tag.Lookup("default"); ok && !strings.Contains(file, "\n#"+name+"="+def+"\n") {
			t.Errorf("%s does not stand with its default %q", name, def)
		}
	}
	known := map[string]bool{}
	for _, f := range settingFields() {
		known[prefix+f.Tag.Get("setting")] = true
	}
	for _, n := range named {
		if !known[n] {
			t.Errorf("allclear.env names %s, which is no setting", n)
		}
	}
	if on := lines(file, `^([^#\n].*)`); len(on) > 0 {
		t.Errorf("lines that are not commented out: %q", on)
	}
}

// What stands in the file must be understood when the # is taken away.
func TestEverySettingOfTheFileIsUnderstood(t *testing.T) {
	vars := lines(text(t, "docs/service/allclear.env"), `^#(ALLCLEAR_[A-Z_]+=.*)$`)
	if len(vars) == 0 {
		t.Fatal("there are none")
	}
	file := keep(t, "allclear.env", strings.Join(vars, "\n")+"\n")
	cmd := exec.Command("sh", "-c", "set -aeu; . \"$1\"; env", "sh", file)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("a shell cannot read it: %v\n%s", err, out)
	}
	env, err := readEnvironment(strings.Split(string(out), "\n"))
	if err != nil {
		t.Fatal(err)
	}
	// systemd takes single quotes around a value away, and nothing else.
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		if n := len(value); n > 1 && value[0] == '\'' && value[n-1] == '\'' {
			value = value[1 : n-1]
		}
		if got := env.vars[name]; got != value {
			t.Errorf("%s is %q to a shell and %q to systemd", name, got, value)
		}
	}
	m := Mail{From: env.read["FROM"]}
	if a, err := m.sender(""); err != nil || a.Name != "Example status" {
		t.Errorf("the sender is %v, %v", a, err)
	}
}

func TestTheGuideHasARowForEverySetting(t *testing.T) {
	guide := text(t, "docs/settings.md")
	rows := lines(guide, "^\\| `(ALLCLEAR_[A-Z_]+)`")
	var names []string
	for _, f := range settingFields() {
		name := prefix + f.Tag.Get("setting")
		names = append(names, name)
		if !slices.Contains(rows, name) {
			t.Errorf("%s has no row", name)
			continue
		}
		row := lines(guide, "^(\\| `"+name+"`.*)$")[0]
		if flag := "`--" + settingFlag(f.Tag.Get("setting")) + "`"; !strings.Contains(row, flag) {
			t.Errorf("the row of %s does not name %s", name, flag)
		}
		if def := f.Tag.Get("default"); def != "" && !strings.Contains(row, "`"+def+"`") {
			t.Errorf("the row of %s does not name its default %s", name, def)
		}
		if _, secret := f.Tag.Lookup("secret"); secret != strings.Contains(row, "`_FILE`") {
			t.Errorf("the row of %s is wrong about a _FILE twin", name)
		}
	}
	for _, r := range rows {
		if !slices.Contains(names, r) {
			t.Errorf("the guide has a row for %s, which is no setting", r)
		}
	}
}

// compose finds a docker compose that can read a file; it needs no engine.
func compose(t *testing.T) []string {
	t.Helper()
	if exec.Command("docker", "compose", "version").Run() == nil {
		return []string{"docker", "compose"}
	}
	if p, err := exec.LookPath("docker-compose"); err == nil {
		return []string{p}
	}
	without(t, "docker compose is missing: apt-get install -y --no-install-recommends docker-compose")
	return nil
}

func TestComposeReadsTheFileAndSeesTwoWorkers(t *testing.T) {
	c := compose(t)
	cmd := exec.Command(c[0], append(c[1:], "-f", filepath.Join(root(t), "docker-compose.yml"), "config")...)
	cmd.Dir = t.TempDir() // no .env of anybody's
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("docker compose config: %v\n%s", err, complaints.String())
	}
	if w := complaints.String(); strings.Contains(w, "level=warning") || strings.Contains(w, "WARNING") {
		t.Errorf("docker compose config warns: %s", w)
	}
	got := out.String()
	for _, want := range []string{"  serve:", "  worker:", "  db:", "  mailpit:", "replicas: 2", "condition: service_healthy", "pg_isready", "smtp://mailpit:1025?tls=off"} {
		if !strings.Contains(got, want) {
			t.Errorf("what compose makes of it lacks %q", want)
		}
	}
	for _, each := range []string{"read_only: true", "cap_drop:", "no-new-privileges:true"} {
		if n := strings.Count(got, each); n < 4 { // newer versions show the shared part too
			t.Errorf("%s stands %d times for 4 services", each, n)
		}
	}
}

// The variables that compose sets are settings, and good ones.
func TestTheSettingsOfComposeAndTheImageAreUnderstood(t *testing.T) {
	vars := map[string]bool{}
	for _, name := range []string{"docker-compose.yml", "Dockerfile"} {
		for _, v := range lines(text(t, name), `^\s+(ALLCLEAR_[A-Z_]+)[:=]`) {
			vars[v+"=x"] = true
		}
	}
	if len(vars) < 8 {
		t.Fatalf("only %d found", len(vars))
	}
	var environ []string
	for v := range vars {
		environ = append(environ, v)
	}
	if _, err := readEnvironment(environ); err != nil {
		t.Error(err)
	}
}

func TestMakeInstallPutsProgramSettingsAndUnitsInPlace(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		without(t, "make is missing: apt-get install -y make")
	}
	dest, program := t.TempDir(), filepath.Join(t.TempDir(), "allclear")
	install := func(flags ...string) {
		t.Helper()
		cmd := exec.Command("make", append(flags, "-C", root(t), "install", "DESTDIR="+dest, "PREFIX=/usr/local", "PROGRAM="+program)...)
		cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "MAKEFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make install: %v\n%s", err, out)
		}
	}
	install()
	at := func(p string) string { return filepath.Join(dest, "usr/local", p) }
	if out, err := exec.Command(at("bin/allclear"), "version").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "allclear ") {
		t.Errorf("the program: %v\n%s", err, out)
	}
	for _, unit := range []string{"allclear.service", "allclear-worker@.service"} {
		b, err := os.ReadFile(at("lib/systemd/system/" + unit))
		if err != nil {
			t.Error(err)
			continue
		}
		if s := string(b); strings.Contains(s, "@PREFIX@") || strings.Contains(s, "@ETC@") || !strings.Contains(s, "ExecStart=/usr/local/bin/allclear ") || !strings.Contains(s, "EnvironmentFile=-/usr/local/etc/allclear/allclear.env") {
			t.Errorf("%s:\n%s", unit, s)
		}
	}
	settings := at("etc/allclear/allclear.env")
	info, err := os.Stat(settings)
	if err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Fatalf("settings, which hold secrets: %v, %v", info, err)
	}
	// A second install keeps what the operator wrote.
	if err := os.WriteFile(settings, []byte("ALLCLEAR_NAME=Ours\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	install("--old-file=build") // it is built already
	if b, _ := os.ReadFile(settings); string(b) != "ALLCLEAR_NAME=Ours\n" {
		t.Errorf("the settings were overwritten: %s", b)
	}
}

func TestMakeHelpNamesEveryTarget(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		without(t, "make is missing: apt-get install -y make")
	}
	cmd := exec.Command("make", "-s", "-C", root(t))
	cmd.Env = append(os.Environ(), "MAKEFLAGS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make: %v\n%s", err, out)
	}
	for _, target := range strings.Fields(lines(text(t, "Makefile"), `^\.PHONY: (.*)$`)[0]) {
		if !regexp.MustCompile(`(?m)^  make ` + target + ` +\S`).Match(out) {
			t.Errorf("make help does not tell of %s:\n%s", target, out)
		}
	}
}

// Every picture and page that a guide points to is there. The pictures of page
// and mail are made from the running demo.
func TestNoGuidePointsNowhere(t *testing.T) {
	guides, err := filepath.Glob(filepath.Join(root(t), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range append(guides, filepath.Join(root(t), "README.md"), filepath.Join(root(t), "CHANGELOG.md")) {
		b, err := os.ReadFile(g)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range append(lines(string(b), `\]\(([^)#\s]+)`), lines(string(b), `(?:src|srcset)="([^"]+)"`)...) {
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(g), filepath.FromSlash(to))); err != nil {
				t.Errorf("%s points to %s, which is not there", filepath.Base(g), to)
			}
		}
	}
}
