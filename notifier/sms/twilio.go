package sms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

// twilio speaks the Messages resource of Twilio's API of 2010-04-01, which
// others speak, too.
type twilio struct {
	line
	base       string // scheme and host
	sid, token string
	from       string // a number, a short code, or a messaging service (MG...)
}

func (g *twilio) Name() string { return g.name }

// messages is the address of the account's messages.
func (g *twilio) messages() string {
	return g.base + "/2010-04-01/Accounts/" + url.PathEscape(g.sid) + "/Messages.json"
}

func (g *twilio) Send(ctx context.Context, t Text) (notifier.Receipt, error) {
	form := url.Values{"To": {t.To}, "Body": {t.Body}}
	if strings.HasPrefix(g.from, "MG") {
		form.Set("MessagingServiceSid", g.from)
	} else {
		form.Set("From", g.from)
	}
	if t.Report != "" {
		form.Set("StatusCallback", t.Report)
	}
	r, err := http.NewRequest(http.MethodPost, g.messages(), strings.NewReader(form.Encode())) //nolint:noctx // ask gives it one
	if err != nil {
		return notifier.Receipt{}, &notifier.SendError{Fault: notifier.FaultOurs, Stage: stageRender, Err: err}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(g.sid, g.token)
	a, err := g.ask(ctx, r)
	if err != nil {
		return notifier.Receipt{}, err
	}
	var said struct {
		SID     string `json:"sid"`
		Status  string `json:"status"`
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(a.body, &said) // what is no JSON has nothing to say
	if a.status >= 200 && a.status < 300 && said.SID != "" {
		return g.receipt(a, said.Status, said.SID), nil
	}
	words := said.Message
	if said.Code > 0 {
		words = fmt.Sprintf("%d %s", said.Code, said.Message)
	}
	se := g.refusal(a, words)
	g.judge(se, said.Code)
	return notifier.Receipt{}, se
}

// findMost is how many of the newest messages to a number are looked through.
const findMost = 20

// Find looks through the newest messages to a number for one with the same
// words, made since the last try began. Ages are by Twilio's own clock.
func (g *twilio) Find(ctx context.Context, t Text, ago time.Duration) (notifier.Receipt, bool, error) {
	q := url.Values{"To": {t.To}, "PageSize": {fmt.Sprint(findMost)}}
	r, err := http.NewRequest(http.MethodGet, g.messages()+"?"+q.Encode(), nil) //nolint:noctx // ask gives it one
	if err != nil {
		return notifier.Receipt{}, false, &notifier.SendError{Fault: notifier.FaultOurs, Stage: stageRender, Err: err}
	}
	r.SetBasicAuth(g.sid, g.token)
	a, err := g.ask(ctx, r)
	if err != nil {
		return notifier.Receipt{}, false, g.unsure(err)
	}
	var said struct {
		Messages *[]struct {
			SID       string `json:"sid"`
			Body      string `json:"body"`
			Direction string `json:"direction"`
			Status    string `json:"status"`
			Code      int    `json:"error_code"`
			Created   string `json:"date_created"` // of RFC 2822
		} `json:"messages"`
	}
	now, clock := http.ParseTime(a.header.Get("Date"))
	if a.status != http.StatusOK || json.Unmarshal(a.body, &said) != nil || said.Messages == nil || clock != nil {
		return notifier.Receipt{}, false, g.unsure(g.refusal(a, ""))
	}
	for _, m := range *said.Messages {
		created, err := time.Parse(time.RFC1123Z, m.Created)
		if err != nil || strings.HasPrefix(m.Direction, "inbound") || now.Sub(created) > ago+answerTime+doubtPause ||
			!strings.HasSuffix(strings.TrimSpace(m.Body), strings.TrimSpace(t.Body)) { // a trial account has words of its own before it
			continue
		}
		receipt := g.receipt(a, m.Status, m.SID)
		receipt.Answer = "" // it is about other messages, too
		if slices.Contains([]string{"failed", "undelivered", "canceled"}, m.Status) {
			se := &notifier.SendError{Fault: notifier.FaultRecipient, Permanent: true, Stage: stageAnswer, Receipt: receipt}
			se.Gone = m.Code == stopped
			return receipt, false, se
		}
		return receipt, true, nil
	}
	return notifier.Receipt{}, false, nil
}

// unsure is an error of asking: the message stays in doubt, and is asked about again.
func (g *twilio) unsure(err error) error {
	var se *notifier.SendError
	if !errors.As(err, &se) || se.Stage == stageRender {
		return err
	}
	out := *se
	out.Permanent, out.Gone, out.Doubt, out.Stage = false, false, true, stageDoubt
	if out.Fault == notifier.FaultRecipient {
		out.Fault = notifier.FaultRelay
	}
	out.RetryAfter = max(out.RetryAfter, doubtPause)
	out.Receipt.Reply, out.Receipt.Answer = notifier.Doubtful("the gateway could not be asked what became of the message"), ""
	return &out
}

// stopped is Twilio's code for who said STOP.
const stopped = 21610

// judge knows what Twilio's own codes mean, https://www.twilio.com/docs/api/errors.
func (g *twilio) judge(se *notifier.SendError, code int) {
	switch code {
	case stopped:
		se.Fault, se.Permanent, se.Gone = notifier.FaultRecipient, true, true
	case 21211, 21214, 21217, 21219, 21612, 21614: // no number that can be reached
		se.Fault, se.Permanent = notifier.FaultRecipient, true
	case 20429, 14107, 21611, 63038: // too fast, too many
		se.Fault, se.Permanent = notifier.FaultRelay, false
	case 20003, 20005, 20404, 21408, 21603, 21606, 21212, 21609, 21660, 21703, 21704, 21705, 30032, 63007: // account, permission for the region, the sender's number or service, our address for reports
		se.Fault, se.Permanent = notifier.FaultOurs, false
	}
	if code > 0 && !se.Doubt {
		se.Code = code
	}
}
