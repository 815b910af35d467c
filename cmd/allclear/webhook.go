package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"allclear/notifier/webhook"
)

type webhookCmd struct {
	Check webhookCheckCmd `cmd:"" help:"Whether a URL would be called, and why not."`
}

type webhookCheckCmd struct {
	URL     string `arg:"" help:"The URL."`
	JSON    bool   `name:"json" help:"Print one JSON object."`
	BaseURL string `name:"base-url" setting:"BASE_URL" group:"settings" placeholder:"URL" help:"The service's own address, which is not called."`
	Allow   string `name:"webhook-allow" setting:"WEBHOOK_ALLOW" group:"settings" placeholder:"CIDR,..." help:"Private networks that webhooks may be posted to."`
}

// Help says what is looked at.
func (c *webhookCheckCmd) Help() string {
	return `Resolves the host and never connects. Exit code 0: it would be called at this moment; 1: it would not. The same is looked at for every connection, because a name may lead elsewhere by then.`
}

func (c *webhookCheckCmd) Run(a *app) error {
	d := Doors{WebhookAllow: c.Allow}
	guard, err := d.guard(c.BaseURL)
	if err != nil {
		return err
	}
	v := guard.Check(a.ctx, c.URL)
	if c.JSON {
		err = printJSON(a.out, struct {
			URL       string       `json:"url"`
			Allowed   bool         `json:"allowed"`
			Why       string       `json:"why"`
			Addresses []netip.Addr `json:"addresses"`
		}{c.URL, v.Allowed, v.Why, append([]netip.Addr{}, v.Addresses...)})
	} else {
		word := "allowed"
		if !v.Allowed {
			word = "refused"
		}
		fmt.Fprintf(a.out, "%s: %s\n", word, v.Why)
		for _, x := range v.Addresses {
			fmt.Fprintf(a.out, "  %s\n", x)
		}
	}
	if err == nil && !v.Allowed {
		err = &failure{exitFailed}
	}
	return err
}

// guard decides where webhooks go; base is the service's own address.
func (d *Doors) guard(base string) (*webhook.Guard, error) {
	allow, err := webhook.ParseAllow(d.WebhookAllow)
	if err != nil {
		return nil, wrong("WEBHOOK_ALLOW", "%s", strings.TrimSuffix(err.Error(), "."))
	}
	o := webhook.GuardOptions{Allow: allow}
	if u, err := url.Parse(base); err == nil && u.Hostname() != "" {
		o.Names = []string{u.Hostname()}
	}
	return webhook.NewGuard(o), nil
}
