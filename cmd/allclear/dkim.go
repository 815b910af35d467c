package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"allclear/notifier/email"
)

type dkimCmd struct {
	Generate dkimGenerateCmd `cmd:"" help:"Make a key and print the DNS record to publish."`
	DNS      dkimDNSCmd      `cmd:"" name:"dns" help:"Print the DNS records of the configured keys."`
	Check    dkimCheckCmd    `cmd:"" help:"Look the records up and compare them with the keys."`
}

type dkimGenerateCmd struct {
	Domain    string `required:"" placeholder:"DOMAIN" help:"The domain that signs: From's."`
	Selector  string `required:"" placeholder:"NAME" help:"The key's name below the domain, such as s2026."`
	Algorithm string `default:"rsa" placeholder:"rsa|ed25519" help:"rsa (2048 bits; default) or ed25519. Use rsa, and ed25519 beside it if you like."`
	Out       string `required:"" placeholder:"FILE" help:"Where the private key goes; never overwritten."`
}

func (c *dkimGenerateCmd) Run(a *app) error {
	signer, err := email.GenerateKey(c.Algorithm)
	if err != nil {
		return err
	}
	record, err := email.Record(email.Key{Domain: strings.ToLower(c.Domain), Selector: c.Selector, Signer: signer})
	if err != nil {
		return err
	}
	if err := email.WriteKey(c.Out, signer); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, record)
	return err
}

// keyFlags are the keys in the settings.
type keyFlags struct {
	DKIM string `name:"dkim" setting:"DKIM" group:"settings" placeholder:"DOMAIN:SELECTOR:KEYFILE,..." help:"The keys."`
}

func (f keyFlags) keys(a *app) ([]email.Key, error) {
	keys, warnings, err := email.ParseKeys(f.DKIM)
	if err != nil {
		return nil, wrongBy("DKIM", err)
	}
	if len(keys) == 0 {
		return nil, wrong("DKIM", "is not set; write DOMAIN:SELECTOR:KEYFILE (allclear dkim generate makes a key)")
	}
	warn(a.err, warnings)
	return keys, nil
}

type dkimDNSCmd struct {
	Zone bool `help:"As lines of a zone file, long strings split."`
	keyFlags
}

func (c *dkimDNSCmd) Run(a *app) error {
	keys, err := c.keys(a)
	if err != nil {
		return err
	}
	print := email.Record
	if c.Zone {
		print = email.ZoneRecord
	}
	for _, k := range keys {
		record, err := print(k)
		if err != nil {
			return err
		}
		fmt.Fprintln(a.out, record)
	}
	return nil
}

type dkimCheckCmd struct {
	JSON bool `name:"json" help:"Print a JSON array."`
	keyFlags
}

func (c *dkimCheckCmd) Run(a *app) error {
	keys, err := c.keys(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, 20*time.Second)
	defer cancel()
	type finding struct {
		Name  string `json:"name"`
		State string `json:"state"`
		OK    bool   `json:"ok"`
		Text  string `json:"text"`
	}
	out, bad := []finding{}, false
	for _, k := range keys {
		f := email.Check(ctx, net.DefaultResolver.LookupTXT, k)
		out = append(out, finding{k.String(), string(f.State), f.OK(), f.Sentence})
		bad = bad || !f.OK()
	}
	if c.JSON {
		if err := printJSON(a.out, out); err != nil {
			return err
		}
	} else {
		for _, f := range out {
			mark := "ok   "
			if !f.OK {
				mark = "fail "
			}
			fmt.Fprintln(a.out, mark+f.Text)
		}
	}
	if bad {
		return &failure{exitFailed}
	}
	return nil
}
