package audience

import (
	"fmt"

	"allclear/notifier"
)

// refused is a row that cannot be used, and why.
type refused struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// nobody refuses a file that was read to its end and by which nobody can be
// told: another column was meant, or another file. It is no audience of none, in
// the place of one that there is. first is its first reject; nil is none.
func (r *Reader) nobody(first *refused) error {
	p := r.at
	all := p.Rejected + p.WithoutAddress
	switch {
	case p.Rows > 0 || all == 0: // of a file without rows the Keeper says so
		return nil
	case first != nil:
		return notifier.Invalidf(fmt.Sprintf("line %d", first.Line), "%s; %s, and nothing is changed", first.Reason, unusable(p))
	case r.to < len(r.columns):
		return notifier.Invalidf("audience", "%s: the column %q holds no address; write map=email: and the one that does; nothing is changed", unusable(p), notifier.Clip(r.columns[r.to].theirs))
	}
	return notifier.Invalidf("audience", "%s: there is no key email in any; write map=email: and the one that holds the address; nothing is changed", unusable(p))
}

// unusable says of a file, none of whose rows can be used, how many they are.
func unusable(p Point) string {
	all := p.Rejected + p.WithoutAddress
	out := fmt.Sprintf("none of the file's %d rows can be used", all)
	if all == 1 {
		out = "the file's only row cannot be used"
	}
	if p.Rejected > 0 && p.WithoutAddress > 0 {
		out += fmt.Sprintf(" (%d rejected, %d without an address)", p.Rejected, p.WithoutAddress)
	}
	return out
}
