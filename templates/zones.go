package templates

import (
	_ "embed"
	"html/template"
	"strings"
	"sync"
)

// The zones of tzdata's zone.tab, which is a place for each that people
// recognise, and UTC. zones_test.go holds each to be one that Go knows.
//
//go:embed zones.txt
var zoneNames string

// zones lists the names of all time zones that a visitor may choose.
func zones() []string { return strings.Fields(zoneNames) }

// zoneOptions are the same as the inside of a datalist, made once: there are
// hundreds, and they are the same in every language.
var zoneOptions = sync.OnceValue(func() template.HTML {
	var out strings.Builder
	for _, name := range zones() {
		out.WriteString("<option>" + template.HTMLEscapeString(name))
	}
	return template.HTML(out.String()) //nolint:gosec // escaped right above
})
