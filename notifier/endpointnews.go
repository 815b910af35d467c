package notifier

import "time"

// EndpointNews is what mails about an endpoint say of it to its contact. Its
// whole URL is not among it: that may hold secrets, and whoever registered it
// typed it.
type EndpointNews struct {
	Host         string    // of its URL, with its port where that is named; once its contact confirmed, with its path, long parts cut short
	DisabledWhy  string    // gone, failing or staff; "" while it is called
	DisabledAt   time.Time // zero while it is called
	FailingSince time.Time // since when nothing but failures; zero while it answers
}
