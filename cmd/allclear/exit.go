package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"allclear/notifier"
)

// What the program ends with. 130 is what shells expect of a program that a
// Ctrl-C ended before it was done.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// usageError is a command line or an environment that cannot be understood.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

// failure is an ending whose reason was printed already, as a report.
type failure struct{ code int }

func (e *failure) Error() string { return fmt.Sprintf("ended with %d", e.code) }

// exitCode tells what err ends the program with, and the one line to print; ""
// where everything was said.
func exitCode(ctx context.Context, err error) (int, string) {
	var (
		parse   *kong.ParseError
		usage   *usageError
		setting *settingError
		failed  *failure
	)
	switch {
	case err == nil:
		return exitDone, ""
	case errors.As(err, &failed):
		return failed.code, ""
	case errors.As(err, &usage), errors.As(err, &setting):
		return exitUsage, plain(err)
	case errors.As(err, &parse):
		return exitUsage, plain(err) + " (see " + helpFor(parse.Context) + ")"
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return exitInterrupted, "interrupted"
	}
	return exitFailed, plain(err)
}

func helpFor(c *kong.Context) string {
	if c != nil && c.Selected() != nil {
		return c.Selected().FullPath() + " --help"
	}
	return "allclear --help"
}

// plain is err on one line, in the words made for a person where it has some.
func plain(err error) string {
	var (
		refused *notifier.Refusal
		path    *fs.PathError
	)
	text := err.Error()
	switch {
	case errors.As(err, &refused):
		text = refused.Message
	case errors.As(err, &path) && text == path.Error():
		text = path.Path + ": " + strings.TrimPrefix(path.Err.Error(), path.Op+" ")
		if errors.Is(err, os.ErrNotExist) {
			text = path.Path + ": no such file or folder"
		}
	}
	return strings.Join(strings.Fields(text), " ")
}

// missing gives a bare ErrNotFound the sentence that tells what was not found.
func missing(err error, format string, args ...any) error {
	var refused *notifier.Refusal
	if errors.Is(err, notifier.ErrNotFound) && !errors.As(err, &refused) {
		return notifier.Refuse(notifier.ErrNotFound, format, args...)
	}
	return err
}

// conflict is missing for a bare ErrConflict.
func conflict(err error, format string, args ...any) error {
	var refused *notifier.Refusal
	if errors.Is(err, notifier.ErrConflict) && !errors.As(err, &refused) {
		return notifier.Refuse(notifier.ErrConflict, format, args...)
	}
	return err
}
