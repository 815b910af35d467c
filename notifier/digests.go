package notifier

// Digest is what a digest tells. Readers who missed the same share it; it is
// never changed.
type Digest struct {
	Cadence string // daily, weekly or monthly; "" for the last one before its reader is told at once
	Day     string // the reader's date that it is of, such as 2026-11-27; "" for a last one
	Missed  int    // digests before it that could not be made, and whose news are in it
	Domain  string // of a summary: what was down while its readers were told at second addresses
	Quiet   bool   // of one to be looked at: nothing is new, and its reader wants to be told that
	// Items are in the order of their first events.
	Items []DigestItem
}

// DigestItem is what a digest tells of one incident.
type DigestItem struct {
	Since int64 // the first event that it tells of
	Event int64 // the last one
}

// DigestStory is what a digest tells, with the stories to tell it from.
type DigestStory struct {
	Digest
	Parts []DigestPart // the newest first
	More  int          // items that are not among the parts, because there are too many
}

// DigestPart is one incident of a digest.
type DigestPart struct {
	Story Story // as it was at the last event that the digest tells of
	Since int64 // the first
}
