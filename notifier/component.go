package notifier

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// ComponentState says how a part of the service is doing.
type ComponentState string

// The states of a component, from well to worst; maintenance stands beside.
const (
	Operational   ComponentState = "operational"
	Degraded      ComponentState = "degraded"
	PartialOutage ComponentState = "partial_outage"
	MajorOutage   ComponentState = "major_outage"
	Maintenance   ComponentState = "maintenance"
)

// ComponentStates lists every state in the order above.
var ComponentStates = []ComponentState{Operational, Degraded, PartialOutage, MajorOutage, Maintenance}

// Worse reports whether s is a worse state than t. Work that was planned is
// better than any trouble, whichever of them began first.
func (s ComponentState) Worse(t ComponentState) bool {
	order := []ComponentState{Operational, Maintenance, Degraded, PartialOutage, MajorOutage}
	return slices.Index(order, s) > slices.Index(order, t)
}

// Component is a part of the service that can be in trouble and that readers can choose.
type Component struct {
	Key       string // fixed, lower case: a-z 0-9 . _ -, at most 64 bytes
	Name      string
	Group     string // optional heading
	State     ComponentState
	CreatedAt time.Time
}

var componentKey = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Validate reports the first field that is wrong as an *Invalid. An empty
// State becomes Operational and an empty Name the key.
func (c *Component) Validate() error {
	if !componentKey.MatchString(c.Key) {
		return Invalidf("key", "use 1 to 64 of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit")
	}
	if c.Name == "" {
		c.Name = c.Key
	}
	if c.State == "" {
		c.State = Operational
	}
	if err := line("name", c.Name, 120); err != nil {
		return err
	}
	if err := line("group", c.Group, 120); err != nil {
		return err
	}
	for _, s := range ComponentStates {
		if c.State == s {
			return nil
		}
	}
	return Invalidf("state", "%q is not one of operational, degraded, partial_outage, major_outage, maintenance", c.State)
}

// line checks text that stands on one line: no control characters, at most limit characters.
func line(field, s string, limit int) error {
	if n := len([]rune(s)); n > limit {
		return Invalidf(field, "%d characters; at most %d are allowed", n, limit)
	}
	if i := strings.IndexFunc(s, func(r rune) bool {
		return r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufffd'
	}); i >= 0 {
		return Invalidf(field, "holds a control character or broken UTF-8 at byte %d", i)
	}
	return nil
}
