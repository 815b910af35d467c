package main

import (
	"io"
	"log/slog"
	"strings"
)

// logger reads ALLCLEAR_LOG: a format and a level in either order, each of
// which may be missing. least is the level where none is said: a command that
// answers a person stays silent unless something is wrong.
func logger(w io.Writer, setting string, least slog.Level) (*slog.Logger, error) {
	opts, asJSON := &slog.HandlerOptions{Level: least}, false
	for _, word := range strings.FieldsFunc(setting, func(r rune) bool { return r == ',' || r == ' ' || r == ':' }) {
		switch strings.ToLower(word) {
		case "text":
			asJSON = false
		case "json":
			asJSON = true
		case "debug":
			opts.Level = slog.LevelDebug
		case "info":
			opts.Level = slog.LevelInfo
		case "warn":
			opts.Level = slog.LevelWarn
		case "error":
			opts.Level = slog.LevelError
		default:
			return nil, wrong("LOG", "%q is not one of text, json, debug, info, warn, error", word)
		}
	}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return slog.New(slog.NewTextHandler(w, opts)), nil
}
