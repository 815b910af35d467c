package api

import "slices"

// Routes lists "METHOD /path" of every route, for the tests.
func Routes() []string {
	var out []string
	for _, r := range routes(Options{}) {
		out = append(out, r.method+" "+r.path)
	}
	slices.Sort(out)
	return out
}
