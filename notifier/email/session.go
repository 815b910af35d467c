package email

import (
	"bufio"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"allclear/notifier"
)

// speaker sends messages over one connection.
type speaker interface {
	// send transmits first, and then what more hands it. It finishes every job
	// it was given. idled says that the connection was left alone for a while,
	// so that finding it closed says nothing about the relay. An error means that the connection is of no more use; it
	// has been told to the jobs it concerns.
	send(first *job, idled bool, more func(current *job) *job) error
	// noop asks for a sign of life.
	noop() error
	// quit takes leave of the relay; the connection is closed by the caller.
	quit()
}

// session speaks SMTP on a connection whose relay announced PIPELINING (RFC
// 2920). go-smtp's client waits for the answer to each of MAIL, RCPT, DATA and
// the final dot, which makes four round trips a message; it offers no way to
// write ahead, forces a new EHLO after RSET, and copies the content byte by
// byte. Here MAIL, RCPT and DATA go together, and the next message's behind the
// final dot of this one, all in one write: one round trip a message.
//
// What is behind the dot is only an envelope. Its content follows when the dot
// was answered and Flight.Taken has noted it (I2), so at any moment at most one
// message of a connection is in doubt.
type session struct {
	*wire
	relay    string
	in       *bufio.Reader
	out      []byte // what the next flush writes
	rp       reply
	reset    bool // RSET goes before the next MAIL: something was refused
	timeouts *Timeouts
	now      func() time.Time
	health   *health
	stale    bool // it idled, and nothing was read since

	// A job whose envelope went behind a dot is taken from there by whoever comes
	// first: the session with the answer to the dot, or nudge when that is long in coming.
	behind atomic.Pointer[job]
	nudge  *time.Timer
}

// behindPatience is how long an envelope waits behind the dot before it: then
// its job looks for another connection, for none of its content was sent.
const behindPatience = 2 * time.Second

// outKept bounds the buffer that a connection keeps between messages.
const outKept = 256 << 10

var (
	errDataOpen = errors.New("DATA was open for a message that must not go")
	errLeaving  = errors.New("the relay closes the connection")
	errSlowDot  = errors.New("the message before it is long in being answered")
)

func newSession(l *link, relay string, t *Timeouts, now func() time.Time, h *health) *session {
	s := &session{wire: l.wire, relay: relay, in: bufio.NewReaderSize(l.Conn, replyLine), timeouts: t, now: now, health: h}
	s.nudge = time.AfterFunc(time.Hour, func() {
		h.slow.Store(true)
		if j := s.behind.Swap(nil); j != nil {
			j.handBack(broken(relay, stageMail, errSlowDot))
		}
	})
	s.nudge.Stop()
	return s
}

func (s *session) send(first *job, idled bool, more func(*job) *job) error {
	s.stale = idled
	if cap(s.out) > outKept {
		s.out = nil
	}
	cur := s.envelope(first, nil, more)
	if cur == nil {
		return nil
	}
	if err := s.flush(s.timeouts.Command); err != nil {
		return s.lost(cur, stageMail, err)
	}
	for cur != nil {
		accepted, err := s.readEnvelope(cur)
		if err != nil {
			return err
		}
		if !accepted {
			cur = s.envelope(more(nil), nil, more)
			if cur == nil {
				return nil
			}
			if err := s.flush(s.timeouts.Command); err != nil {
				return s.lost(cur, stageMail, err)
			}
			continue
		}
		if err := cur.beginContent(s.now); err != nil {
			// Only the connection's end takes DATA back: a dot would send an empty mail.
			cur.finish(notifier.Receipt{}, err)
			return errDataOpen
		}
		s.out = appendContent(s.out, cur.env.Data, cur.dots)
		next := s.envelope(more(cur), cur, more)
		if err := s.transmit(cur, next); err != nil {
			return err
		}
		cur = next
	}
	return nil
}

// transmit writes the content and what is behind it, and reads the answer to the dot.
func (s *session) transmit(cur, next *job) error {
	s.behind.Store(next)
	s.nudge.Reset(behindPatience)
	err := s.flush(s.timeouts.Dot)
	if err == nil {
		err = s.read()
	}
	if s.nudge.Stop() {
		s.health.slow.Store(false)
	}
	gone := s.behind.Swap(nil) == nil && next != nil
	if err == nil {
		err = conclude(s.health, s.relay, cur, &s.rp)
	} else {
		inDoubt(s.health, s.wire, s.relay, cur, err)
	}
	switch {
	case gone && err == nil:
		return errDataOpen // its envelope stands, but the job is with another connection
	case err != nil && next != nil && !gone:
		next.giveBack(broken(s.relay, stageMail, err))
	}
	return err
}

// conclude finishes a job by the answer to its final dot. An error means that
// the connection is of no more use.
func conclude(h *health, relay string, j *job, rp *reply) error {
	if !rp.ok() {
		settle(h, j, refusal(relay, stageDot, rp))
		if rp.code == 421 {
			return errLeaving
		}
		return nil
	}
	h.success()
	receipt := notifier.Receipt{Relay: relay, Reply: rp.String()}
	receipt.Remote = queueID(receipt.Reply)
	if err := j.flight.Taken(receipt); err != nil {
		j.finish(receipt, err)
		return fmt.Errorf("note acknowledgement: %w", err)
	}
	j.finish(receipt, nil)
	return nil
}

// inDoubt finishes a job whose connection broke after its content began: the
// relay may have it. A repeat carries the same Message-ID.
func inDoubt(h *health, w *wire, relay string, j *job, err error) {
	failure := broken(relay, stageDot, err)
	if !w.blameless() {
		h.trouble(failure)
	}
	j.fail(failure)
}

// envelope puts the envelope of j, or of the first behind it that may go, into
// the buffer. cur is the message whose content is there already, or nil.
func (s *session) envelope(j, cur *job, more func(*job) *job) *job {
	for ; j != nil; j = more(cur) {
		if err := j.begin(s.wire, s.now); err != nil {
			j.finish(notifier.Receipt{}, err)
			continue
		}
		if s.reset {
			s.out = append(s.out, "RSET\r\n"...)
		}
		s.out = append(s.out, "MAIL FROM:<"...)
		s.out = append(s.out, j.env.From...)
		s.out = append(s.out, ">\r\nRCPT TO:<"...)
		s.out = append(s.out, j.env.To...)
		s.out = append(s.out, ">\r\nDATA\r\n"...)
		return j
	}
	return nil
}

func (s *session) flush(patience time.Duration) error {
	s.patience(patience)
	_, err := s.Write(s.out)
	s.out = s.out[:0]
	return s.cause(err)
}

// readEnvelope reads the answers to RSET, MAIL, RCPT and DATA, which were asked
// together. accepted means that the content is waited for; otherwise the job is
// finished. An error means that the connection is of no more use.
func (s *session) readEnvelope(j *job) (accepted bool, err error) {
	s.patience(s.timeouts.Command)
	if s.reset {
		if err := s.read(); err != nil {
			return false, s.lost(j, stageMail, err)
		}
		s.reset = false
	}
	var no *notifier.SendError // the first refusal
	for _, stage := range [...]string{stageMail, stageRcpt, stageData} {
		if err := s.read(); err != nil {
			if no == nil {
				return false, s.lost(j, stage, err)
			}
			settle(s.health, j, no)
			return false, err
		}
		if s.rp.code == 421 && s.stale && stage == stageMail {
			// It grew tired of waiting, and said so while nobody listened.
			j.giveBack(refusal(s.relay, stage, &s.rp))
			return false, errLeaving
		}
		s.stale = false
		if fits := s.rp.ok() && stage != stageData || s.rp.code == 354 && stage == stageData; !fits && no == nil {
			no = refusal(s.relay, stage, &s.rp)
		}
		if s.rp.code == 421 {
			settle(s.health, j, no)
			return false, errLeaving
		}
	}
	if no == nil {
		s.health.rcpt(false)
		return true, nil
	}
	settle(s.health, j, no)
	if s.rp.code == 354 {
		if no.Stage != stageRcpt {
			return false, errDataOpen
		}
		if err := s.emptyData(); err != nil {
			return false, err
		}
	}
	s.reset = true
	return false, nil
}

// emptyData ends a DATA that was let through although the recipient was not, as
// RFC 2920 3.1 tells: there is nobody the relay could send the empty mail to.
func (s *session) emptyData() error {
	s.out = append(s.out, ".\r\n"...)
	if err := s.flush(s.timeouts.Command); err != nil {
		return err
	}
	return s.read()
}

func (s *session) read() error { return s.cause(s.rp.read(s.in, nil)) }

func (s *session) lost(j *job, stage string, err error) error {
	return lost(s.health, s.wire, s.relay, stage, j, err, s.stale)
}

// lost takes care of a job whose connection broke before its content. stale
// says that the connection had been idle, and that nothing was read since.
func lost(h *health, w *wire, relay, stage string, j *job, err error, stale bool) error {
	failure := broken(relay, stage, err)
	switch late := w.gaveUp.Load(); {
	case w.blameless() || stale && !late:
		j.giveBack(failure)
	case late: // no answer in time: to ask the same one again would take as long
		h.trouble(failure)
		j.shun(relay, failure)
	default:
		h.trouble(failure)
		j.giveBack(failure)
	}
	return err
}

func (s *session) noop() error {
	s.out = append(s.out[:0], "NOOP\r\n"...)
	if _, err := s.Write(s.out); err != nil {
		return err
	}
	s.out = s.out[:0]
	if err := s.read(); err != nil {
		return err
	}
	if !s.rp.ok() {
		return errLeaving
	}
	return nil
}

// quit says QUIT, and does not insist on an answer.
func (s *session) quit() {
	s.out = append(s.out[:0], "QUIT\r\n"...)
	if s.flush(quitPatience) == nil {
		_ = s.read()
	}
}

// quitPatience is how long the answer to QUIT is waited for.
const quitPatience = time.Second

// settle finishes a job that the relay refused, or sends it to another relay
// where the reason is the relay's own, and tells the relay's health what that means.
func settle(h *health, j *job, no *notifier.SendError) {
	if no.Stage == stageRcpt {
		// A 4.7.x here is about the recipient until most of them get it.
		deferred := no.Code/100 == 4 && no.Fault == notifier.FaultRecipient && isPolicy(no.Enhanced)
		if h.rcpt(deferred) && deferred {
			no.Fault = notifier.FaultRelay
		}
	}
	if no.Fault == notifier.FaultRelay {
		h.trouble(no)
		j.shun(h.name, no)
		return
	}
	h.success()
	j.fail(no)
}

func isPolicy(enhanced string) bool { return len(enhanced) > 4 && enhanced[1:4] == ".7." }
