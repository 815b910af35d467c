package notifier

import "strings"

// doubtful begins what is kept of a try of which nobody knows what became.
const doubtful = "in doubt: "

// Doubtful marks the words of a try that may have been taken: the sender is
// told so by Message.Doubt when it is to try again.
func Doubtful(words string) string { return doubtful + words }

// InDoubt reports whether the last try may have been taken.
func (d Delivery) InDoubt() bool { return strings.HasPrefix(d.Reply, doubtful) }

// TextReport is what a gateway tells of a message that it took.
type TextReport struct {
	Gateway   string // its name, as in receipts
	Delivered bool   // it arrived, or is on its way; false: it never will
	Gone      bool   // the phone said STOP to the gateway
	Reply     string // its words
}
