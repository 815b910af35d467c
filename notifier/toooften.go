package notifier

import "time"

// TooOften is something that is asked more often than it may be. It changes nothing.
type TooOften struct {
	Wait time.Duration // until it may be asked again
}

func (e *TooOften) Error() string {
	return "this was asked too often; it may be asked again in " + e.Wait.Round(time.Second).String()
}
