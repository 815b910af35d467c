package notifier

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Mark is what the notice is now, in 16 hex digits: another one once its text,
// the templates that it is written by, its audience or its order is another. Approvals do not change it, so that
// whoever approves can name what they saw.
func (n *Notice) Mark() string {
	h := sha256.New()
	o := n.Order
	fmt.Fprintf(h, "%q %d %d %d %d %d %d ", []string{n.Title, n.Template, n.Subject, n.Body, n.IncidentID, n.OrderedBy, n.Texts},
		n.Approvals, n.Recipients, n.Rows, n.Rejected, n.WithoutAddress, n.Edition)
	fmt.Fprintf(h, "%d %d %d %d %d %d %g %g %d %q", marked(n.OrderedAt), o.Expect, o.AcceptRejects, o.AcceptMissing,
		marked(o.At), o.PerSecond, o.Canary, o.HaltAbove, o.CanaryWait, o.Override)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// marked is an instant as databases keep it, in microseconds; 0 for none.
func marked(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// StillIs refuses where the notice is not what somebody looked at, by its Mark
// then; "" is whoever does not say.
func (n *Notice) StillIs(version string) error {
	if version != "" && version != n.Mark() {
		return Refuse(ErrConflict, "it was changed since you looked at it; look at it again before you agree")
	}
	return nil
}
