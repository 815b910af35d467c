package notifier

import "time"

// Upload is a file on its way into an audience. Whoever goes on with one that
// broke off has the next turn at it; who had the turn before is refused then.
type Upload struct {
	Edition int64
	Turn    int64
}

// Left is an upload that is not over: it broke off, or goes on elsewhere.
type Left struct {
	Upload
	// Taken is how far it came, in the words of whoever read the file.
	Taken string
}

// KeptUpload is what is kept of a file that was not read to its end.
type KeptUpload struct {
	Rows     int64 // that were taken up
	Replaces bool  // the file is to take the audience's place, not to join it
	At       time.Time
}
