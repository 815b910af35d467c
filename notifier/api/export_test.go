package api

import (
	"context"
	"net/http"
	"slices"
)

// Pace is at what rate an event's messages went out.
var Pace = pace

// Routes lists "METHOD /path" of every route, for the tests.
func Routes() []string {
	var out []string
	for _, r := range routes(Options{}) {
		out = append(out, r.method+" "+r.path)
	}
	slices.Sort(out)
	return out
}

// Take runs a POST's handler on a body, without server or token, and tells the
// status that its error becomes; 0 for none.
func Take(o Options, path string, body []byte) int {
	for _, r := range routes(o) {
		if r.method == http.MethodPost && r.path == path {
			if _, err := r.do(context.Background(), &request{Request: &http.Request{}, body: body}); err != nil {
				return describe(err).Status
			}
		}
	}
	return 0
}
