package templates

import (
	_ "embed"
	"strings"
)

// The zones of tzdata's zone.tab, which is a place for each that people
// recognise, and UTC. zones_test.go holds each to be one that Go knows.
//
//go:embed zones.txt
var zoneNames string

// zones lists the names of all time zones that a visitor may choose.
func zones() []string { return strings.Fields(zoneNames) }
