package sms

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

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
	r, err := http.NewRequest(http.MethodPost, g.base+"/2010-04-01/Accounts/"+url.PathEscape(g.sid)+"/Messages.json", strings.NewReader(form.Encode())) //nolint:noctx // ask gives it one
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

// judge knows what Twilio's own codes mean, https://www.twilio.com/docs/api/errors.
func (g *twilio) judge(se *notifier.SendError, code int) {
	switch code {
	case 21610: // the recipient said STOP
		se.Fault, se.Permanent, se.Gone = notifier.FaultRecipient, true, true
	case 21211, 21214, 21217, 21219, 21612, 21614: // no number that can be reached
		se.Fault, se.Permanent = notifier.FaultRecipient, true
	case 20429, 14107: // too fast
		se.Fault, se.Permanent = notifier.FaultRelay, false
	case 20003, 20404, 21408, 21603, 21606, 21212, 21660, 30032: // account, permission for the region, the sender's number
		se.Fault, se.Permanent = notifier.FaultOurs, false
	}
	if code > 0 {
		se.Code = code
	}
}
