package email

import (
	"errors"
	"time"

	"github.com/emersion/go-smtp"

	"allclear/notifier"
)

// plain sends over go-smtp's client, one command at a time, to relays that do
// not announce PIPELINING.
type plain struct {
	*wire
	client   *smtp.Client
	relay    string
	timeouts *Timeouts
	now      func() time.Time
	health   *health
	idled    bool // see session.stale
}

func (p *plain) send(first *job, idled bool, more func(*job) *job) error {
	p.idled = idled
	for j := first; j != nil; j = more(nil) {
		if err := p.one(j); err != nil {
			return err
		}
		p.idled = false
	}
	return nil
}

// one sends one message. An error means that the connection is of no more use.
func (p *plain) one(j *job) error {
	if err := j.begin(p.wire, p.now); err != nil {
		j.finish(notifier.Receipt{}, err)
		return nil
	}
	// The client's own deadlines are as long; the watchdog also covers writes.
	p.patience(p.timeouts.Command)
	if err := p.client.Mail(j.env.From, nil); err != nil {
		return p.refused(j, stageMail, err)
	}
	p.patience(p.timeouts.Command)
	if err := p.client.Rcpt(j.env.To, nil); err != nil {
		return p.refused(j, stageRcpt, err)
	}
	p.health.rcpt(false)
	p.patience(p.timeouts.Command)
	content, err := p.client.Data()
	if err != nil {
		return p.refused(j, stageData, err)
	}
	if err := j.beginContent(p.now); err != nil {
		// Only the connection's end takes DATA back: a dot would send an empty mail.
		j.finish(notifier.Receipt{}, err)
		return errDataOpen
	}
	p.patience(p.timeouts.Dot)
	var rp reply
	if _, err = content.Write(j.env.Data); err == nil {
		var answer *smtp.DataResponse
		if answer, err = content.CloseWithResponse(); err == nil {
			rp = replyOf(&smtp.SMTPError{Code: 250, Message: answer.StatusText})
		}
	}
	var no *smtp.SMTPError
	switch {
	case errors.As(err, &no):
		rp = replyOf(no)
	case err != nil:
		err = p.cause(err)
		inDoubt(p.health, p.wire, p.relay, j, err)
		return err
	}
	return conclude(p.health, p.relay, j, &rp)
}

// refused takes care of a job that got no further than its envelope.
func (p *plain) refused(j *job, stage string, err error) error {
	var se *smtp.SMTPError
	if !errors.As(err, &se) {
		return lost(p.health, p.wire, p.relay, stage, j, p.cause(err), p.idled && stage == stageMail)
	}
	rp := replyOf(se)
	no := refusal(p.relay, stage, &rp)
	if rp.code == 421 && p.idled && stage == stageMail {
		j.giveBack(no)
		return errLeaving
	}
	settle(p.health, j, no)
	if rp.code == 421 {
		return errLeaving
	}
	p.patience(p.timeouts.Command)
	return p.cause(p.client.Reset())
}

func (p *plain) noop() error { return p.client.Noop() }

func (p *plain) quit() {
	p.patience(quitPatience)
	_ = p.client.Quit()
}
