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

// someZones is one for each clock that many people live by, for where all would
// be most of the page. Any other name may be written too.
func someZones() []string {
	return []string{
		"UTC", "Pacific/Honolulu", "America/Anchorage", "America/Los_Angeles", "America/Denver", "America/Chicago", "America/New_York",
		"America/Bogota", "America/Halifax", "America/Sao_Paulo", "America/Argentina/Buenos_Aires", "Europe/London", "Europe/Lisbon",
		"Europe/Berlin", "Europe/Madrid", "Europe/Oslo", "Europe/Paris", "Europe/Rome", "Europe/Warsaw", "Europe/Athens", "Europe/Helsinki",
		"Africa/Lagos", "Africa/Cairo", "Africa/Johannesburg", "Africa/Nairobi", "Europe/Istanbul", "Europe/Moscow", "Asia/Riyadh",
		"Asia/Tehran", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Dhaka", "Asia/Bangkok", "Asia/Jakarta",
		"Asia/Shanghai", "Asia/Singapore", "Australia/Perth", "Asia/Tokyo", "Asia/Seoul", "Australia/Adelaide", "Australia/Sydney", "Pacific/Auckland",
	}
}
