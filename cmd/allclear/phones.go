package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"allclear/notifier"
	"allclear/notifier/sms"
	"allclear/store"
	"allclear/subscribers"
	"allclear/templates"
)

// sms reads the setting of the gateway; nil where there is none.
func (d *Doors) sms() (*sms.Setting, error) {
	if d.SMS == "" {
		return nil, nil //nolint:nilnil // no gateway is no mistake
	}
	set, err := sms.ParseSetting(d.SMS, os.ReadFile)
	if err != nil {
		return nil, wrongBy("SMS", err)
	}
	for _, c := range set.Countries {
		if !subscribers.KnownCountry(c) {
			return nil, wrong("SMS", "countries= names %s, which is no country's code, such as NO", c)
		}
	}
	return set, nil
}

// openPhones opens the way of text messages, where a gateway is set.
func (p *Program) openPhones(ctx context.Context) error {
	set, err := p.o.settings.sms()
	if err != nil {
		return err
	}
	if err := p.keepGateway(ctx, set != nil); err != nil || set == nil {
		return err
	}
	p.phones, p.intake = set, intake(set, p.base, p.secret, p.db, smsWords{set, p.set, p.db, links{p.links}, p.base}.answer, p.o.log)
	held, few := newOnceAnHour(p.db.Now), newOnceAnHour(p.db.Now)
	sender := sms.New(sms.Options{
		Gateway: set.Gateway, Now: p.db.Now, Rate: set.Rate, Budget: p.db, Limit: set.Budget, Report: p.intake.ReportURL,
		Answered: newGatewayNews(set.Gateway.Name(), p.o.log).answered,
		Exhausted: func(codes bool, until time.Time) {
			p.short.note(codes, until)
			switch {
			case codes && few.now():
				p.o.log.Warn("what a day's budget of text messages has for codes is used up: nobody can sign a phone up", "segments", set.Budget, "until", until)
			case !codes && held.now():
				p.o.log.Warn("the day's budget of text messages is used up; what is left waits", "segments", set.Budget, "until", until)
			}
		},
	})
	return p.openDoor(ctx, notifier.SMS, sender, sms.Workers)
}

// giveBackAtOnce is how many messages go back to first addresses in one step.
const giveBackAtOnce = 500

// keepGateway keeps in the database whether there is a gateway, where every process
// and command finds it; a worker says nothing about it. Where it was taken away,
// what waits for telephones that are second addresses goes to the first ones.
func (p *Program) keepGateway(ctx context.Context, open bool) error {
	if p.o.worker {
		return nil
	}
	if _, err := p.db.SetDoor(ctx, notifier.SMS, open); err != nil { // a database that takes no writes stops no start
		p.o.log.Warn("tell whether there is a gateway of text messages", "part", "sms", "error", err)
		return nil
	}
	if open {
		return nil
	}
	back := 0
	for {
		n, err := p.db.GiveBack(ctx, notifier.SMS, giveBackAtOnce)
		if err != nil {
			return err
		}
		if back += n; n == 0 {
			break
		}
	}
	if back > 0 {
		p.o.log.Warn("there is no gateway of text messages any more (ALLCLEAR_SMS): what waited for telephones that are second addresses goes to the first ones", "messages", back)
	}
	return nil
}

// intake takes what the gateway calls. db may be nil where nothing is taken.
func intake(set *sms.Setting, base string, secret []byte, db *store.Store, words func(context.Context, sms.Answer, string) string, log *slog.Logger) *sms.Intake {
	o := sms.IntakeOptions{
		Gateway: set.Gateway, AuthToken: set.AuthToken, BaseURL: base, Secret: secret, Words: words, Parse: subscribers.ParsePhone, Log: log,
	}
	if db != nil {
		o.People, o.Reports = db, db
	}
	return sms.NewIntake(o)
}

// smsWords answers in the language of whoever owns the phone. What it costs
// comes out of the day's budget, and nobody makes it cost much: each number is
// answered a few times a day, and one that is not subscribed only where numbers
// of its country may be.
type smsWords struct {
	gateway *sms.Setting
	set     *templates.Live
	db      *store.Store
	links   links
	base    string
}

func (x smsWords) answer(ctx context.Context, a sms.Answer, phone string) string {
	found, _, err := x.db.Subscribers(ctx, subscribers.Query{Channel: notifier.SMS, Address: phone, Limit: 1})
	known := err == nil && len(found) > 0
	if !known && (!x.gateway.Serves(subscribers.Country(phone)) || !subscribers.Textable(phone)) {
		return ""
	}
	language, link := "", x.base
	if known {
		if language = found[0].Language; found[0].State != subscribers.Pending {
			link += "/s/" + x.links.Short(int64(found[0].Number))
		}
	}
	text := x.set.TextAnswer(string(a), language, link)
	ok, err := x.db.AnswerPhone(ctx, phone)
	if err == nil && ok && x.gateway.Budget > 0 {
		day := x.db.Now().UTC().Format(time.DateOnly)
		ok, err = x.db.SpendSegments(ctx, day, notifier.MeasureText(notifier.PlainText(text)).Segments, x.gateway.Budget)
	}
	if err != nil || !ok { // what was asked for is done; it only goes unanswered
		return ""
	}
	return text
}

// Short is the token of the link in a text message.
func (l links) Short(reader int64) string { return l.Links.Short(subscribers.Number(reader)) }

// Code is the code by which a phone's owner confirms.
func (l links) Code(reader int64, asked time.Time) string {
	return l.Links.Code(subscribers.Number(reader), asked)
}
