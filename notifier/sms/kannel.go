package sms

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"allclear/notifier"
)

// kannel speaks the sendsms interface of Kannel's smsbox (its user guide,
// chapter "SMS push").
type kannel struct {
	line
	base           string
	user, password string
	from           string
}

func (g *kannel) Name() string { return g.name }

// reports are the sorts of delivery report that are wanted: delivered (1), not
// delivered (2), refused by the carrier (16).
const reports = "19"

func (g *kannel) Send(ctx context.Context, t Text) (notifier.Receipt, error) {
	q := url.Values{"username": {g.user}, "password": {g.password}, "to": {t.To}, "text": {t.Body}, "charset": {"UTF-8"}, "coding": {"0"}}
	if t.Size.Encoding == notifier.UCS2 {
		q.Set("coding", "2")
	}
	if g.from != "" {
		q.Set("from", g.from)
	}
	if t.Report != "" {
		q.Set("dlr-mask", reports)
		q.Set("dlr-url", t.Report+"&type=%d&answer=%A")
	}
	r, err := http.NewRequest(http.MethodGet, g.base+"/cgi-bin/sendsms?"+q.Encode(), nil) //nolint:noctx // ask gives it one
	if err != nil {
		return notifier.Receipt{}, &notifier.SendError{Fault: notifier.FaultOurs, Stage: stageRender, Err: err}
	}
	a, err := g.ask(ctx, r)
	if err != nil {
		return notifier.Receipt{}, err
	}
	words := strings.TrimSpace(string(a.body))
	if a.status == http.StatusAccepted && (strings.HasPrefix(words, "0:") || strings.HasPrefix(words, "3:")) {
		return g.receipt(a, words, ""), nil
	}
	return notifier.Receipt{}, g.refusal(a, words)
}
