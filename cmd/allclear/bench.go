package main

type benchCmd struct {
	Messages int    `default:"20000" placeholder:"N" help:"How many mails each run sends (default: 20000)."`
	Database string `placeholder:"PATH|URL" help:"Use this: a new SQLite file, or a schema of its own on postgres://...; either is removed at the end."`
	Unsigned bool   `help:"Sign nothing."`
	Signer   string `default:"auto" enum:"auto,go,libcrypto" placeholder:"NAME" help:"Who computes RSA signatures, in both runs: auto (default), go or libcrypto."`
	JSON     bool   `name:"json" help:"Print the result as one JSON object."`
}

// Help says what is compared.
func (c *benchCmd) Help() string {
	return `Sends the same mails twice over 8 connections to a relay of its own in this process: by a bare loop (a letter that is ready, filled in for each reader, signed by go-msgauth with an RSA-2048 and an Ed25519 key, no database), and by the whole pipeline (accept, fan out, claim, render, sign, send, settle). The ratio says what durability costs on this machine. No setting is read, and nothing is left behind, by Ctrl-C neither.`
}

func (c *benchCmd) Run(a *app) error {
	if c.Messages < 1 || c.Messages > 1_000_000 {
		return &usageError{"--messages must be 1 to 1000000"}
	}
	if c.Signer == "libcrypto" {
		return &usageError{"--signer: libcrypto is not built into this version; use go"}
	}
	return a.onGround("bench", c.Database, func(g *ground) error { return c.compare(a, g) })
}

// compare measures both and reports.
func (c *benchCmd) compare(a *app, g *ground) error {
	r := &ratioReport{Messages: c.Messages, Signed: !c.Unsigned, Signer: "go", ground: g}
	if c.Unsigned {
		r.Signer = "none"
	}
	if err := c.measureRatio(a, g, r); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a.out, r.json())
	}
	return r.print(a.out)
}
