package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"allclear/notifier"
)

// runOnce runs the program with a world of its own until it ends by itself.
func runOnce(t *testing.T, environ []string, args ...string) (code int, out, errs string) {
	t.Helper()
	return runWith(t, "", environ, args...)
}

// runWith is runOnce with something on standard input.
func runWith(t *testing.T, in string, environ []string, args ...string) (code int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*patienceOfTests)
	defer cancel()
	var o, e bytes.Buffer
	code = run(ctx, args, &world{in: strings.NewReader(in), out: &o, err: &e, environ: environ, now: time.Now})
	return code, o.String(), e.String()
}

func TestExitCodesSayDoneFailedOrMisused(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		code int
		line string
	}{
		{context.Background(), nil, 0, ""},
		{context.Background(), errors.New("claim: broken\npipe"), 1, "claim: broken pipe"},
		{context.Background(), fmt.Errorf("add: %w", notifier.Refuse(notifier.ErrConflict, "it is there already")), 1, "it is there already"},
		{context.Background(), notifier.Invalidf("title", "must not be empty"), 1, "title: must not be empty"},
		{context.Background(), wrong("FROM", "is not set"), 2, "ALLCLEAR_FROM (--from): is not set"},
		{context.Background(), &failure{1}, 1, ""},
		{context.Background(), context.Canceled, 1, "context canceled"},
		{gone, fmt.Errorf("send: %w", context.Canceled), 130, "interrupted"},
	} {
		if code, line := exitCode(c.ctx, c.err); code != c.code || line != c.line {
			t.Errorf("%v: %d %q; want %d %q", c.err, code, line, c.code, c.line)
		}
	}
}

func TestAUsageErrorIsOneLineThatTellsWhereHelpIs(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"serve --bogus", "unknown flag --bogus (see allclear serve --help)"},
		{"srve", `unexpected argument srve`},
		{"token create --role admin", "missing flags: --name"},
		{"incident", "expected one of"},
		{"told", `expected "<address>"`},
	} {
		code, out, errs := runOnce(t, nil, strings.Fields(c.args)...)
		if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.want) || !strings.Contains(errs, "--help)") {
			t.Errorf("%s: exit %d, %q %q; want %q", c.args, code, out, errs, c.want)
		}
	}
}

func TestHelpAndVersionAnswerInAnyEnvironment(t *testing.T) {
	bad := []string{"ALLCLEAR_BOGUS=1"}
	for _, args := range []string{"", "--help", "help", "help notice send", "serve --help", "version", "version --json"} {
		code, out, errs := runOnce(t, bad, strings.Fields(args)...)
		if code != exitDone || out == "" || errs != "" {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, errs)
		}
	}
	if code, _, errs := runOnce(t, bad, "component", "list"); code != exitUsage || !strings.Contains(errs, "ALLCLEAR_BOGUS") {
		t.Errorf("component list: exit %d, %q", code, errs)
	}
}

func TestEveryCommandExplainsItselfWithin80Columns(t *testing.T) {
	for _, args := range commandPaths(t) {
		code, out, errs := runOnce(t, nil, append(args, "--help")...)
		if code != exitDone || errs != "" || !strings.HasPrefix(out, "Usage: allclear") {
			t.Errorf("%v: exit %d, %q", args, code, errs)
		}
		for _, l := range strings.Split(out, "\n") {
			if n := len([]rune(l)); n > 80 && !strings.HasPrefix(l, "Usage:") {
				t.Errorf("%v: %d columns: %s", args, n, l)
			}
		}
	}
}

func TestHelpNamesTheVariableOfEverySetting(t *testing.T) {
	_, out, _ := runOnce(t, nil, "serve", "--help")
	for _, f := range settingFields() {
		s := f.Tag.Get("setting")
		if !strings.Contains(out, prefix+s) || !strings.Contains(out, "--"+settingFlag(s)+"=") {
			t.Errorf("serve --help does not tell of %s%s", prefix, s)
		}
	}
}

// commandPaths lists every command and group of commands.
func commandPaths(t *testing.T) [][]string {
	t.Helper()
	parser, err := newParser(&world{out: &bytes.Buffer{}, err: &bytes.Buffer{}}, &environment{})
	if err != nil {
		t.Fatal(err)
	}
	out := [][]string{nil}
	var walk func(n *kong.Node, path []string)
	walk = func(n *kong.Node, path []string) {
		for _, child := range n.Children {
			p := append(slices.Clone(path), child.Name)
			out = append(out, p)
			walk(child, p)
		}
	}
	walk(parser.Model.Node, nil)
	return out
}
