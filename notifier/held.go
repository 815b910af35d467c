package notifier

import "time"

// HeldDomain is a domain for whose recipients mail waits that was tried, or is
// held back.
type HeldDomain struct {
	Domain string
	N      int64     // among those that were looked at
	Reply  string    // what was answered last to one of them; ""
	Due    time.Time // when the first is tried again; UntilResumed where somebody paused it
}
