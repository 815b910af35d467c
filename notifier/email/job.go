package email

import (
	"sync"
	"time"

	"allclear/notifier"
)

// job is one message on its way through the pool. Its fields belong to whoever
// holds it: the caller until it is handed over, the connection until done, the
// caller again behind that. Only what mu guards is looked at by both.
type job struct {
	env     Envelope
	dots    bool // a line of env.Data begins with a dot
	lane    notifier.Lane
	flight  notifier.Flight
	begun   time.Time // when Begin last agreed
	retries int       // connections that broke before its content was sent
	shunned []string  // relays that would not have it for reasons of their own

	mu    sync.Mutex
	state int
	line  *wire         // the connection that has it
	done  chan struct{} // one token per finish

	// The outcome.
	receipt notifier.Receipt
	err     error
	again   bool // nothing of its content was sent: find another connection
}

// States of a job in the hands of a connection.
const (
	jobHeld      = iota // at most its envelope is on the wire
	jobContent          // its content is: what becomes of it must be waited for
	jobForsaken         // its caller left while it was held
	jobUnclaimed        // nobody has it
)

// regretAfter is how old Begin's agreement may be when the content follows (I5).
const regretAfter = 250 * time.Millisecond

// begin asks the flight whether the message may be transmitted over w.
func (j *job) begin(w *wire, now func() time.Time) error {
	j.mu.Lock()
	j.line = w
	forsaken := j.state == jobForsaken
	j.mu.Unlock()
	if forsaken {
		return notifier.ErrNotStarted
	}
	if err := j.flight.Begin(); err != nil {
		return err
	}
	j.begun = now()
	return nil
}

// beginContent asks again where some time passed since the envelope, and makes
// the caller stay from here on.
func (j *job) beginContent(now func() time.Time) error {
	// A clock that was stepped back counts as time passed.
	if d := now().Sub(j.begun); d > regretAfter || d < 0 {
		if err := j.flight.Begin(); err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != jobHeld {
		return notifier.ErrNotStarted
	}
	j.state = jobContent
	return nil
}

// forsake is the caller leaving. false means that the content was on its way:
// then the connection is given up, and the outcome will come at once.
func (j *job) forsake() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch j.state {
	case jobHeld:
		j.state = jobForsaken
		return true
	case jobContent:
		j.line.giveUp(errForsaken)
	}
	return false
}

// finish gives the job back to its caller with what became of it.
func (j *job) finish(receipt notifier.Receipt, err error) {
	j.receipt, j.err, j.again = receipt, err, false
	j.release()
}

// release ends the connection's hold on the job: from here on it belongs to the caller.
func (j *job) release() {
	j.mu.Lock()
	j.state = jobUnclaimed
	j.mu.Unlock()
	j.done <- struct{}{}
}

// fail is finish for an error, with the receipt the error carries.
func (j *job) fail(err *notifier.SendError) { j.finish(err.Receipt, err) }

// maxRetries bounds how often a job changes connections without having been asked about.
const maxRetries = 3

// giveBack lets the caller find another connection, because this one broke
// before any of the content was sent; after a few times err is its outcome.
func (j *job) giveBack(err *notifier.SendError) {
	if j.retries++; j.retries > maxRetries {
		j.fail(err)
		return
	}
	j.handBack(err)
}

// shun lets the caller find another relay, because this one said no for a
// reason of its own. Where there is no other, err is the outcome; see Pool.pick.
func (j *job) shun(relay string, err *notifier.SendError) {
	j.shunned = append(j.shunned, relay)
	j.handBack(err)
}

// handBack is giveBack without counting.
func (j *job) handBack(err *notifier.SendError) {
	j.err, j.again = err, true
	j.release()
}
