package main

import (
	"allclear/notifier/alarm"
	"allclear/notifier/api"
	"allclear/notifier/audience"
	"allclear/notifier/digest"
	"allclear/notifier/email"
	"allclear/notifier/fanout"
	"allclear/notifier/outbox"
	"allclear/notifier/sms"
	"allclear/notifier/webhook"
	"allclear/store"
	"allclear/subscribers"
	"allclear/subscribers/web"
	"allclear/templates"
)

// Whoever changes a port or the store learns here what no longer fits.
var (
	_ api.Store                  = (*store.Store)(nil)
	_ web.Posts                  = (*store.Store)(nil)
	_ web.People                 = (*store.Store)(nil)
	_ web.Account                = (*store.Store)(nil)
	_ web.Moves                  = (*store.Store)(nil)
	_ web.Seconds                = (*store.Store)(nil)
	_ web.SignUps                = (*store.Store)(nil)
	_ outbox.Queue               = (*store.Store)(nil)
	_ outbox.Leases              = (*store.Store)(nil)
	_ fanout.Expander            = (*store.Store)(nil)
	_ templates.Stories          = (*store.Store)(nil)
	_ subscribers.Importer       = (*store.Store)(nil)
	_ subscribers.SecondImporter = (*store.Store)(nil)

	_ digest.Store         = (*store.Store)(nil)
	_ templates.Digests    = (*store.Store)(nil)
	_ templates.Recipients = (*store.Store)(nil)
	_ audience.Keeper      = (*store.Store)(nil)
	_ api.Letters          = (*templates.Set)(nil)
	_ api.Letters          = (*templates.Live)(nil)

	_ templates.Phones  = links{}
	_ webhook.Together  = (*store.Store)(nil)
	_ alarm.Keeper      = (*store.Store)(nil)
	_ webhook.Endpoints = (*store.Store)(nil)
	_ sms.People        = (*store.Store)(nil)
	_ sms.Reports       = (*store.Store)(nil)
	_ sms.Budget        = (*store.Store)(nil)

	_ outbox.Renderer  = (*templates.LiveRenderer)(nil)
	_ outbox.Readiness = (*email.Sender)(nil)
	_ templates.Links  = links{}
	_ web.Pages        = (*templates.LivePages)(nil)
	_ email.Composer   = (*email.Compositor)(nil)
	_ email.Observer   = (*metrics)(nil)
)
