package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"

	"allclear/notifier"
)

type smsCmd struct {
	Count smsCountCmd `cmd:"" help:"What texts take as messages: one JSON line for each line of standard input."`
	URLs  smsURLsCmd  `cmd:"" name:"urls" help:"The addresses that the gateway is to call."`
}

type smsCountCmd struct{}

// Help says what is printed.
func (c *smsCountCmd) Help() string {
	return `Each line: {encoding, segments, units, text}: gsm7 or ucs2, the parts that are charged, septets or UTF-16 units, and the text as it would be sent, with plain signs for typographic ones where that saves parts.`
}

func (c *smsCountCmd) Run(a *app) error {
	lines := bufio.NewScanner(a.in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text := notifier.PlainText(strings.ToValidUTF8(strings.TrimSuffix(lines.Text(), "\r"), "\ufffd"))
		size := notifier.MeasureText(text)
		if err := json.NewEncoder(a.out).Encode(struct {
			Encoding notifier.TextEncoding `json:"encoding"`
			Segments int                   `json:"segments"`
			Units    int                   `json:"units"`
			Text     string                `json:"text"`
		}{size.Encoding, size.Segments, size.Units, text}); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	return nil
}

type smsURLsCmd struct {
	Storage
	Site
	Doors
}

// Help says where they belong.
func (c *smsURLsCmd) Help() string {
	return `Prints the address for what people write (Twilio: the number's "a message comes in" webhook; Kannel: get-url of an sms-service with catch-all). Reports of deliveries need no setting: their address goes out with each message. Who knows an address of Kannel's or a template's can stop and start people: keep it between the two.`
}

func (c *smsURLsCmd) Run(a *app) error {
	set, err := c.Doors.sms()
	if err != nil {
		return err
	}
	if set == nil {
		return wrong("SMS", "is not set")
	}
	base, err := c.base("")
	if err != nil {
		return err
	}
	if base == "" {
		return wrong("BASE_URL", "is not set; the gateway has to be told where the service is")
	}
	s := Settings{Storage: c.Storage}
	secret, _, err := s.secret(a.env)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, intake(set, base, secret, nil, nil, nil).InboundURL())
	return err
}
