package main

import (
	"context"
	"log/slog"
	"time"
)

const (
	resumeEvery = time.Minute
	resumeStep  = 500 // subscribers in one transaction
)

// resumption ends pauses whose time has come. Any number of processes may do so.
type resumption struct {
	resume func(ctx context.Context, max int) (int, error)
	log    *slog.Logger
	// rest waits, and reports whether to go on; nil is rest.
	rest func(ctx context.Context, d time.Duration) bool
}

// run looks every minute, and at its start, until ctx ends.
func (r resumption) run(ctx context.Context) {
	if r.rest == nil {
		r.rest = rest
	}
	for {
		n, err := r.resume(ctx, resumeStep)
		if err != nil && ctx.Err() == nil {
			r.log.Warn("end pauses whose time has come", "error", err)
		}
		pause := resumeEvery
		if n == resumeStep && err == nil {
			pause = retentionPause
		}
		if !r.rest(ctx, pause) {
			return
		}
	}
}
