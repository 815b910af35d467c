package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/notifier/console"
	"allclear/notifier/email"
	"allclear/subscribers/web/gate"
)

// console is the staff's pages on this program.
func (p *Program) console(ctx context.Context, proxies []netip.Prefix, zone *time.Location, notices api.NoticeDesk) (*console.Handler, error) {
	pages := p.set.Pages()
	hold, err := p.o.settings.holdDown()
	if err != nil {
		return nil, err
	}
	folder, err := p.o.settings.stateFolder(p.o.env) // a container may have no other that can be written to
	if err != nil {
		return nil, err
	}
	h, err := console.New(console.Options{
		Folder: folder, Spare: spare,
		Store: careful{accepting{p.db, p.metrics}, notices}, Letters: p.set, Notices: p.consoleNotices(notices, zone), Digests: p.digestDesk(), Templates: p.words.desk(p.o.settings.Templates), Name: p.o.settings.Name, BaseURL: p.base, Key: derive(p.secret, "console"),
		Now: p.db.Now, NewID: newID, Zone: zone, HoldDown: hold, Log: p.o.log, Style: pages.Style(), Script: pages.Script(), Policy: pages.Policy(),
		Client: func(r *http.Request) netip.Addr { return gate.Client(r, proxies) },
		Relays: p.relayNews, Settings: shownSettings(&p.o.settings), Phones: p.phones != nil, Alert: p.o.settings.Alert != "",
	})
	if err != nil {
		return nil, fmt.Errorf("build the console: %w", err)
	}
	if err := p.db.FactorsOpen(ctx); errors.Is(err, notifier.ErrConflict) {
		p.o.log.Error("nobody can sign in to the console by an authenticator's code: the service's secret is not the one that those were sealed with; restore it, or make everybody a new link by allclear staff reset")
	} else if err != nil {
		return nil, err
	}
	return h, nil
}

// derive makes a key for one purpose from the service's secret.
func derive(secret []byte, purpose string) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("allclear " + purpose))
	return mac.Sum(nil)
}

// relayNews is how the relays do, for people.
func (p *Program) relayNews() []console.Relay {
	var out []console.Relay
	for _, r := range p.pool.Relays() {
		shown := console.Relay{Name: r.Name, State: "working", Paused: r.Paused, Retry: r.RetryAt}
		if r.State == email.RelayResting {
			shown.State = "resting"
		}
		if r.Cause != nil { // all staff see it
			shown.Cause = cmp.Or(strings.TrimSpace(relayWhy(r.Cause)), "it cannot be talked to")
		}
		out = append(out, shown)
	}
	return out
}

// shownSettings are the settings in use by the names of their variables. Of a
// secret only whether it is set is told.
func shownSettings(s *Settings) []console.Setting {
	var out []console.Setting
	for _, f := range settingFields() {
		value := strings.TrimSpace(fmt.Sprint(reflect.ValueOf(*s).FieldByIndex(f.Index).Interface()))
		if _, secret := f.Tag.Lookup("secret"); secret && value != "" {
			value = "set (not shown)"
		}
		out = append(out, console.Setting{Name: prefix + f.Tag.Get("setting"), Value: value})
	}
	return out
}
